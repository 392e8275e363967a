/**
 * `bun run test:gpu [filter]`: the tests that need a GPU, on a GPU in hardware, with each Vulkan call checked by the
 * validation layer. Prints one line per file. A skip of a feature that such a machine has is a failure. It builds nothing:
 * the shim is from prebuilt/, and C tests are from shim/zig-out/test if they exist.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryAllocator } from "../src/index.ts";
import { type Feature, GPU_FEATURES, required } from "../test/requires.ts";
import { ROOT, run } from "./run.ts";
import { failed, finish, passed, type Result, step } from "./step.ts";
import { bunTest, countLines, type Environment, leavingNothing } from "./tests.ts";

/** Folders of test/ that need a GPU, and folders of which some files do. */
const WHOLE = ["gpu", "interop"];
const SOME = ["channel", "memory", "cli", "mpi", "kernel"];
/** A C test whose source has one of these needs a GPU. */
const C_FOR_GPU = /#include "((gpu|cuda)\/\w+|queues)\.h"|\blf_(device|vulkan)_open\b/;
const ASKS_FOR_GPU = /\brequires\("(vulkan|gpu|gpu-timeline|two-gpus)"|\/gpu\/support\.ts"/;

function testFiles(): string[] {
  const inFolder = (folder: string) =>
    existsSync(join(ROOT, "test", folder))
      ? readdirSync(join(ROOT, "test", folder))
          .filter((name) => name.endsWith(".test.ts"))
          .sort()
          .map((name) => `test/${folder}/${name}`)
      : [];
  const some = SOME.flatMap(inFolder).filter((path) => ASKS_FOR_GPU.test(readFileSync(join(ROOT, path), "utf8")));
  return [...WHOLE.flatMap(inFolder), ...some];
}

/** The built C tests whose sources use a GPU. */
function cTests(): string[] {
  const folder = join(ROOT, "shim/zig-out/test");
  if (!existsSync(folder)) return [];
  const usesGpu = (name: string) => {
    const source = join(ROOT, "shim/test", `${name}.c`);
    return existsSync(source) && C_FOR_GPU.test(readFileSync(source, "utf8"));
  };
  return readdirSync(folder)
    .sort()
    .filter(usesGpu)
    .map((name) => join(folder, name));
}

async function cTest(program: string, env: Environment): Promise<Result> {
  return countLines(program, await run([program], { env }));
}

/** The features to require, or the reason why there is no GPU to test on. */
function needed(): Feature[] | string {
  using allocator = new MemoryAllocator();
  const gpus = allocator.topology.gpus.filter(({ type }) => type !== "cpu");
  if (gpus.length === 0) return allocator.unavailable.find(({ feature }) => feature === "gpu")?.reason ?? "no GPU";
  for (const { index, name, driver } of gpus) console.log(`GPU ${index}: ${name}, ${driver}`);
  const features = new Set<Feature>(required());
  for (const name of GPU_FEATURES) if (name !== "two-gpus" || gpus.length > 1) features.add(name);
  return [...features];
}

if (import.meta.main) {
  const filter = process.argv[2] ?? "";
  const features = needed();
  const start = await step("a GPU in hardware", async () =>
    typeof features === "string" ? failed(features) : passed([`required: ${features.join(", ")}`]),
  );
  if (start.failed > 0) process.exit(finish());
  const demanding = (env: Environment) => ({ ...env, LAVA_FLOW_REQUIRE: String(features) });
  const files = testFiles().filter((path) => path.includes(filter));
  const programs = cTests().filter((path) => path.includes(filter));
  if (files.length + programs.length === 0) {
    await step("tests", async () => failed(`no test file's path contains "${filter}"`));
  }
  for (const program of programs) {
    await step(program.slice(ROOT.length + 1), () => leavingNothing((env) => cTest(program, demanding(env))));
  }
  for (const file of files) await step(file, () => leavingNothing((env) => bunTest(demanding(env), file)));
  process.exit(finish());
}
