/** The tokens of WGSL (section 3 of its specification). Every character of a text belongs to one token. */
import { RESERVED } from "./words.ts";

export type TokenKind = "name" | "number" | "symbol" | "blank" | "break" | "comment";

export interface Position {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 0, in UTF-16 code units. */
  readonly column: number;
}

export interface Token extends Position {
  readonly kind: TokenKind;
  readonly text: string;
}

/** An error in a text, with its position. */
export class Fault extends Error {
  readonly position: Position;
  readonly remedy: string | undefined;

  /** `text` is the faulty text, which the message quotes. */
  constructor(position: Position, what: string, text?: string, remedy?: string) {
    super(`${what} in line ${position.line}${text === undefined ? "" : `: ${text}`}`);
    this.position = position;
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
// < and > are always single tokens: nothing here depends on which of them belong to a template.
const SYMBOL = "->|&&|\\|\\||\\+\\+|--|[-+*/%&|^=!]=|[-+*/%&|^=!~<>()\\[\\]{}.,:;@]|_";

const sticky = (pattern: string) => new RegExp(pattern, "uy");
/** Patterns in the order in which they are tried. "block": the beginning of a block comment. */
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

/** The lines of a text. */
export const linesOf = (text: string): string[] => text.split(BREAKS);

/** Throws Fault where no token begins with a character of the text. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineAt = 0;
  for (let at = 0; at < text.length; ) {
    const position = { line, column: at - lineAt };
    const [found, next] = kindAt(text, at, position);
    const kind = found === "block" ? "comment" : found;
    const end = found === "block" ? endOfBlock(text, at, position) : next;
    if (kind === "name") checkName(text.slice(at, end), position);
    else if (kind === "number") checkNumber(text, at, end, position);
    const token = { kind, text: text.slice(at, end), ...position };
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

function kindAt(text: string, at: number, position: Position): [kind: TokenKind | "block", end: number] {
  for (const [kind, pattern] of KINDS) {
    pattern.lastIndex = at;
    if (pattern.test(text)) return [kind, pattern.lastIndex];
  }
  throw new Fault(position, "a character that WGSL does not have", shown(text.codePointAt(at) as number));
}

function shown(point: number): string {
  const hex = point.toString(16).toUpperCase().padStart(4, "0");
  return point > 0x20 && point < 0x7f ? String.fromCharCode(point) : `U+${hex}`;
}

function checkName(name: string, position: Position): void {
  if (name.startsWith("__"))
    throw new Fault(position, "a name that begins with two underscores", name, "Choose another name");
  if (RESERVED.has(name)) throw new Fault(position, "a word that WGSL reserves", name, "Choose another name");
}

/** Throws Fault where a letter or a digit follows a number: `7li` and `012` are no numbers. */
function checkNumber(text: string, at: number, end: number, position: Position): void {
  CONTINUES.lastIndex = end;
  if (!CONTINUES.test(text)) return;
  const rest = /[\p{XID_Continue}.]*/uy;
  rest.lastIndex = at;
  throw new Fault(position, "a number that WGSL does not have", rest.exec(text)?.[0]);
}

function endOfBlock(text: string, at: number, position: Position): number {
  let depth = 0;
  WITHIN_COMMENT.lastIndex = at;
  for (let found = WITHIN_COMMENT.exec(text); found; found = WITHIN_COMMENT.exec(text)) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return WITHIN_COMMENT.lastIndex;
  }
  throw new Fault(position, "a comment without an end", "/*", "Block comments may be nested: each /* needs its */");
}
