/** The generated declarations equal the header, and the generator refuses text that it does not understand. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { outOfDate, parse, readHeaders } from "../../scripts/boundary.ts";

const header = readHeaders();

test("lavaflow.h includes each header of its folder once", () => {
  const include = join(import.meta.dir, "../../shim/include");
  const text = readFileSync(join(include, "lavaflow.h"), "utf8");
  const included = [...text.matchAll(/^#include "lavaflow\/(.+)"$/gm)].map(([, name]) => name as string);
  expect(included.sort()).toEqual(readdirSync(join(include, "lavaflow")).sort());
});

test("the generated files are up to date", () => {
  expect(outOfDate()).toEqual([]);
});

test("every prototype of the header is a symbol", () => {
  const declared = [...header.matchAll(/^LF_API \w+ (lf_\w+)\(/gm)].map(([, name]) => name as string);
  expect(parse(header).functions.map(({ name }) => name)).toEqual(declared);
});

test("structs are laid out as C lays them out", () => {
  const [made] = parse(`#define COUNT 3
    typedef struct {
      char name[COUNT]; /* 3 bytes, then one of padding */
      uint32_t a, b[2];
      double c;
      int32_t d;
    } lf_made;`).structs;
  const fields = [
    ["name", 0],
    ["a", 4],
    ["b", 8],
    ["c", 16],
    ["d", 24],
  ];
  expect(made).toEqual({ name: "lf_made", bytes: 32, fields } as NonNullable<typeof made>);
});

test("enums and macros are constants, LF_E... statuses in their order", () => {
  const made = parse(
    "#define A (4u << 20)\nenum { B = A, LF_OK = 0, LF_EONE = -1, LF_ETWO = -2, LF_EMPTY = 0x40000002 };",
  );
  expect(made.constants).toEqual([
    ["A", 4 * 2 ** 20],
    ["B", 4 * 2 ** 20],
    ["LF_EMPTY", 0x40000002],
  ]);
  expect(made.statuses).toEqual(["ONE", "TWO"]);
});

describe("text that is not understood is an error", () => {
  test.each([
    ["a function with another result", "LF_API double lf_a(void);"],
    ["an argument of another type", "LF_API int32_t lf_a(float a);"],
    ["a member of another type", "typedef struct { float a; } lf_a;"],
    ["a pointer in a struct", "typedef struct { void *a; } lf_a;"],
    ["an enum without a value", "enum { A, B = 1 };"],
    ["a macro that is no number", "#define A lf_b()"],
    ["a union", "typedef union { int32_t a; } lf_a;"],
    ["a named struct", "typedef struct lf_b { int32_t a; } lf_a;"],
  ])("%s", (_, text) => {
    expect(() => parse(text)).toThrow("shim/include/lavaflow.h: ");
  });
});
