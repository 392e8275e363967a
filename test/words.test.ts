/** Code and docs use the words of docs/glossary.md: a retired word is refused, with the term that replaces it. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { files, RETIRED, retiredIn, uses } from "./words.ts";

describe("the search for words", () => {
  const found = (source: string, path = "x.ts") => retiredIn(path, source);

  test("finds a word in prose, in names of every form and in the name of the file", () => {
    expect(found("// rings the bell")).toEqual(["bell"]);
    expect(found("ringBell(); #bell; BELL_MS; Bell2")).toEqual(["bell", "bell", "bell"]);
    expect(found("", "shim/src/bell_posix.c")).toEqual(["bell"]);
    expect(found("int lf_queue_let_go(void);", "x.c")).toEqual(["let go"]);
    expect(found("// asked so\n * many times")).toEqual(["so many"]);
  });

  test("finds an ordinary word in names only", () => {
    expect(found("// in place of a place, `place`\nconst s = 'place';")).toEqual([]);
    expect(found("const place = 1; const placeOf = (a: { place: 1 }) => a.place;")).toHaveLength(4);
    expect(found('/* a place */ f("place"); // place', "x.c")).toEqual([]);
    expect(found("lf_place_put(place);", "x.c")).toEqual(["place", "place"]);
    expect(found("A place has a `place`.\n```ts\nplace();\n```", "x.md")).toEqual(["place"]);
  });

  test("takes no part of another word", () => {
    expect(found("const belly = labelled, replace = placed, plane = ahead2;")).toEqual([]);
  });

  test("each retired word has one term, and each term is in the glossary", () => {
    expect(new Set(RETIRED.map(({ word }) => word)).size).toBe(RETIRED.length);
    const glossary = readFileSync(join(import.meta.dir, "../docs/glossary.md"), "utf8");
    const listed = [...glossary.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, terms]) => terms?.split(", "));
    const terms = new Set(RETIRED.flatMap(({ term }) => term.split(", ")));
    expect([...terms].filter((term) => !listed.includes(term))).toEqual([]);
  });
});

describe("words", () => {
  const used = uses();

  test("sources and docs are read", () => {
    const all = files();
    for (const part of ["src/", "shim/src/", "shim/include/", "test/", "bench/", "scripts/", "docs/", "README.md"])
      expect(all.some((path) => path.startsWith(part))).toBe(true);
  });

  test("no retired word is used", () => {
    expect([...used]).toEqual([]);
  });
});
