/** Runs programs in child processes, finds which of them crashes, hangs or goes wrong, and shortens it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Line } from "./child.ts";
import { generate } from "./generate.ts";
import type { Program, Step } from "./program.ts";

const CHILD = join(import.meta.dir, "child.ts");

/** A child that says nothing for this many milliseconds hangs in a call: its own guard would have spoken before. */
const SILENCE_MS = 120_000;

/** Programs that one child runs at most, and at least while there are some: its start takes as long as ten. */
const ROW = { most: 400, least: 50 };

/** How long the shortening of one program may take, in milliseconds. */
const SHORTENING_MS = 60_000;

export interface Failed {
  program: Program;
  wrong: string;
  /** How many steps it had before it was shortened. */
  steps: number;
  /** The first seed that its process ran. */
  from: number;
}

interface Outcome {
  /** Programs that went well. */
  good: number;
  failed: { seed: number; wrong: string } | null;
}

async function runChild(args: string[], stdin?: string): Promise<Outcome> {
  // A child that crashes leaves its files.
  const directory = mkdtempSync(join(tmpdir(), "lava-flow-random-"));
  const child = Bun.spawn([process.execPath, CHILD, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const errors = new Response(child.stderr).text();
  let current: number | null = null;
  let wrong: string | null = null;
  let good = 0;
  let silent = false;
  const kill = () => {
    silent = true;
    child.kill("SIGKILL");
  };
  let guard = setTimeout(kill, SILENCE_MS);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of child.stdout) {
    clearTimeout(guard);
    guard = setTimeout(kill, SILENCE_MS);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() as string;
    for (const text of lines) {
      const line = JSON.parse(text) as Line;
      if ("begins" in line) current = line.begins;
      else if (line.wrong === null) [current, good] = [null, good + 1];
      else wrong = line.wrong;
    }
  }
  const code = await child.exited;
  rmSync(directory, { recursive: true, force: true });
  clearTimeout(guard);
  if (wrong === null && code !== 0) {
    const words = (await errors).split("\n").filter((line) => /panic|rror|oh no/.test(line));
    wrong = silent ? "hangs in a call" : `ends with ${child.signalCode ?? code}: ${words.slice(0, 3).join("; ")}`;
  }
  if (wrong === null) return { good, failed: null };
  return { good, failed: { seed: current ?? Number.NaN, wrong } };
}

/** Runs the programs of the seeds from `first` on, `width` at a time. Stops after a number of failures. */
export async function runMany(
  first: number,
  count: number,
  { width, most, told = () => {} }: { width: number; most: number; told?: (good: number, failed: Failed[]) => void },
): Promise<{ good: number; failed: Failed[] }> {
  const end = first + count;
  let next = first;
  let good = 0;
  const failed: Failed[] = [];
  const work = async () => {
    while (next < end && failed.length < most) {
      const share = Math.ceil((end - next) / (2 * width));
      const last = Math.min(end, next + Math.min(ROW.most, Math.max(ROW.least, share)));
      let from = next;
      next = last;
      while (from < last && failed.length < most) {
        const outcome = await runChild([String(from), String(last - from)]);
        good += outcome.good;
        if (outcome.failed) {
          const { seed, wrong } = outcome.failed;
          const program = generate(seed);
          failed.push({ program, wrong, steps: program.steps.length, from });
        }
        from += outcome.good + 1;
        told(good, failed);
        if (!outcome.failed) break;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return { good, failed };
}

/** What goes wrong with this program in at least one of several runs; null: nothing. */
export async function wrongOf(program: Program, runs = 1): Promise<string | null> {
  for (let i = 0; i < runs; i++) {
    const { failed } = await runChild(["-"], JSON.stringify(program));
    if (failed) return failed.wrong;
  }
  return null;
}

/** Leaves out steps, as long as what is left goes wrong (Zeller's ddmin: https://doi.org/10.1109/32.988498). */
export async function shorten({ program, wrong, steps, from }: Failed): Promise<Failed> {
  const end = performance.now() + SHORTENING_MS;
  let shortest = program.steps;
  let said = wrong;
  const fails = async (left: Step[]): Promise<boolean> => {
    const found = await wrongOf({ seed: program.seed, steps: left }, 2);
    if (found === null) return false;
    [shortest, said] = [left, found];
    return true;
  };
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = shortest.length - size; at >= 0 && performance.now() < end; at -= size) {
      await fails(shortest.toSpliced(at, size));
    }
  }
  return { program: { seed: program.seed, steps: shortest }, wrong: said, steps, from };
}

/** How to have a failure again: alone, and after those that its process ran before. */
export function repeat({ program, wrong, from }: Failed): string {
  const alone = `LAVA_FLOW_SEED=${program.seed} bun test test/random`;
  return `${alone} (or bun test/random/child.ts ${from} ${program.seed - from + 1}): ${wrong}`;
}

/** A failure for people: how to have it again, and what it does. */
export function describeFailure(failed: Failed): string {
  const lines = failed.program.steps.map((step) => `  ${JSON.stringify(step)}`);
  const shortened = lines.length < failed.steps ? `, shortened to ${lines.length}` : "";
  return `${repeat(failed)}\n${failed.steps} steps${shortened}:\n${lines.join("\n")}`;
}
