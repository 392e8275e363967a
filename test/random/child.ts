/**
 * Runs programs in a row, in a process of its own: `child.ts FIRST COUNT` those of COUNT seeds, `child.ts -` the one on
 * stdin. Each line on stdout says what happens, so that a crash or a hang is known by the last one.
 */
import { mkdtempSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { more } from "./counts.ts";
import { generate } from "./generate.ts";
import { Hosts } from "./hosts.ts";
import { type Host, hostsOf, type Program } from "./program.ts";
import { Run } from "./run.ts";

export type Line = { begins: number } | { ends: number; wrong: string | null; ms: number };

/** So long the system may take for what was closed. */
const PATIENCE_MS = 10_000;

const directory = mkdtempSync(join(tmpdir(), "lf-random-"));
process.env.LAVA_FLOW_RUNTIME_DIR = directory;

let failure: string | null = null;
const note = (what: string) => (failure ??= what);
process.on("unhandledRejection", (error) => note(`unhandled rejection: ${(error as Error)?.stack ?? error}`));
process.on("uncaughtException", (error) => note(`uncaught exception: ${error?.stack ?? error}`));
process.on("warning", (warning) => {
  if ((warning as { code?: string }).code === "LAVA_FLOW_LEAK") note(warning.message);
});

// The first warning would open it.
process.stderr.write("");
const hosts = new Hosts(note);
// The counts asks it.
await hosts.get("here");

type Held = Awaited<ReturnType<Hosts["counts"]>>;

/** The last one in which nothing was left. */
let former: Held | undefined;

/** What there is more of than before, or null. */
async function left(before: Held): Promise<string | null> {
  const files = readdirSync(directory).filter((file) => file !== ".lock");
  if (files.length > 0) return `files: ${files.join(", ")}`;
  const now = await hosts.counts(before);
  for (const [agent, held] of before) {
    const found = more(held, now.get(agent) ?? held);
    if (found !== null) return `${agent instanceof Agent ? "" : "in a second process, "}${found}`;
  }
  former = now;
  return null;
}

/** Other work on a host: a stale word on its stack holds memory until something else is written there. */
const otherWork = (host: Host): Program => ({
  seed: 0,
  steps: [
    { do: "open", c: 0, name: 0, producer: host, consumer: host, profile: "low-latency" },
    { do: "trySend", c: 0, as: "part", size: 1000, times: 20 },
    { do: "tryRecv", c: 0, times: 20 },
    { do: "check", c: 0, pick: 7 },
    { do: "iterate", c: 0, frames: 10 },
    { do: "send", c: 0, as: "DataView", size: 3000 },
  ],
});

async function wrongOf(program: Program): Promise<string | null> {
  const used = hostsOf(program);
  for (const host of used) await hosts.get(host);
  const before = await hosts.counts(former);
  const run = new Run(program, hosts);
  try {
    await run.run();
  } catch (error) {
    return String((error as Error).message);
  }
  // What was ended has its successor, so that there is as much as before.
  for (const host of used) await hosts.get(host);
  const limit = performance.now() + PATIENCE_MS;
  for (let rest = await left(before); rest !== null; rest = await left(before)) {
    if (performance.now() > limit) return `left behind: ${rest}`;
    // Memory that something else read when it was closed goes with its last view.
    await hosts.collect();
    for (const host of used) await new Run(otherWork(host), hosts).run();
  }
  return failure;
}

/** A line must be out before the next program: it may end this process. A closed pipe means that no reader wants the rest. */
async function say(line: Line): Promise<void> {
  try {
    writeSync(1, `${JSON.stringify(line)}\n`);
  } catch {
    await end(1);
  }
}

async function end(code: number): Promise<never> {
  await Promise.race([hosts.close(), Bun.sleep(2000)]);
  rmSync(directory, { recursive: true, force: true });
  return process.exit(code);
}

async function one(program: Program): Promise<boolean> {
  await say({ begins: program.seed });
  const start = performance.now();
  const wrong = await wrongOf(program);
  await say({ ends: program.seed, wrong, ms: performance.now() - start });
  return wrong === null;
}

const [first, count] = process.argv.slice(2);
if (first === "-") await one(JSON.parse(await Bun.stdin.text()));
// After a failure what is open here is not known any more.
else for (let i = 0; i < Number(count); i++) if (!(await one(generate(Number(first) + i)))) break;
await end(0);
