/**
 * The exit of a rank. A process that exits without an error waits for the other ranks before MPI_Finalize, because MPI may
 * still hold messages for them. A process that exits by an uncaught error aborts the job, so that no rank hangs.
 *
 * An error that a handler of the user takes is not uncaught. After an uncaught error Bun may run on while the main module
 * awaits something. Then this file ends the process, because the other ranks would wait for it.
 *
 * The end of a Worker does not end the job, so only the main thread subscribes. If only a Worker joined the job, or a runner
 * has no 'exit' event, the shim leaves the job at exit as for status 0.
 */
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

/** Milliseconds without a sign of life after which the exit no longer waits for another rank: at status 0, and at others. */
const SILENCE_MS = 30_000;
const SHORT_SILENCE_MS = 1000;

const encoder = new TextEncoder();

/** `job` returns the joined job; null before. */
export function endWithProcess(job: () => { rank: number; size: number; processor: string } | null): void {
  const shim = native();
  check(shim, shim.lf_job_close_at_exit(SILENCE_MS));
  if (!Bun.isMainThread) return;
  let uncaught: { error: unknown } | null = null;
  process.on("uncaughtExceptionMonitor", (error) => {
    if (process.listenerCount("uncaughtException") > 0) return;
    uncaught = { error };
    setImmediate(() => process.exit(1)); // after Bun has printed the error
  });
  const ignored = process.execArgv.some((flag) => /^--unhandled-rejections=(none|warn)$/.test(flag));
  if (!ignored) {
    process.on("unhandledRejection", (error) => {
      if (process.listenerCount("unhandledRejection") > 1) return;
      uncaught = { error };
      console.error(error); // Bun prints only errors without a listener
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
    // The status is ignored: the process exits anyway.
    shim.lf_job_close(code, code === 0 ? SILENCE_MS : SHORT_SILENCE_MS);
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? String(error) : Bun.inspect(error);
}
