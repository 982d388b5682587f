/** A condition that must hold while Trunkline works. */
export interface Check {
  name: string;
  ok: boolean;
  /** The measured value, or the problem. */
  message: string;
}
