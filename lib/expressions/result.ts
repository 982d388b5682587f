import type { ExpressionFailureKind } from './job.ts';
import { below, expressionIn, type Part, partsIn } from './template.ts';

const maxDepth = 100;

/** An evaluation that cannot continue, with the location where it stopped. */
export class Stopped extends Error {
  readonly kind: ExpressionFailureKind;
  readonly pointer: string;

  constructor(kind: ExpressionFailureKind, pointer: string, message: string) {
    super(message);
    this.kind = kind;
    this.pointer = pointer;
  }
}

/**
 * Builds a result as plain data: no functions, no `__proto__`, no more bytes than allowed. It counts while it builds, because a
 * value that repeats itself can be far larger as text than in memory.
 */
export class ResultBuilder {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The template with each expression replaced by the result of `evaluate`; "nothing" leaves a member out. */
  async fill(
    template: unknown,
    evaluate: (expression: string, pointer: string) => Promise<unknown>,
    pointer = '',
  ): Promise<unknown> {
    const expression = typeof template === 'string' ? expressionIn(template) : undefined;
    if (expression !== undefined) return this.copy(await evaluate(expression, pointer), pointer);
    const parts = typeof template === 'string' ? partsIn(template) : undefined;
    if (parts !== undefined) return this.#join(parts, evaluate, pointer);
    if (typeof template !== 'object' || template === null) return this.copy(template, pointer);
    this.#enter(pointer);
    if (Array.isArray(template)) {
      const list: unknown[] = [];
      for (const [index, item] of template.entries()) {
        list.push((await this.fill(item, evaluate, below(pointer, index))) ?? null);
      }
      return list;
    }
    const record: Record<string, unknown> = Object.create(null);
    for (const [key, member] of Object.entries(template)) {
      if (key === '__proto__') continue;
      const value = await this.fill(member, evaluate, below(pointer, key));
      if (value === undefined) continue;
      this.#count(key.length + 4, pointer);
      record[key] = value;
    }
    return record;
  }

  /** A text with its expressions replaced by their values; "nothing" and null become empty. */
  async #join(
    parts: readonly Part[],
    evaluate: (expression: string, pointer: string) => Promise<unknown>,
    pointer: string,
  ): Promise<string> {
    let text = '';
    for (const part of parts) {
      const value = 'text' in part ? part.text : this.copy(await evaluate(part.expression, pointer), pointer);
      if (value === undefined || value === null) continue;
      text += typeof value === 'string' ? value : JSON.stringify(value);
    }
    this.#count(text.length + 2, pointer);
    return text;
  }

  /** A value of JSONata as plain data. */
  copy(value: unknown, pointer: string, depth = 0): unknown {
    switch (typeof value) {
      case 'string':
        this.#count(value.length + 2, pointer);
        return value;
      case 'number':
        if (!Number.isFinite(value)) throw new Stopped('evaluation', pointer, 'The result is not a finite number');
        this.#count(1, pointer);
        return value;
      case 'boolean':
        this.#count(4, pointer);
        return value;
      case 'undefined':
        return undefined;
      case 'object':
        return value === null ? null : this.#copyObject(value, pointer, depth);
      default:
        throw new Stopped('evaluation', pointer, 'The result is a function, not a value');
    }
  }

  #copyObject(value: object, pointer: string, depth: number): unknown {
    if ('_jsonata_lambda' in value || '_jsonata_function' in value) {
      throw new Stopped('evaluation', pointer, 'The result is a function, not a value');
    }
    if (depth >= maxDepth) throw new Stopped('too-large', pointer, `The result has more than ${maxDepth} levels`);
    this.#enter(pointer);
    if (Array.isArray(value)) return value.map((item) => this.copy(item, pointer, depth + 1) ?? null);
    const record: Record<string, unknown> = Object.create(null);
    for (const [key, member] of Object.entries(value)) {
      if (key === '__proto__') continue;
      const copied = this.copy(member, pointer, depth + 1);
      if (copied === undefined) continue;
      this.#count(key.length + 4, pointer);
      record[key] = copied;
    }
    return record;
  }

  #enter(pointer: string): void {
    this.#count(2, pointer);
  }

  #count(bytes: number, pointer: string): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) {
      throw new Stopped('too-large', pointer, `The result is larger than ${this.#maxBytes} bytes`);
    }
  }
}
