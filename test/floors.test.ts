/** Holds up the floors of the design: who may import whom in src/, and how long a file may grow. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";
import { circles } from "./circles.ts";

const SRC = join(import.meta.dir, "../src");

/** From the top down: a file imports from its own floor and from those below it. */
const FLOORS = ["cli", "index.ts", "kernel", "channel", "interop", "memory", "gpu", "native"];
/** These stand beside the stairs: anyone may import them, and they import nothing but the errors. */
const ANYWHERE = ["error-codes.ts", "errors.ts", "location.ts"];
const TRANSPORTS = ["shm", "vulkan", "mpi"].map((name) => `channel/transport/${name}.ts`);
const BACKENDS = ["cpu", "vulkan", "metal"].map((name) => `kernel/backend/${name}.ts`);
/** The one package that is needed at run time, and the one file that may ask for it. */
const PACKAGE = { name: "naga-wasm", user: "kernel/wgsl/naga.ts" };
/** Imports a module that the user names: a handler for a Worker. */
const USERS_MODULE = "kernel/backend/worker-main.ts: import(module)";
const LONGEST_FILE = 400;

/** What a source names: `import … from`, `export … from`, `import "…"`, `import("…")`, `require("…")`, `new URL("…")`. */
function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const named =
    /(?:\bfrom\s*|^\s*import\s*|(?<![.\w])(?:import|require|require\.resolve|new URL)\s*\(\s*)(["'])([^"'\n]+)\1/gm;
  return [...code.matchAll(named)].map((match) => match[2] as string);
}

/** Imports whose name is made at run time, so that this test can't follow them. (A method may be called `import`.) */
function hiddenImports(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(/(?<![.\w])(?:import|require)\s*\(\s*(?!["'])[^):]*\)/g)].map((match) => match[0]);
}

interface Source {
  /** Relative to src, with forward slashes. */
  path: string;
  text: string;
  imports: string[];
  /** Those of them that are files of src. */
  inside: string[];
}

const sources: Source[] = [...new Glob("**/*.ts").scanSync(SRC)].sort().map((path) => {
  const text = readFileSync(join(SRC, path), "utf8");
  const imports = importsOf(text);
  const inside = imports
    .filter((name) => name.startsWith("."))
    .map((name) => relative(SRC, join(SRC, dirname(path), name)).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts"));
  return { path: path.replaceAll("\\", "/"), text, imports, inside };
});

const floorOf = (path: string) => path.split("/")[0] as string;

/** One line for each import that breaks a rule: an empty list when all is well. */
function broken(rule: (from: Source, to: string) => boolean, to: (source: Source) => string[]): string[] {
  return sources.flatMap((from) =>
    to(from)
      .filter((name) => !rule(from, name))
      .map((name) => `${from.path} -> ${name}`),
  );
}

describe("the tools of this test", () => {
  test("every form of import is seen, and none in a comment", () => {
    const source = `
      import a from "./a.ts";
      import { b,
        c } from './b.ts';
      import type { D } from "./d.ts";
      import "./e.ts";
      export * from "./f.ts";
      const g = await import("./g.ts");
      const h = require("./h.ts");
      new Worker(new URL("./i.ts", import.meta.url));
      // import "./no.ts";
      /* import "./no.ts"; */
      console.log("imported from here", import.meta.dir);`;
    expect(importsOf(source)).toEqual("abdefghi".split("").map((name) => `./${name}.ts`));
    expect(hiddenImports(source)).toEqual([]);
    expect(hiddenImports("await import(name)")).toHaveLength(1);
  });

  test("a cycle is found", () => {
    const of = (text: string) => new Map(text.split(" ").map((each) => [each[0] as string, each.slice(1).split("")]));
    expect(circles(of("abc bc c"))).toEqual([]);
    expect(circles(of("ab bc cb"))).toEqual([["b", "c"]]);
  });
});

describe("floors", () => {
  test("there are sources, and each stands on a known floor", () => {
    expect(sources.length).toBeGreaterThan(10);
    const known = [...FLOORS, ...ANYWHERE];
    expect(sources.map(({ path }) => path).filter((path) => !known.includes(floorOf(path)))).toEqual([]);
  });

  test("every import can be read, and every file that it names is there", () => {
    const hidden = sources.flatMap(({ path, text }) => hiddenImports(text).map((each) => `${path}: ${each}`));
    expect(hidden).toEqual([USERS_MODULE]);
    expect(
      broken(
        (_, name) => existsSync(join(SRC, name)),
        ({ inside }) => inside,
      ),
    ).toEqual([]);
  });

  test("imports go down only", () => {
    const goesDown = (from: Source, name: string) =>
      ANYWHERE.includes(name) || FLOORS.indexOf(floorOf(name)) >= FLOORS.indexOf(floorOf(from.path));
    expect(
      broken(
        (from, name) => ANYWHERE.includes(from.path) || goesDown(from, name),
        ({ inside }) => inside,
      ),
    ).toEqual([]);
  });

  test("errors.ts and location.ts import nothing but the errors", () => {
    expect(
      broken(
        (from, name) => !ANYWHERE.includes(from.path) || ["error-codes.ts", "errors.ts"].includes(name),
        ({ inside }) => inside,
      ),
    ).toEqual([]);
  });

  test("only native/ imports bun:ffi", () => {
    const users = sources.filter(({ imports }) => imports.includes("bun:ffi")).map(({ path }) => floorOf(path));
    expect([...new Set(users)]).toEqual(["native"]);
  });

  test("only channel/connect/route.ts imports the transports", () => {
    const users = sources.filter(({ inside }) => inside.some((name) => TRANSPORTS.includes(name)));
    expect(users.map(({ path }) => path)).toEqual(["channel/connect/route.ts"]);
  });

  test("only kernel/runtime.ts names the backends", () => {
    const users = sources.filter(({ inside }) => inside.some((name) => BACKENDS.includes(name)));
    expect(users.map(({ path }) => path).filter((path) => !BACKENDS.includes(path))).toEqual(["kernel/runtime.ts"]);
  });

  test(`no package is imported but ${PACKAGE.name}, by ${PACKAGE.user}`, () => {
    expect(
      broken(
        ({ path }, name) =>
          name.startsWith(".") ||
          name.startsWith("node:") ||
          /^bun(:|$)/.test(name) ||
          (name.split("/")[0] === PACKAGE.name && path === PACKAGE.user),
        ({ imports }) => imports,
      ),
    ).toEqual([]);
  });

  test("no ring of files imports itself", () => {
    expect(circles(new Map(sources.map(({ path, inside }) => [path, inside])))).toEqual([]);
  });

  test("no circle of folders imports itself", () => {
    const folders = new Map<string, string[]>();
    // Files of src itself are a floor each.
    for (const { path, inside } of sources.filter(({ path }) => path.includes("/"))) {
      const from = dirname(path);
      const others = inside.map((name) => dirname(name)).filter((to) => to !== from && to !== ".");
      folders.set(from, [...(folders.get(from) ?? []), ...others]);
    }
    expect(folders.size).toBeGreaterThan(10);
    expect(circles(folders)).toEqual([]);
  });

  test(`no file has more than ${LONGEST_FILE} lines`, () => {
    const long = sources.map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }));
    expect(long.filter(({ lines }) => lines > LONGEST_FILE)).toEqual([]);
  });
});
