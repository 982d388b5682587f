/** What a function is told through its environment; the same names on AWS and on one machine. */
export interface FunctionSettings {
  tableName: string;
  /** Set on one machine only: the embedded endpoints. Credentials are then fixed in code, so that no AWS account can be reached. */
  dynamodbEndpoint?: string;
  secretsEndpoint?: string;
  lambdaEndpoint?: string;
  bucket?: string;
}

export function settingsFrom(env: NodeJS.ProcessEnv): FunctionSettings {
  return {
    tableName: env.TRUNKLINE_TABLE ?? 'trunkline',
    ...(env.TRUNKLINE_DYNAMODB_ENDPOINT && { dynamodbEndpoint: env.TRUNKLINE_DYNAMODB_ENDPOINT }),
    ...(env.TRUNKLINE_SECRETS_ENDPOINT && { secretsEndpoint: env.TRUNKLINE_SECRETS_ENDPOINT }),
    ...(env.TRUNKLINE_LAMBDA_ENDPOINT && { lambdaEndpoint: env.TRUNKLINE_LAMBDA_ENDPOINT }),
    ...(env.TRUNKLINE_BUCKET && { bucket: env.TRUNKLINE_BUCKET }),
  };
}

/** Client configuration for an endpoint of this machine, or none: then the function's own role and region count. */
export function clientConfig(endpoint: string | undefined) {
  return endpoint === undefined
    ? {}
    : { endpoint, region: 'local', credentials: { accessKeyId: 'local', secretAccessKey: 'local' }, maxAttempts: 3 };
}
