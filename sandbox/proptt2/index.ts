import { type Sandbox, type SandboxOptions, startSandbox } from '../sandbox-server.ts';
import { httpControls, type Proptt2Controls, proptt2Controls } from './controls.ts';
import { type CompanyOptions, demoCompany, derivedCompany, newCompany } from './demo-company.ts';
import { dispatch } from './dispatch.ts';
import { companyData, defaultSettings, type Proptt2Settings, type Proptt2State } from './state.ts';

/** The options of the stand-in ProPTT2. They override the state file. */
export interface Proptt2SandboxOptions extends Partial<Proptt2Settings> {
  /** Defaults to the demo company, owner `owner@company.com` with key `bb00cc`. */
  companies?: CompanyOptions[];
  /**
   * The number of additional small companies, for load tests. The n-th (from 1) has owner `owner{n}@company{n}.example`, key
   * `key-{n}`, one channel and three users, created on first access.
   */
  companyCount?: number;
  /** JSON replies of endpoints that are not in the document, keyed `GET /notices`. They require only a session. */
  undocumented?: Record<string, object>;
}

/** A running stand-in ProPTT2. */
export interface Proptt2Sandbox extends Sandbox<Proptt2State>, Proptt2Controls {}

/** Starts a stand-in ProPTT2 on loopback, with all calls of the vendor's document and as strict as the document. */
export async function startProptt2Sandbox(
  options: SandboxOptions & Proptt2SandboxOptions = {},
): Promise<Proptt2Sandbox> {
  const {
    port,
    now,
    stateFile,
    random,
    controlKey,
    onEffect,
    companies,
    companyCount = 0,
    undocumented,
    ...settings
  } = options;
  const shared = Object.fromEntries(
    Object.entries({ port, now, stateFile, random, controlKey, onEffect }).filter(([, value]) => value !== undefined),
  ) as SandboxOptions;
  let controls: Proptt2Controls | undefined;
  const replies = undocumented ?? { 'GET /notices': { notices: [] } };

  const sandbox = await startSandbox<Proptt2State>(
    shared,
    emptyState,
    (request, running) => dispatch(request, running, replies),
    httpControls(() => {
      if (!controls) throw new Error('The sandbox is still starting');
      return controls;
    }),
  );
  controls = proptt2Controls(sandbox);
  controls.configure(settings);
  const { ownerId } = demoCompany;
  // A company that was not requested is left as in the state file.
  for (const company of companies ?? (sandbox.state.companies[ownerId] ? [] : [demoCompany])) {
    controls.putCompany(company);
    companyData(controls.company(company.ownerId), sandbox.state, sandbox.now());
  }
  for (let index = 1; index <= companyCount; index += 1) {
    const company = derivedCompany(index);
    sandbox.state.companies[company.ownerId] ??= newCompany(company);
  }
  return Object.assign(sandbox, controls);
}

function emptyState(): Proptt2State {
  return {
    settings: { ...defaultSettings },
    companies: {},
    sent: [],
    totals: { sent: 0, serverCalls: 0, logins: 0, failedLogins: 0, keepalives: 0, deadSessionCalls: 0 },
    callbacks: [],
  };
}
