import { randomInt } from 'node:crypto';
import { VendorRefusal } from './refusal.ts';
import type { TimetonicState } from './state.ts';
import { type ApiRequest, nextId } from './vendor.ts';

/** The requests that issue and revoke keys. */
export const keyRequests: Record<string, ApiRequest> = {
  createAppkey: {
    session: 'none',
    fields: { appname: 'text' },
    changes: true,
    answer: ({ vendor, form }) => {
      const appkey = newKey();
      const id = nextId(vendor, 'key');
      vendor.sandbox.state.appkeys[appkey] = { id, appname: form.text('appname') };
      return { appkey, id };
    },
  },
  createOauthkey: {
    session: 'none',
    fields: { login: 'text', pwd: 'text', appkey: 'text' },
    changes: true,
    answer: ({ vendor, form }) => {
      const { state } = vendor.sandbox;
      if (!Object.hasOwn(state.appkeys, form.text('appkey'))) throw new VendorRefusal('apiProcess91: invalid appkey');
      const login = form.text('login');
      const user = Object.values(state.users).find(({ u_c, mail, mobile }) => [u_c, mail, mobile].includes(login));
      if (!user || user.password !== form.text('pwd')) throw new VendorRefusal('invalid login/pwd');
      const oauthkey = newKey();
      const id = nextId(vendor, 'key');
      state.oauthkeys[oauthkey] = { id, user: user.u_c };
      return { oauthkey, id, o_u: user.u_c };
    },
  },
  createSesskey: {
    session: 'none',
    fields: { o_u: 'text', u_c: 'text', oauthkey: 'text' },
    changes: true,
    answer: ({ vendor, form }) => {
      const { state } = vendor.sandbox;
      const oauthkey = form.text('oauthkey');
      const found = Object.hasOwn(state.oauthkeys, oauthkey) ? state.oauthkeys[oauthkey] : undefined;
      if (!found || found.user !== form.text('o_u')) throw new VendorRefusal('apiProcess164: invalid oauthkey or o_u');
      if (form.text('u_c') !== found.user) throw new VendorRefusal('u_c must be same as o_u');
      const sesskey = newKey();
      state.sesskeys[sesskey] = { user: found.user };
      return { sesskey, id: nextId(vendor, 'key') };
    },
  },
  registerSMSGateway: {
    session: 'none',
    fields: { o_u: 'phone', appname: 'text', b_o: 'text?', b_c: 'text?' },
    changes: true,
    answer: ({ vendor, form }) => {
      const { state } = vendor.sandbox;
      const phone = form.text('o_u');
      const before = Object.hasOwn(state.gateways, phone) ? state.gateways[phone] : undefined;
      if (before) delete state.sesskeys[before.sesskey];
      const sesskey = newKey();
      const [b_o, b_c] = [form.maybe('b_o'), form.maybe('b_c')];
      state.sesskeys[sesskey] = { gateway: phone };
      state.gateways[phone] = { sesskey, appname: form.text('appname'), ...(b_o && { b_o }), ...(b_c && { b_c }) };
      return { sesskey };
    },
  },
  unregisterSMSGateway: {
    session: 'none',
    fields: { o_u: 'phone', sesskey: 'text' },
    changes: true,
    answer: ({ vendor, form }) => {
      const { state } = vendor.sandbox;
      const phone = form.text('o_u');
      const gateway = Object.hasOwn(state.gateways, phone) ? state.gateways[phone] : undefined;
      if (gateway?.sesskey !== form.text('sesskey')) throw new VendorRefusal(state.switches.sesskeyError);
      delete state.sesskeys[form.text('sesskey')];
      delete state.gateways[phone];
      return {};
    },
  },
  dropAllSessions: {
    session: 'required',
    fields: {},
    changes: true,
    answer: ({ vendor, user, sesskey }) => {
      dropKeys(vendor.sandbox.state.sesskeys, user?.u_c, sesskey);
      dropKeys(vendor.sandbox.state.oauthkeys, user?.u_c);
      return {};
    },
  },
};

/** Removes the keys of a user (of all users if absent) except one, or only the one named as `only`; returns how many. */
export function dropKeys(
  keys: TimetonicState['sesskeys'] | TimetonicState['oauthkeys'],
  user: string | undefined,
  except?: string,
  only?: string,
): number {
  const doomed = Object.entries(keys).filter(
    ([key, owner]) =>
      key !== except &&
      (only === undefined || key === only) &&
      (user === undefined || ('user' in owner && owner.user === user)),
  );
  for (const [key] of doomed) delete keys[key];
  return doomed.length;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A new key in the form the document shows: five groups of four and a zero. */
function newKey(): string {
  const groups = Array.from({ length: 5 }, () =>
    Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join(''),
  );
  return `${groups.join('-')}-0`;
}
