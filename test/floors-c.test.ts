/** Holds up the floors of shim/src: which folder may use which, and where handles are looked up. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { circles } from "./circles.ts";

const SRC = join(import.meta.dir, "../shim/src");

/** From the bottom up: a file uses its own folder and the floors below it. */
const FLOORS = [
  ["base"],
  ["host", "cuda", "mpi", "tools"],
  ["gpu", "metal", "ipc", "job"],
  ["names", "ep", "interop"],
  ["abi"],
  ["shm"],
];
/** Handles of links, ends, the GPU and memory stop at abi/. The others look up handles of the kinds that they give out. */
const HANDLE_USERS = ["abi", "metal", "names"];
/** Circles of files that are not broken yet. This list only gets shorter. */
const KNOWN_CIRCLES: string[][] = [];

interface Source {
  /** Relative to shim/src, with forward slashes. */
  path: string;
  includes: string[];
  /** The source without comments, strings and preprocessor lines. */
  code: string;
}

function read(path: string, text: string): Source {
  const bare = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  return {
    path,
    includes: [...bare.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map((match) => match[1] as string),
    code: bare.replace(/^\s*#(?:[^\n\\]|\\[\s\S])*$/gm, "").replace(/"(?:[^"\\\n]|\\.)*"/g, '""'),
  };
}

const folderOf = (path: string) => path.split("/")[0] as string;
const floorOf = (path: string) => FLOORS.findIndex((floor) => floor.includes(folderOf(path)));
const isHeader = (path: string) => path.endsWith(".h");
const isOther = (path: string, than: string) =>
  (path.endsWith("_posix.c") && than.endsWith("_win32.c")) || (path.endsWith("_win32.c") && than.endsWith("_posix.c"));

/** A function of the shim, at the beginning of a line: its linkage, its name, and whether its body follows. */
const FUNCTION =
  /^(?!typedef\b)(static |static inline |extern )?[a-zA-Z_][\w \n*]*?\b(lf_\w+)\(([^;{}()]|\([^()]*\))*\)[^;{}=]*([;{])/gm;

function functions({ code }: Source): { name: string; isStatic: boolean; isDefined: boolean }[] {
  return [...code.matchAll(FUNCTION)].map((match) => ({
    name: match[2] as string,
    isStatic: match[1]?.startsWith("static") ?? false,
    isDefined: match[4] === "{",
  }));
}

/** Which files define each function that is visible outside of its file. */
function definitions(sources: Source[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const source of sources)
    for (const { name, isStatic, isDefined } of functions(source))
      if (isDefined && (!isStatic || isHeader(source.path))) found.set(name, [...(found.get(name) ?? []), source.path]);
  return found;
}

/** What each file uses: what it includes and, of a .c file, where the functions that it names are defined. */
function usesOf(sources: Source[]): Map<string, Set<string>> {
  const defined = definitions(sources);
  return new Map(
    sources.map((source) => {
      const { path, includes, code } = source;
      const uses = new Set(includes.filter((name) => name.includes("/")));
      const named = isHeader(path) ? [] : new Set(code.match(/\blf_\w+/g) ?? []);
      for (const name of named) {
        const files = defined.get(name) ?? [];
        if (files.includes(path)) continue;
        for (const file of files) if (!isOther(path, file)) uses.add(file);
      }
      uses.delete(path);
      return [path, uses];
    }),
  );
}

/** Uses that do not go down: "from -> to". */
function goingUp(uses: Map<string, Set<string>>): string[] {
  return [...uses].flatMap(([from, all]) =>
    [...all]
      .filter((to) => folderOf(to) !== folderOf(from) && floorOf(to) >= floorOf(from))
      .map((to) => `${from} -> ${to}`),
  );
}

/** Functions that a file declares without being a header of the folder that defines them. */
function strayDeclarations(sources: Source[]): string[] {
  const defined = definitions(sources);
  return sources.flatMap((source) =>
    functions(source)
      .filter(({ isDefined, isStatic }) => !isDefined && !isStatic)
      .filter(
        ({ name }) =>
          !isHeader(source.path) || !(defined.get(name) ?? []).some((path) => folderOf(path) === folderOf(source.path)),
      )
      .map(({ name }) => `${source.path}: ${name}`),
  );
}

const paths = [...new Glob("**/*.{c,h}").scanSync(SRC)].map((path) => path.replaceAll("\\", "/")).sort();
const sources = paths.map((path) => read(path, readFileSync(join(SRC, path), "utf8")));
const uses = usesOf(sources);

describe("the tools of this test", () => {
  const all = (files: Record<string, string>) => Object.entries(files).map(([path, text]) => read(path, text));

  test("an include and a call that go up are found, in a comment neither is", () => {
    const files = {
      "base/a.h": "int lf_a(void);\n",
      "base/a.c": '#include "base/a.h"\n/* #include "gpu/b.h", lf_b() */\nint lf_a(void) { return 0; }\n',
      "gpu/b.h": '#include "base/a.h"\nint lf_b(int x, void (*call)(int));\n',
      "gpu/b.c": '#include "gpu/b.h"\nint lf_b(int x,\n         void (*call)(int)) {\n  return lf_a();\n}\n',
    };
    expect(goingUp(usesOf(all(files)))).toEqual([]);
    const up = { ...files, "base/c.c": '#include "gpu/b.h"\nstatic int c(void) { return 0; }\n' };
    expect(goingUp(usesOf(all(up)))).toEqual(["base/c.c -> gpu/b.h"]);
    const hidden = { ...files, "base/c.c": "extern int lf_b(int, void *);\nint lf_c(void) { return lf_b(1, 0); }\n" };
    expect(goingUp(usesOf(all(hidden)))).toEqual(["base/c.c -> gpu/b.c"]);
    expect(strayDeclarations(all(files))).toEqual([]);
    expect(strayDeclarations(all(hidden))).toEqual(["base/c.c: lf_b"]);
    const lent = { ...files, "base/c.h": "int lf_b(int x, void (*call)(int));\n" };
    expect(strayDeclarations(all(lent))).toEqual(["base/c.h: lf_b"]);
  });

  test("a circle through calls is found, and a pair of systems is none", () => {
    const files = {
      "base/a.h": "int lf_a(void);\nint lf_b(void);\n",
      "base/a.c": '#include "base/a.h"\nint lf_a(void) { return lf_b(); }\n',
      "base/b.c": '#include "base/a.h"\nint lf_b(void) { return lf_a(); }\n',
    };
    expect(circles(usesOf(all(files)))).toEqual([["base/a.c", "base/b.c"]]);
    const pair = {
      "base/a_posix.c": "int lf_a(void) { return 0; }\nint lf_b(void) { return lf_a(); }\n",
      "base/a_win32.c": "int lf_b(void) { return 0; }\nint lf_a(void) { return lf_b(); }\n",
    };
    expect(circles(usesOf(all(pair)))).toEqual([]);
  });
});

describe("floors of shim/src", () => {
  test("there are sources, and each is in a known folder", () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(paths.filter((path) => path.split("/").length !== 2 || floorOf(path) < 0)).toEqual([]);
    const used = new Set(paths.map(folderOf));
    expect(FLOORS.flat().filter((folder) => !used.has(folder))).toEqual([]);
  });

  test("each include names lavaflow.h or the folder and name of a header that exists", () => {
    const known = new Set(["lavaflow.h", ...paths.filter(isHeader)]);
    const wrong = sources.flatMap(({ path, includes }) =>
      includes.filter((name) => !known.has(name)).map((name) => `${path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("includes and calls go down only", () => {
    expect(goingUp(uses)).toEqual([]);
  });

  test("a function is declared in a header of its own folder only", () => {
    expect(strayDeclarations(sources)).toEqual([]);
  });

  test("no circle of folders", () => {
    const folders = new Map<string, Set<string>>();
    for (const [from, all] of uses) {
      const others = [...all].map(folderOf).filter((to) => to !== folderOf(from));
      folders.set(folderOf(from), new Set([...(folders.get(folderOf(from)) ?? []), ...others]));
    }
    expect(circles(folders)).toEqual([]);
  });

  test("no circle of files but the known ones, all of which exist", () => {
    expect(circles(uses)).toEqual(KNOWN_CIRCLES);
  });

  test("only the folders of the list look up handles, and each of them does", () => {
    const users = sources
      .filter(({ includes }) => includes.includes("base/handle.h"))
      .map(({ path }) => folderOf(path));
    expect([...new Set(users.filter((folder) => folder !== "base"))].sort()).toEqual(HANDLE_USERS);
  });
});
