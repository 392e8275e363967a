/** The package as its users get it: packed, installed where there is no Zig, compiled into one file. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platformName, shimFileName } from "../src/native/platform.ts";
import { ROOT, run } from "./run.ts";
import { failed, passed, type Result } from "./step.ts";

const PLATFORMS = [
  "linux-x64-glibc",
  "linux-arm64-glibc",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "win32-x64",
];

/** Where the package keeps each platform's shim. */
export const SHIMS = new Map(PLATFORMS.map((name) => [name, `prebuilt/${name}/${shimFileName(name)}`]));

/** The README's first program, and what the README says that it prints. */
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

const tarball = (work: string) => join(work, "lava-flow.tgz");
const project = (work: string) => join(work, "project");

/** An environment in which Bun is the only program by name: no Zig, no compiler, no shim but the package's. */
function bareEnvironment(work: string): Record<string, string | undefined> {
  return { ...process.env, PATH: join(work, "bin"), LAVA_FLOW_SHIM: undefined };
}

/** Packs into `work`, and looks at what the tarball holds. */
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
    "src/index.ts",
    "src/cli/main.ts",
    ...SHIMS.values(),
  ];
  const allowed = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|src\/.*|docs\/.*|prebuilt\/.*)$/;
  const wrong = [
    ...needed.filter((path) => !files.includes(path)).map((path) => `missing: ${path}`),
    ...files.filter((path) => !allowed.test(path)).map((path) => `should not be there: ${path}`),
    ...files.filter((path) => path.startsWith("prebuilt/") && !needed.includes(path)).map((path) => `no shim: ${path}`),
  ];
  return wrong.length > 0 ? failed(wrong.join("\n")) : passed();
}

/** Adds the tarball to an empty project, runs the README's first example there, and asks the doctor. */
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
  if (!ran.ok || ran.output.trim() !== output) return failed(difference(output, ran.output));

  const doctor = await run(["bunx", "--no-install", "lava-flow", "doctor", "--json"], options);
  if (!doctor.ok) return failed(doctor.output);
  JSON.parse(doctor.output);
  return passed();
}

/** The same example as one file, alone in an empty folder, with nothing on the path. */
export async function compiledExecutable(work: string): Promise<Result> {
  const folder = project(work);
  const alone = join(work, "alone");
  mkdirSync(alone);
  const compiled = await run([process.execPath, "build", "--compile", "example.ts", "--outfile", "example"], {
    cwd: folder,
    env: bareEnvironment(work),
  });
  if (!compiled.ok) return failed(compiled.output);
  copyFileSync(join(folder, "example"), join(alone, "example"));

  const bytes = readFileSync(join(alone, "example"));
  const system = platformName().replace(/-(glibc|musl)$/, "");
  for (const [platform, path] of SHIMS) {
    const shim = readFileSync(join(folder, "node_modules/lava-flow", path));
    if (bytes.includes(shim) !== platform.startsWith(system)) {
      return failed(`${platform}'s shim is ${bytes.includes(shim) ? "" : "not "}embedded on ${system}`);
    }
  }

  rmSync(folder, { recursive: true }); // What it was made from must not be missed.
  const { output } = firstExample();
  const ran = await run([join(alone, "example")], { cwd: alone, env: { ...bareEnvironment(work), PATH: "" } });
  return ran.ok && ran.output.trim() === output ? passed() : failed(difference(output, ran.output));
}

function difference(expected: string, printed: string): string {
  return `README.md says that its first example prints\n${expected}\nand it printed\n${printed}`;
}
