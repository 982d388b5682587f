/** Where credentials live. Names are paths such as `trunkline/proptt2/dispatch`; values are text. */
export interface SecretStore {
  /** The value, from a cache of a few minutes unless `fresh`; undefined where there is none. */
  read(name: string, fresh?: boolean): Promise<string | undefined>;
  /** Creates or replaces. */
  write(name: string, value: string): Promise<void>;
  /** Deletes immediately. Deleting a missing secret is not an error. */
  delete(name: string): Promise<void>;
}

/** The secret of one connection's credentials. */
export const credentialsSecret = (vendor: string, connection: string): string => `trunkline/${vendor}/${connection}`;

/**
 * What verifies the pushes of a connection's vendor (a bot's secret), apart from its credentials: the function that receives hooks, which
 * anyone may call, reads this and no password.
 */
export const pushSecret = (vendor: string, connection: string): string => `trunkline/push/${vendor}/${connection}`;

/** The secret that a vendor's session items are encrypted with; an underscore keeps it apart from every connection. */
export const sessionKeySecret = (vendor: string): string => `trunkline/${vendor}/_session-key`;

/** The secret that values of inbound messages and the results of secret steps are sealed with. */
export const sealingKeySecret = 'trunkline/sealing-key';

/** The secrets that a subscription's deliveries are signed with. */
export const subscriptionSecret = (id: string): string => `trunkline/subscriptions/${id}`;

/** The secrets that a hook knows its sender by. */
export const hookSecret = (id: string): string => `trunkline/hooks/${id}`;

export const adminKeySecret = 'trunkline/admin-key';
