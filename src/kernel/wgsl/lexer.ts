/** The tokens of WGSL, after its specification (section 3): every character of a text belongs to one of them. */
import { RESERVED } from "./words.ts";

export type TokenKind = "name" | "number" | "symbol" | "blank" | "break" | "comment";

export interface Place {
  /** From 1. */
  readonly line: number;
  /** From 0, in units of UTF-16. */
  readonly column: number;
}

export interface Token extends Place {
  readonly kind: TokenKind;
  readonly text: string;
}

/** What is wrong with a text, and where. */
export class Fault extends Error {
  readonly place: Place;
  readonly remedy: string | undefined;

  /** `what`, and the text that it is said of. */
  constructor(place: Place, what: string, text?: string, remedy?: string) {
    super(`${what} in line ${place.line}${text === undefined ? "" : `: ${text}`}`);
    this.place = place;
    this.remedy = remedy;
  }
}

const BREAK = "\\r\\n|[\\n\\v\\f\\r\\u0085\\u2028\\u2029]";
const BLANK = "[ \\t\\u200e\\u200f]+";
const LINE_COMMENT = "//[^\\n\\v\\f\\r\\u0085\\u2028\\u2029]*";
const HEX = "0[xX]";
const POWER = "[pP][+-]?[0-9]+[fh]?";
const EXPONENT = "[eE][+-]?[0-9]+";
const NUMBERS = [
  `${HEX}(?:[0-9a-fA-F]*\\.[0-9a-fA-F]+|[0-9a-fA-F]+\\.[0-9a-fA-F]*)(?:${POWER})?`,
  `${HEX}[0-9a-fA-F]+${POWER}`,
  `${HEX}[0-9a-fA-F]+[iu]?`,
  `(?:[0-9]*\\.[0-9]+|[0-9]+\\.[0-9]*)(?:${EXPONENT})?[fh]?`,
  `[0-9]+${EXPONENT}[fh]?`,
  "(?:0|[1-9][0-9]*)[iufh]?",
];
// Pairs of < and > are left apart: which of them belong to a template makes no difference here.
const SYMBOL = "->|&&|\\|\\||\\+\\+|--|[-+*/%&|^=!]=|[-+*/%&|^=!~<>()\\[\\]{}.,:;@]|_";

const sticky = (pattern: string) => new RegExp(pattern, "uy");
/** In the order in which they are tried. A block comment is found by its beginning. */
const KINDS: readonly [TokenKind | "block", RegExp][] = [
  ["name", sticky("(?!_(?!\\p{XID_Continue}))[\\p{XID_Start}_]\\p{XID_Continue}*")],
  ["blank", sticky(BLANK)],
  ["number", sticky(NUMBERS.join("|"))],
  ["comment", sticky(LINE_COMMENT)],
  ["block", sticky("/\\*")],
  ["symbol", sticky(SYMBOL)],
  ["break", sticky(BREAK)],
];
const WITHIN_COMMENT = /\/\*|\*\//g;
const CONTINUES = /[\p{XID_Continue}]/uy;
const BREAKS = new RegExp(BREAK, "g");

/** Where lines end within a comment. */
export const linesOf = (text: string): string[] => text.split(BREAKS);

/** Fault where the text has what no token begins with. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineAt = 0;
  for (let at = 0; at < text.length; ) {
    const place = { line, column: at - lineAt };
    const [found, next] = kindAt(text, at, place);
    const kind = found === "block" ? "comment" : found;
    const end = found === "block" ? endOfBlock(text, at, place) : next;
    if (kind === "name") checkName(text.slice(at, end), place);
    else if (kind === "number") checkNumber(text, at, end, place);
    const token = { kind, text: text.slice(at, end), ...place };
    tokens.push(token);
    if (kind === "break" || found === "block") {
      const lines = linesOf(token.text);
      line += lines.length - 1;
      if (lines.length > 1) lineAt = end - (lines.at(-1) as string).length;
    }
    at = end;
  }
  return tokens;
}

function kindAt(text: string, at: number, place: Place): [kind: TokenKind | "block", end: number] {
  for (const [kind, pattern] of KINDS) {
    pattern.lastIndex = at;
    if (pattern.test(text)) return [kind, pattern.lastIndex];
  }
  throw new Fault(place, "a character that WGSL does not have", shown(text.codePointAt(at) as number));
}

function shown(point: number): string {
  const hex = point.toString(16).toUpperCase().padStart(4, "0");
  return point > 0x20 && point < 0x7f ? String.fromCharCode(point) : `U+${hex}`;
}

function checkName(name: string, place: Place): void {
  if (name.startsWith("__"))
    throw new Fault(place, "a name that begins with two underscores", name, "Choose another name");
  if (RESERVED.has(name)) throw new Fault(place, "a word that WGSL reserves", name, "Choose another name");
}

/** A number ends where no letter or digit follows: `7li` and `012` are none. */
function checkNumber(text: string, at: number, end: number, place: Place): void {
  CONTINUES.lastIndex = end;
  if (!CONTINUES.test(text)) return;
  const rest = /[\p{XID_Continue}.]*/uy;
  rest.lastIndex = at;
  throw new Fault(place, "a number that WGSL does not have", rest.exec(text)?.[0]);
}

function endOfBlock(text: string, at: number, place: Place): number {
  let depth = 0;
  WITHIN_COMMENT.lastIndex = at;
  for (let found = WITHIN_COMMENT.exec(text); found; found = WITHIN_COMMENT.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return WITHIN_COMMENT.lastIndex;
  }
  throw new Fault(place, "a comment without an end", "/*", "Block comments may be nested: each /* needs its */");
}
