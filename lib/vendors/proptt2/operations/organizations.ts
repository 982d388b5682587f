import * as z from 'zod/mini';
import { named } from '../../../core/field.ts';
import { id, operation, organizationId, user } from '../fields.ts';

const organization = () => named('Organization', z.looseObject({ id: id(), parentId: id(), name: z.string() }));

/** The tree of organizations; a `parentId` of 0 is a root. */
export const organizations = {
  getOrganizationList: operation({
    summary: 'List the organizations',
    effect: 'read',
    call: 'GET /organizations',
    input: () => ({}),
    output: () => named('OrganizationList', z.looseObject({ organizations: z.array(organization()) })),
  }),
  getOrganization: operation({
    summary: 'Get an organization',
    effect: 'read',
    call: 'GET /organizations/{organizationId}',
    input: () => ({ organizationId: organizationId() }),
    output: organization,
  }),
  getUsersOfOrganization: operation({
    summary: 'List the users of an organization',
    effect: 'read',
    call: 'GET /organizations/{organizationId}/users',
    input: () => ({ organizationId: organizationId() }),
    output: () => named('UserList', z.looseObject({ users: z.array(user()) })),
  }),
};
