import { type LambdaProcess, startLambdaProcess } from '../cloud/lambda-process.ts';

/** A built function in several processes, each with one invocation at a time, as Lambda would have; more invocations wait. */
export class FunctionPool {
  readonly #all: LambdaProcess[];
  readonly #idle: LambdaProcess[];
  readonly #waiting: ((one: LambdaProcess) => void)[] = [];

  readonly #marks = new Map<LambdaProcess, number>();

  private constructor(all: LambdaProcess[]) {
    this.#all = all;
    this.#idle = [...all];
  }

  static async start(entry: string, environment: Readonly<Record<string, string>>, instances: number) {
    const flags = ['--max-old-space-size=400'];
    const processes = Array.from({ length: instances }, () => startLambdaProcess(entry, environment, flags));
    return new FunctionPool(await Promise.all(processes));
  }

  async invoke(event: unknown): Promise<unknown> {
    const one = this.#idle.pop() ?? (await new Promise<LambdaProcess>((resolve) => this.#waiting.push(resolve)));
    try {
      return await one.invoke(event);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(one);
      else this.#idle.push(one);
    }
  }

  /** Seconds of processor time of all processes, the largest memory of one and that of all, in MB. */
  usage(): { cpu: number; memory: number; allMemory: number } {
    const each = this.#all.map((one) => one.usage());
    return {
      cpu: sum(each.map(({ cpu }) => cpu)),
      memory: Math.round(Math.max(...each.map(({ memory }) => memory))),
      allMemory: Math.round(sum(each.map(({ memory }) => memory))),
    };
  }

  /** From here on `lines` answers only what is written later. */
  mark(): void {
    for (const one of this.#all) this.#marks.set(one, one.output().length);
  }

  /** The lines that contain a text, of all processes. */
  lines(text: string): string[] {
    const written = this.#all.flatMap((one) => one.output().slice(this.#marks.get(one)).split('\n'));
    return written.filter((line) => line.includes(text));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((one) => one.stop()));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
