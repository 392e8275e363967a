/** What a program shows that does not catch an error: its own line first, and the name of the channel. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { vulkan } from "../gpu/support.ts";
import { PATIENT, privateDirectory, unique } from "./support.ts";

const PROGRAM = join(import.meta.dir, "../process/uncaught.ts");
const lines = readFileSync(PROGRAM, "utf8").split("\n");
const lineOf = (mode: string) => lines.findIndex((line) => line.endsWith(`// fails: ${mode}`)) + 1;

privateDirectory();

function start(mode: string, name: string, program = PROGRAM) {
  const env = { ...process.env }; // with the private directory: a spawn without it takes the environment of the start
  return Bun.spawn([process.execPath, program, mode, name], { env, stdout: "pipe", stderr: "pipe" });
}

async function stderrOf(program: ReturnType<typeof start>): Promise<string> {
  const errors = await new Response(program.stderr).text();
  expect(await program.exited).toBe(1);
  return errors;
}

/** The first frame is that line of the program, and its source is what Bun prints. */
function expectLine(errors: string, mode: string): void {
  const frames = errors.split("\n").filter((line) => /^\s+at /.test(line));
  expect(frames[0], errors).toContain(`${PROGRAM}:${lineOf(mode)}:`);
  const shown = errors.split("\n").findLast((line) => /^\s*\d+ \| /.test(line));
  expect(shown, errors).toEndWith(`// fails: ${mode}`);
  // What is ours comes after it, for reports.
  expect(frames.slice(1).join("\n"), errors).toMatch(/[\\/]src[\\/]/);
}

test.each([
  ["recv", "TIMEOUT"],
  ["function", "TIMEOUT"],
  ["abort", "ABORTED"],
  ["send", "TIMEOUT"],
  ["loan", "TIMEOUT"],
  ["flush", "TIMEOUT"],
  ["open", "TIMEOUT"],
  ["taken", "NAME_IN_USE"],
  ["closed", "CLOSED"],
])(
  "%s: the program's line, and the channel's name",
  async (mode, code) => {
    const name = unique();
    const errors = await stderrOf(start(mode, name));
    expect(errors).toContain(`LavaFlowError: ${code}: `);
    expect(errors).toContain(`"${name}"`);
    expectLine(errors, mode);
  },
  PATIENT,
);

test(
  "an argument that can't be right: the program's line",
  async () => {
    expectLine(await stderrOf(start("payload", unique())), "payload");
  },
  PATIENT,
);

test(
  "a peer that is killed: the line of the loop, and the channel's name",
  async () => {
    const name = unique();
    const producer = start("hold", name);
    const consumer = start("loop", name);
    // A frame has come: the loop waits for the next one, or is about to.
    await consumer.stdout.getReader().read();
    producer.kill("SIGKILL");
    const errors = await stderrOf(consumer);
    expect(errors).toContain("LavaFlowError: PEER_DIED: ");
    expect(errors).toContain(`"${name}"`);
    expectLine(errors, "loop");
  },
  PATIENT,
);

test.each([
  ["kernelCall", "TIMEOUT: no reply from kernel"],
  ["kernelReceive", "TIMEOUT: no reply from kernel"],
])(
  "%s: the line that waits, and the kernel's id",
  async (mode, words) => {
    const name = unique();
    const errors = await stderrOf(start(mode, name));
    expect(errors).toContain(`${words} "${name}"`);
    expectLine(errors, mode);
  },
  PATIENT,
);

test(
  "a handler that throws: the line that calls its kernel, and then that of the handler",
  async () => {
    const errors = await stderrOf(start("kernelThrows", unique()));
    const [, call, cause] = errors.split(/^(?:LavaFlowError|error): /m) as [string, string, string];
    expect(/\n\s+at (.*)/.exec(call)?.[1], errors).toContain(`${PROGRAM}:${lineOf("kernelThrows")}:`);
    expect(cause).toStartWith("of the handler\n      at handler");
  },
  PATIENT,
);

test(
  "kernelSilent: the line that calls",
  async () => {
    const errors = await stderrOf(start("kernelSilent", unique()));
    expect(errors).toContain("LavaFlowError: NO_REPLY: ");
    expectLine(errors, "kernelSilent");
  },
  PATIENT,
);

test.skipIf(!vulkan).each(["gpuWrite", "gpuRead", "gpuFill", "gpuCopy"])(
  "%s: the line that waits for the GPU",
  async (mode) => {
    const errors = await stderrOf(start(mode, ""));
    expect(errors).toContain("LavaFlowError: CLOSED: ");
    expectLine(errors, mode);
  },
  PATIENT,
);
