/** Settings for a connection to the simulated ProPTT2. */
export const proptt2Settings = (cloudUrl: string) => ({
  cloudUrl,
  ownerId: 'owner@company.com',
  hid: 1,
  allowHttp: true,
  allowPrivateNetwork: true,
});
