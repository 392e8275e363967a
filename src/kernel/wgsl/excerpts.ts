/** The text that naga is given, with the user's text of each line. Both have the same number of lines. */
import { type Fault, linesOf } from "./lexer.ts";

interface Line {
  /** naga's text of the line. */
  given: string;
  /** The columns at which tokens begin, in `given` and in `own`. */
  readonly columns: [given: number, own: number][];
  /** The insertions into `given`: column and length. */
  readonly inserted: [at: number, length: number][];
  /** The user's text of the line. */
  own: string;
}

const fresh = (): Line => ({ given: "", columns: [], inserted: [], own: "" });

/** A fault in a user's text, in the form of naga's reports. */
export function excerptOf(source: string, { message, position }: Fault): string {
  const { line, column } = position;
  const own = linesOf(source)[line - 1] ?? "";
  const before = shown(own.slice(0, column));
  const margin = " ".repeat(String(line).length);
  return [
    `error: ${message}`,
    `${margin} ┌─ wgsl:${line}:${[...own.slice(0, column)].length + 1}`,
    `${margin} │`,
    `${line} │ ${shown(own)}`,
    `${margin} │ ${" ".repeat(Bun.stringWidth(before))}^`,
  ].join("\n");
}

export class Excerpts {
  readonly #lines: Line[] = [fresh()];

  get lines(): number {
    return this.#lines.length;
  }

  text(): string {
    return this.#lines.map(({ given }) => given).join("\n");
  }

  /** Appends the user's text `own`, and naga's text for it, which has the same width. */
  put(given: string, own: string): void {
    const line = this.#last();
    line.columns.push([line.given.length, line.own.length]);
    line.given += given;
    line.own += own;
  }

  /** Appends text for naga only. */
  insert(given: string): void {
    if (given === "") return;
    const line = this.#last();
    line.columns.push([line.given.length, line.own.length]);
    line.inserted.push([line.given.length, given.length]);
    line.given += given;
  }

  endLine(): void {
    this.#lines.push(fresh());
  }

  /** naga's report with the user's names, text and columns. Its line numbers are the user's already. */
  explain(formatted: string): string {
    let current: Line | undefined;
    let gutter = 0;
    const explained = formatted
      .trimEnd()
      .split("\n")
      .map((row) => {
        const head = /^(\s*┌─ wgsl:)(\d+):(\d+)(.*)$/.exec(row);
        if (head) return `${head[1]}${head[2]}:${this.#column(Number(head[2]), Number(head[3]))}${head[4]}`;
        const excerpt = /^(\s*(\d+) │ )(.*)$/.exec(row);
        if (excerpt) {
          const [, margin = "", number, text = ""] = excerpt;
          const line = this.#lines[Number(number) - 1];
          current = line && text.trimEnd().endsWith(line.given.trimEnd()) ? line : undefined;
          if (!current) return row;
          gutter = text.trimEnd().length - current.given.trimEnd().length;
          return (margin + text.slice(0, gutter) + shown(current.own)).trimEnd();
        }
        const carets = /^(\s*│ )(.*)$/.exec(row);
        return carets && current ? plain(`${carets[1]}${cut(carets[2] ?? "", current, gutter)}`) : plain(row);
      });
    return explained.join("\n");
  }

  #last(): Line {
    return this.#lines.at(-1) as Line;
  }

  /** The user's column for a column of naga's; both count characters from 1. */
  #column(number: number, column: number): number {
    const line = this.#lines[number - 1];
    if (!line) return column;
    const given = [...line.given].slice(0, column - 1).join("").length;
    const [at, own] = line.columns.findLast(([start]) => start <= given) ?? [0, 0];
    const isInserted = line.inserted.some(([start]) => start === at);
    return [...line.own.slice(0, own + (isInserted ? 0 : given - at))].length + 1;
  }
}

/** The user's line, with the width of naga's line. */
const shown = (own: string) => own.replaceAll("\t", "  ").replace(/[\u200e\u200f]/g, " ");

/** The text without the prefixes of names. */
const plain = (text: string) => text.replace(/\blf_[ubs]_/g, "");

/** A row of carets, without the columns of the insertions in the line above. The text behind the carets stays whole. */
function cut(row: string, { given, inserted }: Line, gutter: number): string {
  const before = /^[\s^\-│╭╰─']*/.exec(row)?.[0] ?? "";
  // A label follows ^^^ after a blank; in a row without carets, the label stands below its caret.
  const carets = /[\^-]/.test(before) ? before.trimEnd().length : before.length;
  const parts: string[] = [];
  let kept = 0;
  let column = gutter;
  let measured = 0;
  for (const [at, length] of inserted) {
    column += Bun.stringWidth(given.slice(measured, at));
    measured = at;
    if (column >= carets) break;
    parts.push(row.slice(kept, column));
    kept = Math.min(column + length, carets);
  }
  return parts.join("") + row.slice(kept);
}
