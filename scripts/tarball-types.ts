/** Checks the package's declarations in projects with the common compilers and options. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./run.ts";
import { failed, passed, type Result } from "./step.ts";

/** 5.9 is the last compiler written in TypeScript, and the most used one. */
const COMPILERS = ["typescript", "typescript-5.9"];

const BASE = { strict: true, target: "ESNext", types: ["bun"], skipLibCheck: true, noEmit: true };
const BUNDLER = { ...BASE, module: "Preserve", moduleResolution: "bundler" };
const BUN_INIT = {
  ...BUNDLER,
  lib: ["ESNext"],
  moduleDetection: "force",
  jsx: "react-jsx",
  allowJs: true,
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  noFallthroughCasesInSwitch: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
};
const ALL_STRICT = {
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noUncheckedSideEffectImports: true,
  allowUnreachableCode: false,
  allowUnusedLabels: false,
  isolatedModules: true,
  erasableSyntaxOnly: true,
};

const PROJECTS: Record<string, object> = {
  "bun init": BUN_INIT,
  "bun init with DOM": { ...BUN_INIT, lib: ["ESNext", "DOM"] },
  "bundler, without allowImportingTsExtensions": BUNDLER,
  nodenext: { ...BASE, module: "nodenext" },
  "node20, verbatimModuleSyntax": { ...BASE, module: "node20", verbatimModuleSyntax: true },
  "nodenext, all strict options": { ...BASE, ...ALL_STRICT, module: "nodenext" },
  "bundler, all strict options": { ...BUNDLER, ...ALL_STRICT },
  "lib ES2022": { ...BUNDLER, lib: ["ES2022"] },
  "target ES2022": { ...BASE, module: "nodenext", target: "ES2022" },
  "types of Node.js only": { ...BUNDLER, types: ["node"] },
  "libraries checked": { ...BUNDLER, lib: ["ESNext"], skipLibCheck: false },
  "libraries checked, all strict options": { ...BASE, ...ALL_STRICT, module: "nodenext", skipLibCheck: false },
  "libraries checked, lib ES2022, types of Node.js only": {
    ...BUNDLER,
    ...ALL_STRICT,
    lib: ["ES2022"],
    types: ["node"],
    skipLibCheck: false,
  },
};

