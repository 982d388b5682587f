import type { Properties, Templates } from './stack-template.ts';

/** One request as IAM sees it. */
export interface AccessRequest {
  action: string;
  resource: string;
  /** Values of condition keys. */
  context?: Readonly<Record<string, readonly string[]>>;
}

export interface Statement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

/** What a deployed function's role lets it do, by the documents in the templates. */
export class FunctionAccess {
  readonly statements: readonly Statement[];

  constructor(templates: Templates, functionName: string) {
    const found = templates
      .ofType('AWS::Lambda::Function')
      .find(({ properties }) => nameOf(properties) === functionName);
    if (!found) throw new Error(`There is no function ${functionName}`);
    const role = String(found.properties.Role).replace(/.*role\//, '');
    this.statements = templates
      .ofType('AWS::IAM::Policy')
      .filter(({ properties }) => [properties.Roles].flat().includes(role))
      .flatMap(({ properties }) => (properties.PolicyDocument as unknown as { Statement: Statement[] }).Statement);
    const { resource } = templates.ofType('AWS::IAM::Role').find(({ id }) => id === role) ?? {};
    const apart = ['Policies', 'ManagedPolicyArns'].filter((name) => resource?.Properties?.[name] !== undefined);
    if (apart.length > 0)
      throw new Error(`The role of ${functionName} has ${apart.join(' and ')}, which are not read here`);
  }

  /** As IAM decides: something allows it and nothing denies it. */
  allows(request: AccessRequest): boolean {
    const applies = this.statements.filter((statement) => covers(statement, request));
    return applies.some(({ Effect }) => Effect === 'Allow') && applies.every(({ Effect }) => Effect === 'Allow');
  }
}

/** The name by which the project knows a Lambda. */
export function nameOf(properties: Properties): string {
  return String(properties.Handler).replace(/\.handler$/, '');
}

function covers(
  { Action, Resource, Condition = {} }: Statement,
  { action, resource, context = {} }: AccessRequest,
): boolean {
  return (
    [Action].flat().some((pattern) => matches(pattern, action)) &&
    [Resource].flat().some((pattern) => matches(pattern, resource)) &&
    Object.entries(Condition).every(([operator, keys]) =>
      Object.entries(keys).every(([key, patterns]) => holds(operator, [patterns].flat(), context[key] ?? [])),
    )
  );
}

function holds(operator: string, patterns: string[], values: readonly string[]): boolean {
  const some = (value: string) => patterns.some((pattern) => matches(pattern, value));
  switch (operator) {
    case 'ForAllValues:StringLike':
      return values.every(some);
    case 'StringLike':
      return values.length > 0 && values.every(some);
    case 'Null':
      return patterns.includes('true') === (values.length === 0);
    default:
      throw new Error(`The policies use ${operator}, which the tests cannot decide`);
  }
}

/** `*` is any text and `?` one character, as in IAM. */
function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}
