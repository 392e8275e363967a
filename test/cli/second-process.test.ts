import { describe, expect, test } from "bun:test";
import { SecondProcess } from "../../src/cli/second-process.ts";
import { LavaFlowError } from "../../src/index.ts";
import { PATIENT } from "./cli.ts";

function script(text: string): SecondProcess {
  return new SecondProcess([process.execPath, "-e", text]);
}

/** Work that goes on until the process ends. */
function untilAborted(ended: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    ended.addEventListener("abort", () => reject(new LavaFlowError("ABORTED", "the work")));
  });
}

describe("the second process", () => {
  test(
    "a failed process becomes PEER_DIED with its standard error",
    async () => {
      await using peer = script('console.error("lava-flow: SYSTEM: no luck"); process.exit(3)');
      const failure = peer.blame(untilAborted);
      await expect(failure).rejects.toThrow(
        "PEER_DIED: the second process ended with exit code 3; it said: SYSTEM: no luck",
      );
    },
    PATIENT,
  );

  test(
    "a killed process becomes PEER_DIED with the signal",
    async () => {
      await using peer = script("process.kill(process.pid, 'SIGKILL')");
      await expect(peer.blame(untilAborted)).rejects.toThrow("the second process was ended by SIGKILL");
    },
    PATIENT,
  );

  test(
    "a failure of the work itself is thrown unchanged",
    async () => {
      await using peer = script("setInterval(() => {}, 1000)");
      const work = () => Promise.reject(new LavaFlowError("TIMEOUT", "the work"));
      await expect(peer.blame(work)).rejects.toThrow("TIMEOUT: the work");
    },
    PATIENT,
  );

  test(
    "finish rejects unless the exit code is 0",
    async () => {
      await using good = script("");
      await good.finish();
      await using bad = script("process.exit(1)");
      await expect(bad.finish()).rejects.toThrow("ended with exit code 1");
    },
    PATIENT,
  );

  test(
    "a process that ignores SIGTERM is killed",
    async () => {
      const deaf = script("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.error('ready')");
      await deaf[Symbol.asyncDispose]();
      await expect(deaf.finish()).rejects.toThrow("the second process was ended by SIG");
    },
    PATIENT,
  );
});
