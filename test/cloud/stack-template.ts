type Value = string | number | boolean | Value[] | { [key: string]: Value };
export type Properties = { [key: string]: Value };
export interface Resource {
  Type: string;
  Properties?: Properties;
  DeletionPolicy?: string;
}
export interface TemplateJson {
  Resources: Record<string, Resource>;
  Outputs?: Record<string, { Value: Value; Export?: { Name: string } }>;
}

const pseudo: Record<string, string> = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::AccountId': '123456789012',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** ARNs as they look after a deployment; the resource's name is its logical id. */
const arns: Record<string, (name: string) => string> = {
  'AWS::DynamoDB::Table': (name) => `arn:aws:dynamodb:eu-central-1:123456789012:table/${name}`,
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::KMS::Key': (name) => `arn:aws:kms:eu-central-1:123456789012:key/${name}`,
  'AWS::Lambda::Function': (name) => `arn:aws:lambda:eu-central-1:123456789012:function:${name}`,
  'AWS::Logs::LogGroup': (name) => `arn:aws:logs:eu-central-1:123456789012:log-group:${name}:*`,
  'AWS::SQS::Queue': (name) => `arn:aws:sqs:eu-central-1:123456789012:${name}`,
  'AWS::IAM::Role': (name) => `arn:aws:iam::123456789012:role/${name}`,
};

/** The stacks' templates by name, with every reference resolved as a deployment would. */
export class Templates {
  readonly #stacks: ReadonlyMap<string, TemplateJson>;

  constructor(stacks: ReadonlyMap<string, TemplateJson>) {
    this.#stacks = stacks;
  }

  /** The resources of a type in all stacks. */
  ofType(type: string): { stack: string; id: string; resource: Resource; properties: Properties }[] {
    return [...this.#stacks].flatMap(([stack, { Resources }]) =>
      Object.entries(Resources)
        .filter(([, resource]) => resource.Type === type)
        .map(([id, resource]) => ({
          stack,
          id,
          resource,
          // An object's resolution is an object.
          properties: this.resolve(stack, resource.Properties ?? {}) as Properties,
        })),
    );
  }

  resolve(stack: string, value: Value): Value {
    if (Array.isArray(value)) return value.map((each) => this.resolve(stack, each));
    if (typeof value !== 'object') return value;
    const [[name, argument] = ['', ''], ...more] = Object.entries(value);
    const intrinsic = more.length === 0 && (name === 'Ref' || name.startsWith('Fn::'));
    if (intrinsic) return this.#intrinsic(stack, name, argument);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.resolve(stack, each)]));
  }

  #intrinsic(stack: string, name: string, argument: Value): Value {
    switch (name) {
      case 'Ref':
        return pseudo[String(argument)] ?? String(argument);
      case 'Fn::Join': {
        const [separator, parts] = argument as [string, Value[]];
        return parts.map((part) => String(this.resolve(stack, part))).join(separator);
      }
      case 'Fn::Sub':
        return String(argument).replace(/\$\{(AWS::\w+)\}/g, (_, key: string) => pseudo[key] ?? '');
      case 'Fn::GetAtt': {
        const [id, attribute] = argument as [string, string];
        return this.#attribute(stack, id, attribute);
      }
      case 'Fn::ImportValue':
        return this.#exported(String(argument));
      case 'Fn::GetStackOutput': {
        const { StackName, OutputName } = argument as { StackName: string; OutputName: string };
        return this.output(StackName, OutputName);
      }
      default:
        throw new Error(`The template uses ${name}, which the tests cannot resolve`);
    }
  }

  #attribute(stack: string, id: string, attribute: string): string {
    const type = this.#stacks.get(stack)?.Resources[id]?.Type ?? '';
    const arn = arns[type]?.(id);
    if (attribute === 'Arn' && arn !== undefined) return arn;
    if (attribute === 'StreamArn') return `${arns[type]?.(id)}/stream/now`;
    return `${id}.${attribute}`;
  }

  #exported(name: string): Value {
    for (const [stack, { Outputs }] of this.#stacks) {
      const found = Object.values(Outputs ?? {}).find((output) => output.Export?.Name === name);
      if (found) return this.resolve(stack, found.Value);
    }
    throw new Error(`No stack exports ${name}`);
  }

  output(stack: string, name: string): Value {
    const found = this.#stacks.get(stack)?.Outputs?.[name];
    if (!found) throw new Error(`${stack} has no output ${name}`);
    return this.resolve(stack, found.Value);
  }
}
