/** The text that naga is given, line by line, beside the text that the user wrote. */
import { type Fault, linesOf } from "./lexer.ts";

interface Line {
  /** What naga is given for it. */
  given: string;
  /** Where tokens begin: in `given`, and in the user's line. */
  readonly places: [given: number, own: number][];
  /** What was inserted: where in `given`, and how much. */
  readonly inserted: [at: number, length: number][];
  own: string;
}

const fresh = (): Line => ({ given: "", places: [], inserted: [], own: "" });

/** What is wrong in a user's text, as naga shows it. */
export function excerptOf(source: string, { message, place }: Fault): string {
  const { line, column } = place;
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

  /** What the user wrote, and what naga is given for it, which is as wide. */
  put(given: string, own: string): void {
    const line = this.#last();
    line.places.push([line.given.length, line.own.length]);
    line.given += given;
    line.own += own;
  }

  /** What only naga is given. */
  insert(given: string): void {
    if (given === "") return;
    const line = this.#last();
    line.places.push([line.given.length, line.own.length]);
    line.inserted.push([line.given.length, given.length]);
    line.given += given;
  }

  endLine(): void {
    this.#lines.push(fresh());
  }

  /** naga's report with the user's names, lines and columns. */
  explain(formatted: string): string {
    let current: Line | undefined;
    let gutter = 0;
    const explained = formatted
      .trimEnd()
      .split("\n")
      .map((row) => {
        const place = /^(\s*┌─ wgsl:)(\d+):(\d+)(.*)$/.exec(row);
        if (place) return `${place[1]}${place[2]}:${this.#column(Number(place[2]), Number(place[3]))}${place[4]}`;
        const excerpt = /^(\s*(\d+) │ )(.*)$/.exec(row);
        if (excerpt) {
          const [, head = "", number, text = ""] = excerpt;
          const line = this.#lines[Number(number) - 1];
          current = line && text.trimEnd().endsWith(line.given.trimEnd()) ? line : undefined;
          if (!current) return row;
          gutter = text.trimEnd().length - current.given.trimEnd().length;
          return (head + text.slice(0, gutter) + shown(current.own)).trimEnd();
        }
        const marks = /^(\s*│ )(.*)$/.exec(row);
        return marks && current ? plain(`${marks[1]}${cut(marks[2] ?? "", current, gutter)}`) : plain(row);
      });
    return explained.join("\n");
  }

  #last(): Line {
    return this.#lines.at(-1) as Line;
  }

  /** The user's column, in characters from 1, of naga's. */
  #column(number: number, column: number): number {
    const line = this.#lines[number - 1];
    if (!line) return column;
    const given = [...line.given].slice(0, column - 1).join("").length;
    const [at, own] = line.places.findLast(([start]) => start <= given) ?? [0, 0];
    const isInserted = line.inserted.some(([start]) => start === at);
    return [...line.own.slice(0, own + (isInserted ? 0 : given - at))].length + 1;
  }
}

/** The user's line, as wide as what naga is given for it. */
const shown = (own: string) => own.replaceAll("\t", "  ").replace(/[\u200e\u200f]/g, " ");

/** Without the prefixes of names. */
const plain = (text: string) => text.replace(/\blf_[ubs]_/g, "");

/** A row of marks without the columns of what was inserted above. What stands behind the marks is text. */
function cut(row: string, { given, inserted }: Line, gutter: number): string {
  const before = /^[\s^\-│╭╰─']*/.exec(row)?.[0] ?? "";
  // Behind ^^^ a label follows after a blank; where there is none of them, the label hangs below its mark.
  const marks = /[\^-]/.test(before) ? before.trimEnd().length : before.length;
  const pieces: string[] = [];
  let kept = 0;
  let column = gutter;
  let measured = 0;
  for (const [at, length] of inserted) {
    column += Bun.stringWidth(given.slice(measured, at));
    measured = at;
    if (column >= marks) break;
    pieces.push(row.slice(kept, column));
    kept = Math.min(column + length, marks);
  }
  return pieces.join("") + row.slice(kept);
}
