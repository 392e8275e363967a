/** Progress on stderr: a bar on a terminal, else a line per quarter. */
import { isatty } from "node:tty";

/** Length of the bar, columns. */
const BAR = 30;
/** Shortest useful bar, columns. */
const BAR_MIN = 5;
/** Columns of a terminal of unknown width. */
const WIDTH = 80;
/** Least time between two redraws, nanoseconds. */
const REDRAW_NS = 50e6;
const CLEAR_LINE = "\r\u001b[K";

export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #describe: (done: number) => string;
  readonly #terminal = isatty(2);
  #drawn = 0;
  #quarter = 0;

  constructor(label: string, total: number, describe: (done: number) => string) {
    this.#label = label;
    this.#total = total;
    this.#describe = describe;
  }

  update(done: number): void {
    const share = this.#total > 0 ? Math.min(1, done / this.#total) : 1;
    if (!this.#terminal) {
      const quarter = Math.floor(share * 4);
      if (quarter === this.#quarter) return;
      this.#quarter = quarter;
      process.stderr.write(`${this.#label}: ${quarter * 25} %, ${this.#describe(done)}\n`);
      return;
    }
    const now = Bun.nanoseconds();
    if (now - this.#drawn < REDRAW_NS && done < this.#total) return;
    this.#drawn = now;
    const line = progressLine(this.#label, share, this.#describe(done), process.stderr.columns || WIDTH);
    process.stderr.write(`${CLEAR_LINE}${line}`);
  }

  /** Clears the bar. The result is printed next. */
  end(): void {
    if (this.#terminal) process.stderr.write(CLEAR_LINE);
  }
}

/**
 * A line that leaves the last column free: some terminals wrap after that column, and CLEAR_LINE does not clear the next
 * line. On a narrow terminal the bar gets shorter, then the text is left out, then the bar.
 */
export function progressLine(label: string, share: number, text: string, columns: number): string {
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const width = columns - 1;
  for (const tail of [` ${percent}  ${text}`, ` ${percent}`]) {
    const bar = Math.min(BAR, width - Bun.stringWidth(label.padEnd(10) + tail));
    if (bar < BAR_MIN) continue;
    const full = Math.round(share * bar);
    return `${label.padEnd(10)}${"█".repeat(full)}${"░".repeat(bar - full)}${tail}`;
  }
  return `${label} ${percent.trim()}`.slice(0, Math.max(0, width));
}
