import { type ErrorCode, type ErrorOptions, GatewayError } from '../core/errors.ts';

/** A request that a hook rejects. The sender receives the message. The hook's owner sees the reason, which may be more detailed. */
export class HookRefusal extends GatewayError {
  readonly reason: string;

  constructor(code: ErrorCode, message: string, reason: string, options: ErrorOptions = {}) {
    super(code, message, options);
    this.reason = reason;
  }
}

/** The answer to every sender that could not be verified. It does not say which part was wrong. */
export function notTheSender(reason: string): HookRefusal {
  return new HookRefusal(
    'unauthorized',
    'The request was refused: its signature or its credentials are missing, wrong or too old.',
    reason,
  );
}

/** The hook itself is out of order. */
export function outOfOrder(reason: string): HookRefusal {
  return new HookRefusal('connection_needs_attention', 'The hook is out of order until its owner corrects it.', reason);
}
