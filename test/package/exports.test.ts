/** What package.json gives out: to Bun the sources, to compilers the declarations, to other runtimes one sentence. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { declarations } from "../../scripts/declarations.ts";
import { requires } from "../requires.ts";

const ROOT = join(import.meta.dir, "../..");
const { exports } = await Bun.file(join(ROOT, "package.json")).json();
const ENTRIES = Object.keys(exports).filter((name) => name !== "./package.json");
const SENTENCE = /lava-flow runs on Bun 1\.4 or newer, not on \w+.*: start the program with `bun`/;

const node = Bun.which("node");
const hasNode = requires("node", node !== null, "no node on the path");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lava-flow-exports-"));
  const installed = join(folder, "node_modules/lava-flow");
  mkdirSync(installed, { recursive: true });
  for (const part of ["src", "package.json"]) cpSync(join(ROOT, part), join(installed, part), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The errors that programs end with under Node.js, each a module of its own. */
function underNode(programs: string[]): string[] {
  const files = programs.map((program, i) => {
    const file = `program-${i}.${program.includes("require(") ? "cjs" : "mjs"}`;
    writeFileSync(join(folder, file), program);
    return `./${file}`;
  });
  const each =
    "const errors = []; for (const file of files) await import(file).then(() => errors.push('none'), (e) => errors.push(e.message));";
  const all = `const files = ${JSON.stringify(files)}; ${each} console.log(JSON.stringify(errors));`;
  writeFileSync(join(folder, "all.mjs"), all);
  const { stdout, stderr } = Bun.spawnSync([node as string, "all.mjs"], { cwd: folder, timeout: 60_000 });
  expect(stderr.toString()).toBe("");
  return JSON.parse(stdout.toString());
}

describe.each(ENTRIES)("%s", (entry) => {
  const name = join("lava-flow", entry);
  const conditions = exports[entry];
  const values = async () => Object.keys(await import(join(ROOT, conditions.bun)));

  test("types first and everybody else last", () => {
    expect(Object.keys(conditions)).toEqual(["types", "bun", "default"]);
  });

  test.skipIf(!hasNode)("import of each name under Node.js says that Bun is needed", async () => {
    const names = await values();
    expect(names.length).toBeGreaterThan(3);
    const errors = underNode([
      ...names.map((one) => `import { ${one} } from "${name}"; console.log(${one});`),
      `import * as all from "${name}"; console.log(all);`,
      `await import("${name}");`,
      `const { ${names[0]} } = require("${name}");`,
    ]);
    expect(errors).toHaveLength(names.length + 3);
    for (const error of errors) expect(error).toMatch(SENTENCE);
  });
});

describe("declarations", () => {
  let out: string;
  let made: Awaited<ReturnType<typeof declarations>>;
  beforeAll(async () => {
    out = join(folder, "dist");
    made = await declarations(out);
  }, 60_000);

  test("every type that a public signature names is exported", () => {
    expect(made).toEqual({ ok: true, output: "" }); // else the output lists them
  });

  test("they name no module of Bun or Node.js, and each other as at run time", () => {
    const files = [...new Bun.Glob("**/*").scanSync(out)];
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) {
      expect(file).toEndWith(".d.ts");
      const text = readFileSync(join(out, file), "utf8");
      for (const [, from] of text.matchAll(/(?:from |import\(|import )"([^"]+)"/g))
        expect(from).toMatch(/^\.\.?\/.*\.js$/);
      expect(text).not.toMatch(/\b(Bun|Buffer|NodeJS)\b/);
    }
  });

  test("nothing internal is in them, and no backend that is not there", () => {
    expect(readFileSync(join(out, "kernel/runtime.d.ts"), "utf8")).not.toContain('"cuda"');
    expect(readFileSync(join(out, "kernel/stencil.d.ts"), "utf8")).not.toContain("make");
    for (const file of ["memory/buffer", "gpu/timeline", "channel/channel", "kernel/runtime", "kernel/halo"]) {
      expect(readFileSync(join(out, `${file}.d.ts`), "utf8")).toContain("private constructor();");
    }
  });
});
