/** The settings that a person may give the local product; `docs/operations.md` explains them. */
export const environmentSettings = [
  'TRUNKLINE_DATA',
  'TRUNKLINE_ADMIN_KEY',
  'TRUNKLINE_SANDBOX',
  'TRUNKLINE_PUBLIC_URL',
  'TRUNKLINE_TRUSTED_PROXIES',
  'TRUNKLINE_ALLOWED_ORIGINS',
  'TRUNKLINE_PRIVATE_NETWORKS',
  'TRUNKLINE_ALLOW_PRIVATE_TARGETS',
  'TRUNKLINE_HEARTBEAT_URL',
  'TRUNKLINE_PAUSED',
  'TRUNKLINE_LOG',
  'TRUNKLINE_DYNAMODB_ENDPOINT',
] as const;

/** Variables that the product sets itself or that the command line reads. A shell or a parent process may have set them. */
const others =
  /^TRUNKLINE_(URL|KEY|TABLE|VENDORS|BUCKET|KMS_KEY|(SECRETS|LAMBDA)_ENDPOINT|LOCAL_\w+|(RUN|DELIVER)_FUNCTION)$/;

/** Throws for a variable that looks like a setting and is none: a misspelled one would otherwise have no effect. */
export function requireKnownSettings(environment: NodeJS.ProcessEnv): void {
  const known: readonly string[] = environmentSettings;
  const unknown = Object.keys(environment).find(
    (name) => name.startsWith('TRUNKLINE_') && !known.includes(name) && !others.test(name),
  );
  if (unknown !== undefined) throw new Error(`${unknown} is not a setting. Settings are ${known.join(', ')}.`);
}
