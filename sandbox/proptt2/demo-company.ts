import {
  type Channel,
  type Company,
  type CompanyData,
  type Organization,
  type User,
  type VoiceRecord,
  vendorDate,
} from './company.ts';

/** A company to start with. With only owner and key, it has a licence for 50 users, package ids and the demo data. */
export interface CompanyOptions {
  ownerId: string;
  interactionKey: string;
  licenceLimit?: number;
  mode?: 'package' | 'cloud';
  seed?: 'demo' | 'small';
}

/** The company that exists if no other is requested. */
export const demoCompany: CompanyOptions = { ownerId: 'owner@company.com', interactionKey: 'bb00cc' };

/** Owner and key of the `index`-th (from 1) company that `companyCount` makes: `owner7@company7.example`, `key-7`. */
export function derivedCompany(index: number): CompanyOptions & { seed: 'small' } {
  return { ownerId: `owner${index}@company${index}.example`, interactionKey: `key-${index}`, seed: 'small' };
}

/** Makes a company without its data. */
export function newCompany(options: CompanyOptions): Company {
  const { ownerId, interactionKey, licenceLimit = 50, mode = 'package', seed = 'demo' } = options;
  return { ownerId, interactionKey, licenceLimit, mode, seed, hosts: {} };
}

/** Makes the data of a company as `seed` says, with dates before `now`. */
export function seedCompany(company: Company, now: number, utcOffsetMinutes: number): CompanyData {
  const demo = company.seed === 'demo';
  const users = demoUsers(company, now, utcOffsetMinutes).slice(0, demo ? undefined : 3);
  const channels = demoChannels(users).slice(0, demo ? undefined : 1);
  const records = demo ? demoRecords(channels, users, now, utcOffsetMinutes) : [];
  return {
    channels: byId(channels),
    users: byId(users),
    organizations: byId(demo ? organizations : organizations.slice(0, 1)),
    records,
    nextId: { channel: channels.length + 1, user: users.length + 1, record: records.length + 1 },
  };
}

const organizations: Organization[] = [
  { id: 1, parentId: 0, name: 'Company', description: 'Head office' },
  { id: 2, parentId: 1, name: 'Operations', description: '' },
  { id: 3, parentId: 2, name: 'Équipe de nuit', description: '22:00 to 06:00' },
  { id: 4, parentId: 1, name: 'Security', description: 'Gate and patrol' },
];

// A location is absent, empty, "0" or a number in a string: the vendor sends all four.
const people: [name: string, type: number, organizationId: number, place?: [latitude: string, longitude: string]][] = [
  ['Owner', 90, 1],
  ['Dispatcher', 80, 2, ['37.4898', '127.033']],
  ['Channel leader', 70, 2, ['', '']],
  ['Ada', 50, 2, ['0', '0']],
  ['Bruno', 50, 3, ['37.4346', '127.023']],
  ['Chloé', 50, 3, ['-33.8688', '151.2093']],
  ['김민준', 50, 4, ['37.5665', '126.978']],
  ['Lone worker', 50, 4, ['48.8566', '2.3522']],
  ['Gate', 20, 4],
  ['Desk phone', 21, 1],
];

function demoUsers(company: Company, now: number, utcOffsetMinutes: number): User[] {
  const domain = company.ownerId.slice(company.ownerId.indexOf('@') + 1);
  return people.map(([name, type, organizationId, place], index) => {
    const id = index + 1;
    const user: User = {
      id,
      strId: id === 1 ? company.ownerId : `user${id}@${domain}`,
      name,
      type,
      organizationId,
      email: id === 1 ? company.ownerId : `user${id}@mail.example`,
      description: '',
    };
    if (!place) return user;
    const [latitude, longitude] = place;
    const seen = Number(latitude) === 0 ? '' : vendorDate(now - id * id * 60_000, utcOffsetMinutes);
    return { ...user, latitude, longitude, locationDate: seen };
  });
}

function demoChannels(users: User[]): Channel[] {
  const names: [no: string, name: string][] = [
    ['12', 'Dispatch'],
    ['34', 'Fire watch'],
    ['56', 'Évacuation'],
    ['78', '화재 대응'],
    ['101', 'Maintenance'],
  ];
  return names.map(([no, name], index) => ({
    id: index + 1,
    no,
    name,
    description: `Channel ${no}`,
    notification: 'welcome.',
    TOT: 30,
    recordable: true,
    encrypted: index === 2,
    shareLocations: index === 0,
    leader: 1,
    members: Object.fromEntries(
      users.filter((user) => index === 0 || user.id % 5 === index).map((user) => [user.id, user.id === 2 ? 90 : 10]),
    ),
  }));
}

function demoRecords(channels: Channel[], users: User[], now: number, utcOffsetMinutes: number): VoiceRecord[] {
  const count = 137;
  return Array.from({ length: count }, (_, index) => {
    const id = index + 1;
    const channel = channels[index % channels.length] as Channel;
    const owner = users[index % users.length] as User;
    return newRecord(id, channel, owner, now - (count - index) * 7 * 60_000, utcOffsetMinutes, {
      type: [10, 10, 20, 10, 31][index % 5] as number,
      status: id % 9 === 0 ? 20 : 10,
      fileSize: 8 + ((index * 37) % 250),
    });
  });
}

/** Makes a recording of `owner` in `channel`. */
export function newRecord(
  id: number,
  channel: Channel,
  owner: User,
  at: number,
  utcOffsetMinutes: number,
  { type = 10, status = 10, fileSize = 32 }: { type?: number; status?: number; fileSize?: number } = {},
): VoiceRecord {
  const createDate = vendorDate(at, utcOffsetMinutes);
  const folder = createDate.slice(0, 10).replaceAll('-', '');
  return {
    id,
    type,
    status,
    fileSize,
    channelId: channel.id,
    channelNo: channel.no,
    channelName: channel.name,
    ownerId: owner.id,
    ownerName: owner.name,
    createDate,
    filepath: `/proptt2/record/ptt/${folder}/ptt-${owner.id}-${id}.ptt`,
  };
}

function byId<Thing extends { id: number }>(things: Thing[]): Record<string, Thing> {
  return Object.fromEntries(things.map((thing) => [thing.id, { ...thing }]));
}
