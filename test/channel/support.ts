/** What the tests of channels share: a runtime directory of their own, pairs of ends, and errors as values. */
import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Channel,
  type ChannelOptions,
  type Consumer,
  type ErrorCode,
  LavaFlowError,
  type Producer,
} from "../../src/index.ts";
import { closeGpu, openChannel } from "../process/open.ts";
import { requires } from "../requires.ts";

/** For tests that start processes or move much, on a machine that does other things too. */
export const PATIENT = 60_000;

export const hasProc = requires("proc", existsSync("/proc/self/fd"), "no /proc/self here");

/** The channel memory that this process holds: descriptors and mappings. */
export function held(): { descriptors: number; mappings: number } {
  if (!hasProc) return { descriptors: 0, mappings: 0 };
  let descriptors = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).includes("memfd:lava-flow")) descriptors++;
    } catch {
      // The descriptor that listed the others.
    }
  }
  const mappings = readFileSync("/proc/self/maps", "utf8").split("memfd:lava-flow").length - 1;
  return { descriptors, mappings };
}

/** How many descriptors of any kind are open here. */
export function openDescriptors(): number {
  return hasProc ? readdirSync("/proc/self/fd").length : 0;
}

/** Turns of the event loop until `condition` holds: for what the system does in its own time. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`never: ${what}`);
    await Bun.sleep(1);
  }
}

/** A runtime directory for the tests of one file, in which they leave nothing. */
export function privateDirectory(): { readonly path: string } {
  const directory = { path: "" };
  let before: string | undefined;
  beforeAll(() => {
    before = process.env.LAVA_FLOW_RUNTIME_DIR; // that of the file, where this is for a part of one
    directory.path = mkdtempSync(join(tmpdir(), "lava-flow-test-"));
    process.env.LAVA_FLOW_RUNTIME_DIR = directory.path;
  });
  nothingLeft(directory);
  afterAll(() => {
    const last = process.env.LAVA_FLOW_RUNTIME_DIR;
    rmSync(directory.path, { recursive: true });
    if (before === undefined) delete process.env.LAVA_FLOW_RUNTIME_DIR;
    else process.env.LAVA_FLOW_RUNTIME_DIR = before;
    // Two in one scope restore each other's: a later open would make a directory that was removed.
    expect(last).toBe(directory.path);
  });
  return directory;
}

/**
 * When the tests of a file are over, nothing may be left of any channel: no memory, no descriptor, and no file but the
 * lock file.
 */
export function nothingLeft(directory: { readonly path: string }): void {
  let atFirst = held();
  beforeAll(() => {
    atFirst = held();
  });
  afterAll(async () => {
    // The next open removes what killed processes left behind.
    const enough = new AbortController();
    const opening = failure("ABORTED", () => Channel.open(unique(), { role: "consumer", signal: enough.signal }));
    enough.abort();
    await opening;
    const files = readdirSync(directory.path).filter((file) => file !== ".lock");
    const left = held();
    closeGpu();
    expect({ files, ...left }).toEqual({ files: [], ...atFirst });
  });
}

let names = 0;

/** A channel name that no other test has. */
export function unique(what = "channel"): string {
  return `${what}-${process.pid}-${names++}`;
}

/** Both ends of a channel here. */
export async function pair(
  options: Partial<ChannelOptions> & { name?: string } = {},
): Promise<{ producer: Producer; consumer: Consumer } & AsyncDisposable> {
  const { name = unique(), ...rest } = options;
  const [producer, consumer] = await Promise.all([
    openChannel(name, { ...rest, role: "producer" }),
    openChannel(name, { ...rest, role: "consumer" }),
  ]);
  return {
    producer,
    consumer,
    async [Symbol.asyncDispose]() {
      await Promise.all([producer.close(), consumer.close()]);
    },
  };
}

/** The LavaFlowError with this code that `action` throws or rejects with. */
export async function failure(code: ErrorCode, action: () => unknown): Promise<LavaFlowError> {
  let result: unknown;
  try {
    result = await action();
  } catch (error) {
    if (!(error instanceof LavaFlowError)) throw error;
    expect(`${error.code} (${error.message})`).toStartWith(`${code} `);
    return error;
  }
  throw new Error(`expected ${code}, got ${String(result)}`);
}

/** Numbers from 0 to 1 that a seed decides. Marsaglia's xorshift of 32 bits, https://doi.org/10.18637/jss.v008.i14 */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** The seed of a randomised test: LAVA_FLOW_SEED, else another one each time; printed, so that a failure can be had again. */
export function seed(what: string): number {
  const value = Number(process.env.LAVA_FLOW_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${what}: LAVA_FLOW_SEED=${value}`);
  return value;
}

/** A count that the environment may set. */
export function count(variable: string, otherwise: number): number {
  const value = Number(process.env[variable] ?? otherwise);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${variable} is no count: ${process.env[variable]}`);
  return value;
}
