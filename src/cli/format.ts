/** Numbers and failures as people read them, and text that fits a terminal of 80 columns. */
import { LavaFlowError } from "../index.ts";

const WIDTH = 80;
const LABEL = 12;

/** Data that moves, in powers of 1000: 1500000 → "1.50 MB". */
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

/** Three digits are what a measurement is worth. */
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

/** A label, and beside it text of any length: each string starts on a line of its own. */
export function row(label: string, ...texts: string[]): string {
  const lines = texts.flatMap((text) => wrap(text, WIDTH - LABEL));
  if (label.length >= LABEL) lines.unshift("");
  return lines.map((line, i) => ((i === 0 ? label : "").padEnd(LABEL) + line).trimEnd()).join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line ? `${line} ${word}` : word;
    }
  }
  return [...lines, line];
}

/** What went wrong, and what to do about it: a line each, and a stack only for those who ask (LAVA_FLOW_DEBUG=1). */
export function failure(error: unknown): string {
  if (process.env.LAVA_FLOW_DEBUG === "1" && error instanceof Error)
    return `lava-flow: ${error.stack ?? error.message}`;
  if (!(error instanceof LavaFlowError)) {
    return `lava-flow: unexpected: ${clean(String(error))}\nSet LAVA_FLOW_DEBUG=1 to see where it comes from.`;
  }
  const { message, remedy } = error;
  if (!remedy) return `lava-flow: ${clean(message)}`;
  return `lava-flow: ${clean(message.slice(0, -remedy.length).replace(/[. ]+$/, ""))}\n${clean(remedy)}.`;
}

/** One line, and nothing that a terminal would act on. */
function clean(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").trim();
}
