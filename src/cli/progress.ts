/** How far something is, on stderr: a bar on a terminal, a line at each quarter elsewhere. */
import { isatty } from "node:tty";

const BAR = 30;
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
    const full = Math.round(share * BAR);
    const bar = "█".repeat(full) + "░".repeat(BAR - full);
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    process.stderr.write(`${CLEAR_LINE}${this.#label.padEnd(10)}${bar} ${percent}  ${this.#describe(done)}`);
  }

  /** Takes the bar away: what follows is the result. */
  end(): void {
    if (this.#terminal) process.stderr.write(CLEAR_LINE);
  }
}
