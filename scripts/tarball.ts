/** Tests the package as users install it: packed, installed without Zig, compiled into one file. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platformName, shimFileName } from "../src/native/platform.ts";
import { required } from "../test/requires.ts";
import { PLATFORMS } from "./build.ts";
import { driverEnvironment } from "./gpu.ts";
import { ROOT, type RunOptions, run } from "./run.ts";
import { failed, passed, type Result } from "./step.ts";

/** The path of each platform's shim in the package. */
export const SHIMS = new Map(PLATFORMS.map((name) => [name, `prebuilt/${name}/${shimFileName(name)}`]));

/** The README's first program, and its output in the README. */
export function firstExample(): { program: string; output: string } {
  const blocks = [...readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  const at = blocks.findIndex((block) => block[1] === "ts");
  const [program, output] = [blocks[at]?.[2], blocks[at + 1]?.[2]];
  if (at < 0 || !program || !output) throw new Error("README.md has no ```ts block with an output block after it");
  if (program !== readFileSync(join(ROOT, "docs/examples/hello.ts"), "utf8")) {
    throw new Error("README.md's first example is not docs/examples/hello.ts");
  }
  return { program, output: output.trim() };
}

/** The README's program with kernels. */
const RELAY = "docs/examples/relay.ts";

/** The options of a new Bun project, with all of "strict". The types of Bun are this repository's. */
const COMPILER_OPTIONS = {
  lib: ["ESNext"],
  target: "ESNext",
  module: "Preserve",
  moduleDetection: "force",
  moduleResolution: "bundler",
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  noUncheckedIndexedAccess: true,
  typeRoots: [join(ROOT, "node_modules/@types")],
  types: ["bun"],
};

export const tarball = (work: string) => join(work, "lava-flow.tgz");
export const project = (work: string) => join(work, "project");

/** An environment with Bun as the only program on the PATH, and the package's shim only. */
function bareEnvironment(work: string): Record<string, string | undefined> {
  return { ...process.env, ...driverEnvironment(), PATH: join(work, "bin"), LAVA_FLOW_SHIM: undefined };
}

/** Packs into `work`, and checks the files of the tarball. */
export async function pack(work: string): Promise<Result> {
  const packed = await run([process.execPath, "pm", "pack", "--filename", tarball(work)]);
  if (!packed.ok) return failed(packed.output);
  const listed = await run(["tar", "-tzf", tarball(work)]);
  if (!listed.ok) return failed(listed.output);
  const files = listed.output
    .trim()
    .split("\n")
    .map((path) => path.replace(/^package\//, ""));
  const needed = [
    "package.json",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "dist/index.d.ts",
    "dist/interop/index.d.ts",
    "dist/kernel/index.d.ts",
    "src/index.ts",
    "src/needs-bun.js",
    "src/cli/main.ts",
    "src/kernel/index.ts",
    "node_modules/naga-wasm/dist/index.js",
    "node_modules/naga-wasm/dist/wasm/naga_bg.wasm",
    "node_modules/naga-wasm/LICENSE-MIT",
    ...SHIMS.values(),
  ];
  const allowed =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|src\/.*|dist\/.*\.d\.ts|docs\/.*|prebuilt\/.*|node_modules\/naga-wasm\/.*)$/;
  const wrong = [
    ...needed.filter((path) => !files.includes(path)).map((path) => `missing: ${path}`),
    ...files.filter((path) => !allowed.test(path)).map((path) => `should not be there: ${path}`),
    ...files.filter((path) => path.startsWith("prebuilt/") && !needed.includes(path)).map((path) => `no shim: ${path}`),
  ];
  return wrong.length > 0 ? failed(wrong.join("\n")) : passed();
}

/** Adds the tarball to an empty project, type-checks and runs the README's programs there, and runs the doctor. */
export async function installedTarball(work: string): Promise<Result> {
  const folder = project(work);
  mkdirSync(folder);
  mkdirSync(join(work, "bin"));
  for (const name of ["bun", "bunx"]) symlinkSync(process.execPath, join(work, "bin", name));
  const env = bareEnvironment(work);
  const options = { cwd: folder, env };
  writeFileSync(join(folder, "package.json"), '{ "name": "project", "private": true, "type": "module" }\n');
  const added = await run(["bun", "add", tarball(work)], options);
  if (!added.ok) return failed(added.output);
  const packages = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  if (packages.join() !== "lava-flow") return failed(`The package brought others: ${packages.join(", ")}`);

  const { program, output } = firstExample();
  writeFileSync(join(folder, "example.ts"), program);
  const ran = await run(["bun", "example.ts"], options);
  if (!ran.ok || ran.output.trim() !== output) return failed(difference("README.md", output, ran.output));

  copyFileSync(join(ROOT, RELAY), join(folder, "relay.ts"));
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ["*.ts"] }),
  );
  const checked = await run([process.execPath, join(ROOT, "node_modules/typescript/bin/tsc")], options);
  if (!checked.ok) return failed(checked.output);
  const relayed = await relay(["bun", "relay.ts"], options);
  if (relayed.failed > 0) return relayed;

  const doctor = await run(["bunx", "--no-install", "lava-flow", "doctor", "--json"], options);
  if (!doctor.ok) return failed(doctor.output);
  JSON.parse(doctor.output);
  return relayed;
}

/** Runs kernels on the processor and, if there is one, on a GPU, which needs WGSL to be translated. */
async function relay(command: string[], options: RunOptions): Promise<Result> {
  for (const backend of ["cpu", "vulkan"]) {
    const { ok, output } = await run([...command, backend], options);
    const expected = `runner-0 has it again, ten times round 1000 kernels, on ${backend}`;
    if (ok && output.trim() === expected) continue;
    const reason = /BACKEND_UNAVAILABLE: .*/.exec(output)?.[0];
    if (backend === "cpu" || !reason || required().has("vulkan")) return failed(difference(RELAY, expected, output));
    return { ...passed([`skip vulkan: ${reason}`]), skipped: 1 };
  }
  return passed();
}

/** Compiles the same programs to one file each, and runs these in an empty folder with an empty PATH. */
export async function compiledExecutable(work: string): Promise<Result> {
  const folder = project(work);
  const alone = join(work, "alone");
  mkdirSync(alone);
  for (const name of ["example", "relay"]) {
    const compiled = await run([process.execPath, "build", "--compile", `${name}.ts`, "--outfile", name], {
      cwd: folder,
      env: bareEnvironment(work),
    });
    if (!compiled.ok) return failed(compiled.output);
    copyFileSync(join(folder, name), join(alone, name));
  }

  const bytes = readFileSync(join(alone, "example"));
  const system = platformName().replace(/-(glibc|musl)$/, "");
  for (const [platform, path] of SHIMS) {
    const shim = readFileSync(join(folder, "node_modules/lava-flow", path));
    if (bytes.includes(shim) !== platform.startsWith(system)) {
      return failed(`${platform}'s shim is ${bytes.includes(shim) ? "" : "not "}embedded on ${system}`);
    }
  }

  rmSync(folder, { recursive: true }); // The executable must not need its sources.
  const { output } = firstExample();
  const options = { cwd: alone, env: { ...bareEnvironment(work), PATH: "" } };
  const ran = await run([join(alone, "example")], options);
  if (!ran.ok || ran.output.trim() !== output) return failed(difference("README.md", output, ran.output));
  return relay([join(alone, "relay")], options);
}

function difference(document: string, expected: string, printed: string): string {
  return `${document} is to print\n${expected}\nand it printed\n${printed}`;
}
