/** The parameters from which the SDK resolves an endpoint. */
interface EndpointParameters {
  Region?: string | undefined;
  /** Set where the client was given an endpoint. */
  Endpoint?: string | undefined;
  UseFIPS?: boolean | undefined;
  UseDualStack?: boolean | undefined;
}

/** Domains of the partitions other than `amazonaws.com`, by the prefix of their region names. */
const domains: readonly [string, string][] = [
  ['cn-', 'amazonaws.com.cn'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['us-isof-', 'csp.hci.ic.gov'],
  ['eu-isoe-', 'cloud.adc-e.uk'],
  ['eusc-', 'amazonaws.eu'],
];

/** The endpoint of a service in a region, in the form that the SDK's own rules give; they are 15 kB of each client. */
export function regionalEndpoint(service: string, parameters: EndpointParameters) {
  const { Region, Endpoint, UseFIPS, UseDualStack } = parameters;
  const made = (url: string) => ({ url: new URL(url), properties: {}, headers: {} });
  if (Endpoint !== undefined) return made(Endpoint);
  if (UseFIPS || UseDualStack) {
    throw new Error('AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT are not supported: see docs/decisions/020');
  }
  if (!Region) throw new Error('AWS_REGION is not set');
  const domain = domains.find(([prefix]) => Region.startsWith(prefix))?.[1] ?? 'amazonaws.com';
  return made(`https://${service}.${Region}.${domain}`);
}
