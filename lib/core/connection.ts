/** A vendor's key in the catalogue, `lib/vendors/index.ts`: the first part of its routes, scopes and event types. */
export type VendorName = string;

/** A connection as a vendor's code sees it: its slug and its settings, never its credentials. */
export interface Connection<Settings = object> {
  readonly vendor: VendorName;
  readonly name: string;
  /** Increased by every change of settings or credentials. */
  readonly version: number;
  /** Which of the stored credentials belong to these settings; absent where none are stored. */
  readonly credentialsId?: string;
  readonly settings: Settings & CommonSettings;
}

/** Settings that every vendor takes. */
export interface CommonSettings {
  allowHttp?: boolean | undefined;
  allowPrivateNetwork?: boolean | undefined;
  maxConcurrency?: number | undefined;
  pollEvents?: boolean | undefined;
  monthlyCalls?: number | undefined;
}