/** A program that uses all three entries. Its wrong lines are marked with @ts-expect-error. */
const PROGRAM = `
import { Channel, type ChannelOptions, type Consumer, type ConsumerStats, type Decision, type Limits, LavaFlowError, MemoryAllocator, MemoryBuffer, type MemoryLocation, type Producer, type ProducerStats, type Unavailable } from "lava-flow";
import { type InteropViability, interopViability } from "lava-flow/interop";
import { type Backend, type Kernel, KernelRuntime } from "lava-flow/kernel";

const options: ChannelOptions = { role: "consumer", timeoutMs: 5 };
const either: Producer | Consumer = await Channel.open("x", options);
if (either.role === "producer") either.trySend(new Uint8Array(1));
else either.tryRecv();
const input: Consumer = await Channel.open("x", { role: "consumer", timeoutMs: 5 });
for await (const frame of input) {
  const first: number | undefined = frame.bytes[0];
  const buffer: MemoryBuffer | undefined = frame.buffer;
  console.log(first, buffer?.sizeBytes, frame.sequence);
}
const limits: Limits = { timeoutMs: 5, signal: AbortSignal.timeout(5) };
const frame = await input.recv(limits).catch((error: unknown) => {
  if (error instanceof LavaFlowError && error.code === "TIMEOUT") return null;
  throw error;
});
frame?.release();
const stats: ConsumerStats = input.stats;
const out: Producer = await Channel.open("x", { role: "producer" });
await out.send(new Uint8Array(1), limits);
await out.flush(limits);
const sent: ProducerStats = out.stats;
const memory = new MemoryAllocator({ devices: "none" });
const shared = memory.allocate(1 << 20, { kind: "host", shared: true });
const pinned: MemoryLocation = { kind: "host", gpuPinned: true, device: 0 };
const node: MemoryLocation = { kind: "host", numaNode: 0, shared: false };
const onGpu = (location: MemoryLocation): number | undefined => location.kind === "gpu" || location.gpuPinned ? location.device : undefined;
const words: Uint32Array = shared.view(Uint32Array);
const decision: Decision = shared.decision;
const missing: Unavailable[] = memory.unavailable;
const apis: InteropViability[] = interopViability();
const backend: Backend = "cpu";
const runtime = await KernelRuntime.create({ backend });
const kernel: Kernel = await runtime.launch("k", { source: { handler: ({ payload }) => payload } });
console.log(stats.framesReceived, sent.framesSent, words.length, decision.reason, missing.length, apis.length, kernel.id, onGpu(pinned), onGpu(node));
await input.close();

// @ts-expect-error: buffers come from an allocator
new MemoryBuffer();
// @ts-expect-error: memory is pinned or shared
memory.allocate(1, { kind: "host", gpuPinned: true, shared: true });
// @ts-expect-error: memory is of huge pages or of a node
memory.allocate(1, { kind: "host", hugepages: true, numaNode: 0 });
// @ts-expect-error: no GPU reaches this memory
memory.allocate(1, { kind: "host", device: 0 });
// @ts-expect-error: memory of a GPU is of no node
memory.allocate(1, { kind: "gpu", numaNode: 0 });
// @ts-expect-error: a consumer does not send
await input.send(new Uint8Array(1));
// @ts-expect-error: a consumer has nothing to flush
await input.flush();
// @ts-expect-error: a producer does not receive
await out.recv();
// @ts-expect-error: a producer has no frames to iterate
for await (const none of out) console.log(none);
// @ts-expect-error: a producer counts sent frames
out.stats.framesReceived;
// @ts-expect-error: the role is not known here
await either.send(new Uint8Array(1));
// @ts-expect-error: channels are opened
new Channel();
// @ts-expect-error: there is no such option
await Channel.open("x", { role: "consumer", timeout: 5 });
// @ts-expect-error: kernels do not run on it yet
await KernelRuntime.create({ backend: "cuda" });
`;

/** Compiles the program in `folder`, where the package is installed. */
export async function typesInProjects(folder: string): Promise<Result> {
  const work = join(folder, "types");
  mkdirSync(join(work, "node_modules"), { recursive: true });
  symlinkSync(join(folder, "node_modules/lava-flow"), join(work, "node_modules/lava-flow"));
  writeFileSync(join(work, "package.json"), '{ "name": "types", "private": true, "type": "module" }\n');
  writeFileSync(join(work, "program.ts"), PROGRAM);
  const wrong: string[] = [];
  let count = 0;
  for (const [name, options] of Object.entries(PROJECTS)) {
    const compilerOptions = { ...options, preserveSymlinks: true, typeRoots: [join(ROOT, "node_modules/@types")] };
    writeFileSync(join(work, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    for (const compiler of COMPILERS) {
      const tsc = join(ROOT, "node_modules", compiler, "bin/tsc");
      const { ok, output } = await run([process.execPath, tsc, "-p", "."], { cwd: work });
      if (ok) count += 1;
      else wrong.push(`${compiler}, ${name}:\n${output}`);
    }
  }
  return wrong.length > 0 ? failed(wrong.join("\n")) : { ...passed(), passed: count };
}

/** Runs linters of packages on the tarball. */
export async function packageLinters(tarball: string): Promise<Result> {
  const tool = (path: string, ...args: string[]) => run([process.execPath, join(ROOT, "node_modules", path), ...args]);
  const linted = await tool("publint/src/cli.js", "run", tarball, "--strict");
  if (!linted.ok) return failed(linted.output);
  // The package is for Bun, whose `require` loads ES modules: the limits of Node.js do not apply.
  const types = await tool("@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only");
  return types.ok ? { ...passed(), passed: 2 } : failed(types.output);
}
