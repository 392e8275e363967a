/** Rows as lines of text. */
import type { Row } from "./measure.ts";

const WIDTHS = { name: 36, unit: 12, p50: 9, p99: 9, baseline: 9, ratio: 7, bar: 24 };

/** Three significant digits, without an exponent. */
function number(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function columns(cells: Record<keyof typeof WIDTHS, string>, rest: string): string {
  const { name, unit, p50, p99, baseline, ratio, bar } = WIDTHS;
  return [
    cells.name.padEnd(name),
    cells.unit.padEnd(unit),
    cells.p50.padStart(p50),
    cells.p99.padStart(p99),
    cells.baseline.padStart(baseline),
    cells.ratio.padStart(ratio),
    ` ${cells.bar.padEnd(bar)}`,
    rest,
  ]
    .join(" ")
    .trimEnd();
}

export function heading(): string {
  const names = {
    name: "bench",
    unit: "unit",
    p50: "p50",
    p99: "p99",
    baseline: "baseline",
    ratio: "ratio",
    bar: "bar",
  };
  return columns(names, "baseline is");
}

export function line(row: Row): string {
  const cells = {
    name: row.name,
    unit: row.unit,
    p50: number(row.p50),
    p99: number(row.p99),
    baseline: number(row.baseline),
    ratio: number(row.ratio),
    bar: row.bar ? `${row.bar.text}: ${row.bar.met ? "met" : "MISSED"}` : "",
  };
  return columns(cells, [row.baselineName, row.note].filter(Boolean).join("; "));
}
