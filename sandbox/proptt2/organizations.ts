import type { Organization } from './company.ts';
import { type Call, type Endpoints, endpoint, notFound, ok } from './endpoint.ts';

/** The company's tree; `parentId` 0 is its root. */
export const organizationEndpoints: Endpoints = {
  'GET organizations': endpoint({
    answer: ({ data }) => {
      const all = Object.values(data.organizations);
      return ok({ organizations: all.map(({ id, parentId, name }) => ({ id, parentId, name })) });
    },
  }),
  'GET organizations/{}': endpoint({
    answer: (call) => {
      const organization = findOrganization(call);
      if (!organization) return notFound();
      const { id, parentId, name, description } = organization;
      if (call.settings.answerTypes === 'example') return ok({ id, parentId, name, description });
      return ok({ id: String(id), parentId: String(parentId), name, description });
    },
  }),
  'GET organizations/{}/users': endpoint({
    answer: (call) => {
      const organization = findOrganization(call);
      if (!organization) return notFound();
      const users = Object.values(call.data.users).filter((user) => user.organizationId === organization.id);
      return ok({ users: users.map(({ id, strId, name }) => ({ id, strId, name })) });
    },
  }),
};

function findOrganization(call: Call): Organization | undefined {
  return call.data.organizations[String(call.ids[0])];
}
