import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether two values are equal, in a time that does not reveal where they differ or whether their lengths do. */
export function equalInConstantTime(one: string | Uint8Array, other: string | Uint8Array): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(value: string | Uint8Array): Buffer {
  return createHash('sha256').update(value).digest();
}
