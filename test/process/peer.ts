/**
 * One side of a test in a process or a Worker of its own: `peer.ts MODULE/FUNCTION ARGUMENTS` runs a function of a
 * module beside this file. It talks with the test in lines of JSON (stdin, stdout), a Worker in messages.
 */
import { writeSync } from "node:fs";

/** How a side of a test talks with the test. */
export interface Io {
  say(value: unknown): void;
  /** What the test tells next. */
  // biome-ignore lint/suspicious/noExplicitAny: each pair of test and scenario agrees on what it is
  hear(): Promise<any>;
}

/** A side of a test: ends when its part is done, rejects when that failed. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export type Scenario = (io: Io, args: any) => Promise<void>;

/** "exchange/consume" is `consume` of exchange.ts. */
export async function scenario(name: string): Promise<Scenario> {
  const [module, exported] = name.split("/") as [string, string];
  return (await import(`./${module}.ts`))[exported];
}

/** The end of what was told: later reads get this. */
export const OVER = { over: true } as const;

async function asProcess(name: string, args: string): Promise<void> {
  // A line must be out before the next step: the process may be killed there.
  const say = (value: unknown) => writeSync(1, `${JSON.stringify(value)}\n`);
  let lines: AsyncIterator<string> | undefined;
  const hear = async () => {
    lines ??= console[Symbol.asyncIterator]();
    const { done, value } = await lines.next();
    return done ? OVER : JSON.parse(value);
  };
  await (await scenario(name))({ say, hear }, JSON.parse(args));
  process.exit(0);
}

function asWorker(): void {
  const told: unknown[] = [];
  let waiting: ((value: unknown) => void) | undefined;
  const port = globalThis as unknown as Worker;
  const hear = () => (told.length > 0 ? Promise.resolve(told.shift()) : new Promise((resolve) => (waiting = resolve)));
  port.onmessage = async ({ data }) => {
    if (!data.start) {
      if (waiting) waiting(data.told);
      else told.push(data.told);
      waiting = undefined;
      return;
    }
    const [name, args] = data.start;
    try {
      await (await scenario(name))({ say: (value) => port.postMessage({ said: value }), hear }, args);
      port.postMessage({ done: true });
    } catch (error) {
      port.postMessage({ failed: String(error instanceof Error ? error.stack : error) });
    }
  };
}

if (!Bun.isMainThread) asWorker();
// Not awaited: a process whose main module waits for ever does not end even when nothing is left to wait for.
else if (import.meta.main) void asProcess(process.argv[2] as string, process.argv[3] as string);
