/** The names that an expression refers to, read from its syntax tree. */
export interface References {
  /** Functions that are called and not defined in the expression itself. */
  functions: Set<string>;
  /** `NAME` of every `steps.NAME` and `$steps.NAME`. */
  steps: Set<string>;
  /** Paths that start at a binding, up to the first filter: `event.data.body.severity` of `event.data.body.severity[0] = 'high'`. */
  paths: Set<string>;
}

type Node = Readonly<Record<string, unknown>>;

/** Reads the names that a JSONata syntax tree refers to. */
export function referencesOf(ast: unknown): References {
  const found: References = { functions: new Set(), steps: new Set(), paths: new Set() };
  const bound = new Set<string>();
  collectBound(ast, bound);
  visit(ast, true, bound, found);
  return found;
}

/** Variables that the expression defines: by `:=`, as parameters, by `@$name` and `#$name`. */
function collectBound(value: unknown, bound: Set<string>): void {
  if (Array.isArray(value)) for (const each of value) collectBound(each, bound);
  if (!isNode(value)) return;
  if (value.type === 'bind') addVariable(value.lhs, bound);
  if (value.type === 'lambda' && Array.isArray(value.arguments)) {
    for (const parameter of value.arguments) addVariable(parameter, bound);
  }
  for (const name of [value.focus, indexName(value.index)]) if (typeof name === 'string') bound.add(name);
  for (const child of Object.values(value)) collectBound(child, bound);
}

/** `atTop`: whether a bare `steps` still means the steps of the run, and not a field of what is being filtered. */
function visit(value: unknown, atTop: boolean, bound: ReadonlySet<string>, found: References): void {
  if (Array.isArray(value)) for (const each of value) visit(each, atTop, bound, found);
  if (!isNode(value)) return;
  if (value.type === 'path' && Array.isArray(value.steps)) {
    addStep(value.steps, atTop, bound, found);
    addPath(value.steps, atTop, bound, found);
    for (const [at, step] of value.steps.entries()) visit(step, atTop && at === 0, bound, found);
    visit([value.group, value.stages, value.predicate], false, bound, found);
    return;
  }
  const { procedure } = value;
  if ((value.type === 'function' || value.type === 'partial') && isNode(procedure)) {
    const name = variableName(procedure);
    if (name !== undefined && !bound.has(name)) found.functions.add(name);
  }
  for (const [member, child] of Object.entries(value)) {
    visit(child, atTop && !insideItem.has(member), bound, found);
  }
}

/** Members of a node whose expressions see an item of a list instead of the whole input. */
const insideItem = new Set(['stages', 'predicate', 'group', 'terms', 'pattern', 'update', 'delete']);

function addStep(path: readonly unknown[], atTop: boolean, bound: ReadonlySet<string>, found: References): void {
  const [first, second] = path;
  if (!isNode(first) || !isNode(second) || second.type !== 'name' || first.predicate || first.stages) return;
  const asField = atTop && first.type === 'name' && first.value === 'steps';
  const asVariable = variableName(first) === 'steps' && !bound.has('steps');
  if ((asField || asVariable) && typeof second.value === 'string') found.steps.add(second.value);
}

/** The bindings of an expression; whatever else a path starts with is a field of something unknown. */
const bindings: ReadonlySet<unknown> = new Set(['event', 'steps', 'item', 'memo', 'quota', 'run']);

function addPath(path: readonly unknown[], atTop: boolean, bound: ReadonlySet<string>, found: References): void {
  const [first, ...others] = path;
  if (!isNode(first)) return;
  const variable = variableName(first);
  const root =
    variable !== undefined && !bound.has(variable) ? variable : atTop && first.type === 'name' && first.value;
  if (!bindings.has(root)) return;
  const names = [String(root)];
  if (!isFiltered(first)) {
    for (const step of others) {
      if (!isNode(step) || step.type !== 'name') break;
      names.push(/^[A-Za-z_]\w*$/.test(String(step.value)) ? String(step.value) : `\`${String(step.value)}\``);
      if (isFiltered(step)) break;
    }
  }
  found.paths.add(names.join('.'));
}

function isFiltered({ predicate, stages }: Node): boolean {
  return predicate !== undefined || stages !== undefined;
}

function addVariable(value: unknown, names: Set<string>): void {
  const name = isNode(value) ? variableName(value) : undefined;
  if (name !== undefined) names.add(name);
}

function variableName(node: Node): string | undefined {
  return node.type === 'variable' && typeof node.value === 'string' && node.value !== '' && node.value !== '$'
    ? node.value
    : undefined;
}

function indexName(index: unknown): unknown {
  return isNode(index) ? index.value : index;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
