/** What a check of `trunkline doctor` found. */
export interface Finding {
  readonly subject: string;
  readonly state: 'good' | 'warning' | 'bad';
  readonly message: string;
}
