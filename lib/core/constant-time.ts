import { hash, timingSafeEqual } from 'node:crypto';

/** Whether two values are equal, in a time that does not reveal where they differ or whether their lengths do. */
export function equalInConstantTime(one: string | Uint8Array, other: string | Uint8Array): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}
