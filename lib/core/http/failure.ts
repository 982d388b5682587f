/** How an outgoing request can fail before its response is complete. A status such as 500 is a response, not a failure. */
export type HttpFailureKind =
  | 'refused-address'
  | 'not-connected'
  | 'timeout'
  | 'aborted'
  | 'reset'
  | 'cut-body'
  | 'too-large'
  | 'tls';

/**
 * An outgoing request without a complete response. `sent` is false only if no byte of it left this process, so that sending it
 * again cannot repeat its effect. The message names only the host, because paths and queries may contain secrets.
 */
export class HttpFailure extends Error {
  override name = 'HttpFailure';
  readonly kind: HttpFailureKind;
  readonly sent: boolean;

  constructor(kind: HttpFailureKind, sent: boolean, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.sent = sent;
  }
}
