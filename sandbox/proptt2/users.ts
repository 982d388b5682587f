import { done, errorPage } from './answers.ts';
import type { Company, User } from './company.ts';
import { type Call, type Endpoints, endpoint, findUser, notFound, ok } from './endpoint.ts';

const string = { type: 'string' } as const;
const name = { type: 'string', mandatory: true, pattern: /\S/ } as const;
const types = [50, 70, 80, 90] as const;

/** The company's users. */
export const userEndpoints: Endpoints = {
  'GET users': endpoint({
    answer: (call) => {
      const users = Object.values(call.data.users).map((user) => ({
        id: user.id,
        strId: user.strId,
        name: user.name,
        ...typeAndPlace(call, user),
      }));
      return ok({ users });
    },
  }),
  'POST users': endpoint({
    malformed: 400,
    body: {
      strId: { type: 'string', mandatory: true, pattern: /^\S+$/ },
      hashedPassword: { type: 'string', mandatory: true, pattern: /^[0-9a-f]{128}$/ },
      name,
      type: { type: 'number', mandatory: true, allow: types, since: '3.0.1' },
      email: string,
      description: string,
    },
    answer: ({ company, data }, body) => {
      const strId = fullId(company, body.strId);
      if (!strId) {
        const wanted = company.mode === 'package' ? 'the full e-mail address' : 'the part before the @';
        return errorPage(400, 'parameter invalid', `field strId must be ${wanted} in ${company.mode} mode`);
      }
      const users = Object.values(data.users);
      if (users.some((user) => user.strId === strId)) return errorPage(412, 'already same ID');
      if (users.length >= company.licenceLimit) return errorPage(406, 'license limitation');
      const id = data.nextId.user++;
      const { name, type = 50, email, description, hashedPassword } = body;
      data.users[id] = { id, strId, name, type, organizationId: 1, hashedPassword, ...present({ email, description }) };
      return ok({ id });
    },
  }),
  'GET users/{}': endpoint({
    answer: (call) => {
      const user = findUser(call, 0);
      if (!user) return notFound();
      const { id, strId, name, email, description } = user;
      return ok({ id, strId, name, ...present({ email, description }), ...typeAndPlace(call, user) });
    },
  }),
  'PUT users/{}': endpoint({
    body: {
      name,
      type: { type: 'number', allow: types, since: '3.0.1' },
      email: string,
      description: string,
      authToken: { type: 'string', since: '2.2.8' },
    },
    answer: (call, body) => {
      const user = findUser(call, 0);
      if (!user) return notFound();
      // Type and authToken stay: the type is never empty, and a caller cannot read the authToken to send it again.
      const omitted = call.settings.putClearsOmitted ? { email: '', description: '' } : {};
      Object.assign(user, omitted, body);
      return done();
    },
  }),
  'DELETE users/{}': endpoint({
    answer: (call) => {
      const user = findUser(call, 0);
      if (!user || user.strId === call.company.ownerId) return notFound();
      delete call.data.users[user.id];
      for (const channel of Object.values(call.data.channels)) {
        delete channel.members[user.id];
        if (channel.leader === user.id) channel.leader = 1;
      }
      return done();
    },
  }),
};

/** The id that a user gets, or nothing when the given one has the other mode's form. */
function fullId(company: Company, strId: string): string | undefined {
  if (company.mode === 'package') return /^[^@\s]+@[^@\s]+$/.test(strId) ? strId : undefined;
  return strId.includes('@') ? undefined : `${strId}${company.ownerId.slice(company.ownerId.indexOf('@'))}`;
}

function typeAndPlace({ since, settings }: Call, user: User): object {
  const { type, latitude, longitude, locationDate } = user;
  return {
    ...(since('3.0.1') ? { type: settings.answerTypes === 'table' ? String(type) : type } : {}),
    ...(since('1.2.x') ? present({ latitude, longitude, locationDate }) : {}),
  };
}

function present<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Name in keyof Fields]?: NonNullable<Fields[Name]> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  // fromEntries forgets the names, which are those of `fields`.
  return Object.fromEntries(kept) as { [Name in keyof Fields]?: NonNullable<Fields[Name]> };
}
