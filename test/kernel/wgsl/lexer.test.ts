/** The lexer: compared with the rules of WGSL, and on random sequences of tokens. */
import { describe, expect, test } from "bun:test";
import { Fault, type Token, type TokenKind, tokensOf } from "../../../src/kernel/wgsl/lexer.ts";
import { random, seed } from "../../channel/support.ts";

const kinds = (text: string) => tokensOf(text).map(({ kind, text: found }) => `${kind} ${found}`);
const fault = (text: string): string => {
  try {
    tokensOf(text);
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  throw new Error(`no fault: ${text}`);
};

/** All line breaks of WGSL. */
const BREAKS = ["\n", "\v", "\f", "\r", "\r\n", "\u0085", "\u2028", "\u2029"];

describe("comments", () => {
  test("of a line end at each line break of WGSL", () => {
    for (const end of BREAKS) {
      const tokens = tokensOf(`a // b${end}c`);
      expect(tokens.map(({ text }) => text)).toEqual(["a", " ", "// b", end, "c"]);
      expect(tokens.at(-1)?.line).toBe(2);
    }
  });

  test("of a block may be nested, and contain no line comments", () => {
    expect(kinds("/* // */a")).toEqual(["comment /* // */", "name a"]);
    expect(kinds("/* /* */ // */a")).toEqual(["comment /* /* */ // */", "name a"]);
    expect(kinds("/**/a/*/**/b*/c")).toEqual(["comment /**/", "name a", "comment /*/**/b*/", "name c"]);
    expect(kinds("/*/a*/b")).toEqual(["comment /*/a*/", "name b"]);
    expect(kinds("// /* \na")).toEqual(["comment // /* ", "break \n", "name a"]);
  });

  test("of a block without an end are a fault in their first line", () => {
    expect(fault("\n/* /* */\n\n")).toBe("a comment without an end in line 2: /*");
  });

  test("of a block count their lines", () => {
    for (const end of BREAKS) expect(tokensOf(`/*${end}${end}*/ a`).at(-1)).toMatchObject({ text: "a", line: 3 });
  });
});

describe("names", () => {
  test("follow Unicode", () => {
    for (const name of ["a", "_a", "a_", "é", "中文", "π2", "Δt", "A1_", "_1", "𝐱"]) {
      expect(kinds(name)).toEqual([`name ${name}`]);
    }
    expect(kinds("_")).toEqual(["symbol _"]);
  });

  test("that WGSL does not have are faults", () => {
    expect(fault("\n __a")).toBe("a name that begins with two underscores in line 2: __a");
    expect(fault("let get = 1;")).toBe("a word that WGSL reserves in line 1: get");
    for (const text of ["$", "#if", '"a"', "`", "\\", "\0", "😀", "\ud800", "\u00a0", "\u3000", "\ufeff"]) {
      expect(fault(text)).toContain("a character that WGSL does not have in line 1");
    }
  });
});

describe("numbers", () => {
  const good = `0 1 12i 7u 0u 3f 4h 0x1F 0XaBu 0xfi 1.5 .5 1. 1.5f 1e3 1.e-3h .5E+2f 1e3f 0x1.8 0x1.8p3 0x.8p-1f 0x1p4h 0x1.p+2 00.5`;
  test("of each form are one token", () => {
    for (const text of good.split(" ")) expect(kinds(text)).toEqual([`number ${text}`]);
  });

  test("of other forms are faults", () => {
    for (const text of ["7li", "7lu", "1.0lf", "012", "1ui", "0x", "1e", "0x1.8f1x", "1.5u", "3d", "1_000", "1.x"]) {
      expect(fault(text)).toBe(`a number that WGSL does not have in line 1: ${text}`);
    }
  });
});

/** Random sequences of known tokens. */
class Rows {
  readonly #next: () => number;

  constructor(from: number) {
    this.#next = random(from);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#next() * from.length)] as T;
  }

  #comment(depth: number): string {
    const inner = Array.from({ length: Math.floor(this.#next() * 4) }, () =>
      depth < 3 && this.#next() < 0.3
        ? this.#comment(depth + 1)
        : this.#pick(["//", " ", "fn f", "*", "é", ...BREAKS, "@", "日", "{", "'"]),
    );
    // Blanks: a star or a slash next to the comment's ends would change them.
    return `/* ${inner.join(" ")} */`;
  }

  #apart(): [TokenKind, string] {
    const kind = this.#pick(["blank", "break", "block", "line"] as const);
    if (kind === "blank") return ["blank", this.#pick([" ", "\t", "  \t", "\u200e", "\u200f "])];
    if (kind === "break") return ["break", this.#pick(BREAKS)];
    if (kind === "block") return ["comment", this.#comment(0)];
    return ["comment", `// ${this.#pick(["a", "/* ", "*/", "fn g() {", "", "é日"])}`];
  }

  row(length: number): [TokenKind, string][] {
    const tokens: [TokenKind, string][] = [];
    for (let i = 0; i < length; i++) {
      const kind = this.#pick(["name", "number", "symbol"] as const);
      if (kind === "name") tokens.push([kind, this.#pick(["a", "vec4", "lf_x", "é", "on_message", "_1", "fn", "π"])]);
      else if (kind === "number") tokens.push([kind, this.#pick(["0", "1u", "0x1.8p3f", ".5", "1.", "2e-3h", "9i"])]);
      else
        tokens.push([kind, this.#pick(["->", "&&", "+=", "<", ">", "(", ")", "{", "}", "@", ".", ";", "_", "/", "*"])]);
      // A separator: a blank, a comment, or a break, which must follow a line comment.
      const between = this.#apart();
      if (between[0] === "blank") tokens.push(between);
      else tokens.push(["blank", " "], between);
      if (between[1].startsWith("//")) tokens.push(["break", this.#pick(BREAKS)]);
      const last = tokens.at(-1) as [TokenKind, string];
      // CR and LF are one break, and adjacent blanks are one token.
      if (last[1] === "\r") last[1] = "\r\n";
      if (last[0] === "blank") tokens.push(["symbol", ";"]);
    }
    return tokens;
  }
}

test("random sequences of tokens are found again", () => {
  const rows = new Rows(seed("rows of tokens"));
  for (let round = 0; round < 400; round++) {
    const row = rows.row(60);
    const text = row.map(([, each]) => each).join("");
    const found = tokensOf(text);
    expect(found.map(({ kind, text: each }: Token) => [kind, each])).toEqual(row);
    expect(found.at(-1)?.line).toBe(
      1 +
        row.slice(0, -1).reduce((sum, [, each]) => sum + each.split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/).length - 1, 0),
    );
  }
});

test("random text gives tokens for every character, or a fault with a line", () => {
  const next = random(seed("random text"));
  const parts = [
    "/*",
    "*/",
    "//",
    "\n",
    "\r",
    "\u2028",
    "a",
    "0x",
    "1.",
    ".",
    "e+",
    "_",
    "__",
    "é",
    "$",
    "{",
    "@",
    " ",
    "li",
    "\ud800",
  ];
  let taken = 0;
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: 8 }, () => parts[Math.floor(next() * parts.length)]).join("");
    try {
      expect(
        tokensOf(text)
          .map((token) => token.text)
          .join(""),
      ).toBe(text);
      taken++;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      expect(error.position.line).toBeGreaterThan(0);
    }
  }
  expect(taken).toBeGreaterThan(100);
});
