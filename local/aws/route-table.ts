/** A route as API Gateway's HTTP APIs know it: `ANY` or a method, and a path such as `/v1/{vendor}/{proxy+}`, or `$default`. */
export interface Route {
  method: string;
  path: string;
}

export interface RouteMatch<R extends Route> {
  route: R;
  /** Values of the path's variables; absent where it has none. */
  parameters: Record<string, string> | undefined;
}

/** Finds the most specific route: fixed segments before variables, whole paths before `{proxy+}`, a method before `ANY`. */
export type RouteTable<R extends Route> = (method: string, path: string) => RouteMatch<R> | undefined;

interface Ending<R> {
  route: R;
  names: string[];
}

interface Node<R> {
  fixed: Map<string, Node<R>>;
  variable: Node<R> | undefined;
  /** Routes that end here, and those whose greedy variable begins here, by method. */
  ends: Map<string, Ending<R>>;
  greedy: Map<string, Ending<R>>;
}

/** Compiles routes once; throws when two of them are the same. Matches are shared between look-ups: copy what you change. */
export function routeTable<R extends Route>(routes: readonly R[]): RouteTable<R> {
  const root = newNode<R>();
  let fallback: R | undefined;
  for (const route of routes) {
    if (route.path === '$default') fallback = route;
    else insert(root, route);
  }
  const recent = new Map<string, Map<string, RouteMatch<R>>>();
  return (method, path) => {
    let byPath = recent.get(method);
    if (byPath === undefined || byPath.size >= remembered) {
      byPath = new Map();
      recent.set(method, byPath);
    }
    const known = byPath.get(path);
    if (known !== undefined) return known;
    const match = matchRoute(method, path);
    if (match !== undefined) byPath.set(path, match);
    return match;
  };

  function matchRoute(method: string, path: string): RouteMatch<R> | undefined {
    const values: string[] = [];
    const found = path.startsWith('/') ? find(root, method, path, 1, values) : undefined;
    if (found === undefined) return fallback && { route: fallback, parameters: undefined };
    if (found.names.length === 0) return { route: found.route, parameters: undefined };
    const parameters: Record<string, string> = {};
    for (let i = 0; i < found.names.length; i++) parameters[found.names[i] ?? ''] = values[i] ?? '';
    return { route: found.route, parameters };
  }
}

// How many paths are cached for each method: most callers request the same few again and again.
const remembered = 1000;

function newNode<R>(): Node<R> {
  return { fixed: new Map(), variable: undefined, ends: new Map(), greedy: new Map() };
}

function insert<R extends Route>(root: Node<R>, route: R): void {
  const names: string[] = [];
  let node = root;
  let endings: Map<string, Ending<R>> | undefined;
  for (const segment of route.path.split('/').slice(1)) {
    const variable = /^\{([^+}]+)(\+?)\}$/.exec(segment);
    if (variable?.[1] !== undefined) names.push(variable[1]);
    if (variable?.[2] === '+') {
      endings = node.greedy;
    } else if (variable) {
      node.variable ??= newNode();
      node = node.variable;
    } else {
      const next = node.fixed.get(segment) ?? newNode<R>();
      node.fixed.set(segment, next);
      node = next;
    }
  }
  endings ??= node.ends;
  if (endings.has(route.method)) throw new Error(`Two routes for ${route.method} ${route.path}`);
  endings.set(route.method, { route, names });
}

function find<R>(node: Node<R>, method: string, path: string, start: number, values: string[]): Ending<R> | undefined {
  const slash = path.indexOf('/', start);
  const segment = slash === -1 ? path.slice(start) : path.slice(start, slash);
  const fixed = node.fixed.get(segment);
  if (fixed !== undefined) {
    const found = slash === -1 ? ending(fixed.ends, method) : find(fixed, method, path, slash + 1, values);
    if (found !== undefined) return found;
  }
  if (node.variable !== undefined && segment !== '') {
    const depth = values.push(segment);
    const found =
      slash === -1 ? ending(node.variable.ends, method) : find(node.variable, method, path, slash + 1, values);
    if (found !== undefined) return found;
    values.length = depth - 1;
  }
  if (start === path.length) return undefined;
  const greedy = ending(node.greedy, method);
  if (greedy !== undefined) values.push(path.slice(start));
  return greedy;
}

function ending<R>(endings: Map<string, Ending<R>>, method: string): Ending<R> | undefined {
  return endings.get(method) ?? endings.get('ANY');
}
