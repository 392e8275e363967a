/**
 * The end of a rank. A process that ends well waits for the others before it leaves MPI, as they may still need what it
 * sent; one that ends by an error takes the job with it instead of leaving it hanging.
 *
 * An error that a handler of the user's own takes is none. Bun prints one that nobody takes, and may then go on for as
 * long as the main module awaits something: here the process ends, as the others would wait for it.
 *
 * A Worker that ends does not end the job, so only the main thread listens. Where that never comes to the job (a Worker
 * did, or a runner has no 'exit' event), the shim leaves the job when the process exits, as for a status of 0.
 */
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

/** So long the others may be silent until they are not waited for: by a rank that ends well, and by one that does not. */
const SILENCE_MS = 30_000;
const SHORT_SILENCE_MS = 1000;

const encoder = new TextEncoder();

/** `job` is what is known of it by then. */
export function endWithProcess(job: () => { rank: number; size: number; processor: string } | null): void {
  const shim = native();
  check(shim, shim.lf_job_close_at_exit(SILENCE_MS));
  if (!Bun.isMainThread) return;
  let uncaught: { error: unknown } | null = null;
  process.on("uncaughtExceptionMonitor", (error) => {
    if (process.listenerCount("uncaughtException") > 0) return;
    uncaught = { error };
    setImmediate(() => process.exit(1)); // once Bun has printed it
  });
  const ignored = process.execArgv.some((flag) => /^--unhandled-rejections=(none|warn)$/.test(flag));
  if (!ignored) {
    process.on("unhandledRejection", (error) => {
      if (process.listenerCount("unhandledRejection") > 1) return;
      uncaught = { error };
      console.error(error); // Bun prints only what has no listener
      process.exit(1);
    });
  }
  process.on("exit", (code) => {
    if (uncaught) {
      const { rank, size, processor } = job() ?? {};
      const who = rank === undefined ? "a rank" : `rank ${rank} of ${size} on ${processor}`;
      const what = describe(uncaught.error);
      const words = encoder.encode(`lava-flow: ${who} (pid ${process.pid}) ended by an uncaught error: ${what}\n`);
      shim.lf_job_abort(code || 1, words, words.length);
    }
    // What it fails of is of no use to a process that ends.
    shim.lf_job_close(code, code === 0 ? SILENCE_MS : SHORT_SILENCE_MS);
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? String(error) : Bun.inspect(error);
}
