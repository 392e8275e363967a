/** Formats numbers, failures and tables for the width of the terminal. */
import { LavaFlowError } from "../index.ts";

/** Columns of output to a pipe or file, or to a terminal of unknown width. */
const WIDTH = 80;
/** Most columns of a line: longer lines are hard to read. */
const WIDTH_MAX = 120;
/** Columns of a row's label. */
const LABEL = 12;

/** Columns of standard output. */
export function outputWidth(): number {
  return Math.min(WIDTH_MAX, process.stdout.columns || WIDTH);
}

/** Data in transfer, in powers of 1000: 1500000 → "1.50 MB". */
export function decimalBytes(bytes: number): string {
  return scaled(bytes, 1000, ["bytes", "kB", "MB", "GB", "TB", "PB"]);
}

/** Memory, in powers of 1024: 2097152 → "2 MiB". */
export function binaryBytes(bytes: number): string {
  return scaled(bytes, 1024, ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

function scaled(value: number, step: number, units: string[]): string {
  let at = 0;
  let left = value;
  for (; left >= step && at < units.length - 1; at++) left /= step;
  return `${threeDigits(left)} ${units[at]}`;
}

/** Rounds to three digits, the precision of the measurements. */
export function threeDigits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

export function duration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds.toFixed(0)} ns`;
  if (nanoseconds < 1e6) return `${threeDigits(nanoseconds / 1e3)} µs`;
  return nanoseconds < 1e9 ? `${threeDigits(nanoseconds / 1e6)} ms` : `${threeDigits(nanoseconds / 1e9)} s`;
}

/** A label with texts at its right. Each text starts on a line of its own, and wraps between words. */
export function row(label: string, ...texts: string[]): string {
  const width = outputWidth() - LABEL;
  const lines = texts.flatMap((text) => Bun.wrapAnsi(text, width).split("\n"));
  if (Bun.stringWidth(label) >= LABEL) lines.unshift("");
  return lines.map((line, i) => (padded(i === 0 ? label : "", LABEL) + line).trimEnd()).join("\n");
}

/** Columns as wide as their widest cell, numbers right-aligned. If the table is too wide, each row becomes a block. */
export function table(heading: string[], rows: string[][]): string {
  const widths = heading.map((_, column) =>
    Math.max(...[heading, ...rows].map((cells) => Bun.stringWidth(cells[column]!))),
  );
  const numeric = heading.map((_, column) => rows.every((cells) => /^\d*$/.test(cells[column]!)));
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => padded(cell, widths[column]!, numeric[column]))
      .join("  ")
      .trimEnd();
  if (widths.reduce((sum, width) => sum + width + 2, -2) <= outputWidth())
    return [heading, ...rows].map(line).join("\n");
  return rows.map((cells) => cells.map((cell, column) => row(heading[column]!, cell)).join("\n")).join("\n\n");
}

function padded(text: string, width: number, atRight = false): string {
  const spaces = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return atRight ? spaces + text : text + spaces;
}

/** The message and the remedy of an error, a line each. With LAVA_FLOW_DEBUG=1 the stack instead. */
export function failure(error: unknown): string {
  if (process.env.LAVA_FLOW_DEBUG === "1" && error instanceof Error)
    return `lava-flow: ${error.stack ?? error.message}`;
  if (!(error instanceof LavaFlowError)) {
    return `lava-flow: unexpected: ${clean(String(error))}\nSet LAVA_FLOW_DEBUG=1 to see the stack.`;
  }
  const { message, remedy } = error;
  if (!remedy) return `lava-flow: ${clean(message)}`;
  return `lava-flow: ${clean(message.slice(0, -remedy.length).replace(/[. ]+$/, ""))}\n${clean(remedy)}.`;
}

/** `text` as one line without control characters. */
function clean(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").trim();
}
