/** Runs one step of the check, prints one line, and counts its results. */

export interface Result {
  passed: number;
  failed: number;
  skipped: number;
  /** A line for each skip, with its reason. */
  notes?: string[];
  /** Printed after a failure. */
  output?: string;
}

export const passed = (notes: string[] = []): Result => ({ passed: 1, failed: 0, skipped: 0, notes });
export const failed = (output: string): Result => ({ passed: 0, failed: 1, skipped: 0, output });
export const skipped = (reason: string): Result => ({ passed: 0, failed: 0, skipped: 1, notes: [reason] });

const total = { passed: 0, failed: 0, skipped: 0 };

export async function step(name: string, work: () => Promise<Result>): Promise<Result> {
  const start = performance.now();
  const result = await work().catch((error: unknown) => failed(`${error instanceof Error ? error.stack : error}`));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  total.passed += result.passed;
  total.failed += result.failed;
  total.skipped += result.skipped;
  const word = result.failed > 0 ? "FAIL" : result.passed > 0 ? "ok" : "skip";
  const counts = [`${result.passed} passed`];
  if (result.failed > 0) counts.push(`${result.failed} failed`);
  if (result.skipped > 0) counts.push(`${result.skipped} skipped`);
  console.log(`${word.padEnd(5)}${name.padEnd(34)}${counts.join(", ").padEnd(36)}${seconds.padStart(6)} s`);
  for (const [note, times] of counted(result.notes))
    console.log(`       ${note}${times > 1 ? ` (${times} times)` : ""}`);
  if (result.failed > 0 && result.output) console.log(`${result.output.trimEnd()}\n`);
  return result;
}

/** Each note once, with its number: many tests skip for one reason. */
function counted(notes: string[] = []): Map<string, number> {
  const counts = new Map<string, number>();
  for (const note of notes) counts.set(note, (counts.get(note) ?? 0) + 1);
  return counts;
}

/** Prints the last line; returns the exit status. */
export function finish(): number {
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 ? 1 : 0;
}
