import { raw } from './exact-json.ts';
import type { User } from './state.ts';
import { type ApiRequest, nextId } from './vendor.ts';

/** The requests about the calling user's own account. */
export const accountRequests: Record<string, ApiRequest> = {
  updatePushId: {
    session: 'required',
    fields: {
      deviceID: 'id?',
      deviceType: ['gcm_rid', 'gcm_nk', 'ios_dt', 'ios_dt_v2', 'bb_dt', 'win_uri'],
      active: ['TRUE', 'FALSE', 'true', 'false'],
      registrationID: 'any?',
      projectID: 'any?',
    },
    changes: true,
    answer: ({ vendor, form, user }) => {
      const deviceID = form.maybe('deviceID') ?? nextId(vendor, 'device');
      const given = ['deviceType', 'active', 'registrationID', 'projectID'].flatMap((name) => {
        const value = form.maybe(name);
        return value === undefined ? [] : [[name, value] as const];
      });
      if (user) user.devices[deviceID] = { ...user.devices[deviceID], ...Object.fromEntries(given) };
      return { deviceID: raw(deviceID) };
    },
  },
  getUserInfo: {
    session: 'required',
    fields: { sstamp: 'bigint?' },
    answer: ({ vendor, form, user }) => {
      const { sstamp } = vendor.sandbox.state;
      const known = form.maybe('sstamp');
      const fresh = known === undefined || BigInt(sstamp) > BigInt(known);
      const nbBooks = vendor.sandbox.state.books.filter(({ members }) =>
        members.some(({ u_c }) => u_c === user?.u_c),
      ).length;
      return { sstamp: raw(sstamp), userInfo: fresh && user ? userInfo(user, nbBooks) : undefined };
    },
  },
};

function userInfo(user: User, nbBooks: number): Record<string, unknown> {
  return {
    firstTime: false,
    uimgStamp: 1428068689,
    sstamp: raw(user.sstamp),
    nbBooks,
    u_c: user.u_c,
    userPrefs: {
      mail1: user.mail,
      mail1_toConfirm: '',
      mob1: user.mobile,
      sex: '',
      country: '',
      fname: user.firstName,
      lname: user.lastName,
      lang: 'EN',
      UCREATEDON: '2015-05-01',
      account: 'Free',
      until: '',
      slashd: true,
      regiondf: 'EU',
      method: 'MANUAL',
      openGrand: true,
      NotifMobile: 'VibNotif',
      nbCol: 3,
      lastConnection: '',
      tz: '',
      syncWithHubic: false,
      ...user.prefs,
    },
    rights: { 'form-pro': true },
    colors: {
      defaut: '#9FA8AD',
      'bleu-violet': '#a366a6',
      gray: '#909090',
      'bleu-turquoise': '#51a5bC',
      red: '#FF3B47',
      green: '#7cc300',
      orange: '#ff8400',
      pink: '#ff0078',
      'bleu-nuit': '#5780A5',
      noir: '#2c3f49',
      'rose-bois': '#E84D5B',
      'orange-pastel': 'FFB80D',
      'vert-pastel': '#bAe24A',
      'jaune-indien': '#ffdf23',
      lilas: '#d76db6',
    },
    projectID: raw(user.projectID),
  };
}
