/**
 * Random bodies of kernels. Valid ones reply what the same seed replies in TypeScript; nearly valid ones are refused
 * with SHADER_INVALID or run, and harm no other kernel. They are tried in processes of their own: a crash or a hang is
 * told with its seed. LAVA_FLOW_FUZZ_BODIES: how many, one of ten valid. LAVA_FLOW_FUZZ_SEED: the first seed.
 * LAVA_FLOW_SEED: that one alone.
 */
import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { count } from "../channel/support.ts";
import { vulkan } from "../gpu/support.ts";

const CHILD = join(import.meta.dir, "child.ts");
const ONE = process.env.LAVA_FLOW_SEED !== undefined;
const BODIES = ONE ? 2 : count("LAVA_FLOW_FUZZ_BODIES", 300);
const FIRST = ONE ? count("LAVA_FLOW_SEED", 0) : count("LAVA_FLOW_FUZZ_SEED", Math.floor(Math.random() * 2 ** 30));
/** Seeds of one process: naga's memory, and that of a software driver, only grow. */
const EACH = 200;
/**
 * Milliseconds without a further seed after which a process hangs: software drivers compile the worst bodies in 10 s.
 */
const HANG_MS = 240_000;

interface Part {
  kind: "valid" | "mutated";
  first: number;
  count: number;
}
interface Report {
  counts: Record<string, number>;
  wrong: string[];
}

function parts(kind: Part["kind"], all: number): Part[] {
  const starts = Array.from({ length: Math.ceil(all / EACH) }, (_, i) => i * EACH);
  return starts.map((start) => ({ kind, first: FIRST + start, count: Math.min(EACH, all - start) }));
}

async function tried({ kind, first, count: seeds }: Part): Promise<Report> {
  const child = Bun.spawn([process.execPath, CHILD, `${first}`, `${seeds}`, kind], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const kill = () => child.kill("SIGKILL");
  let timer = setTimeout(kill, HANG_MS);
  let text = "";
  const decoder = new TextDecoder();
  const said = new Response(child.stderr).text();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    clearTimeout(timer);
    timer = setTimeout(kill, HANG_MS);
  }
  clearTimeout(timer);
  await child.exited;
  const lines = text.trimEnd().split("\n");
  const last = lines.at(-1) ?? "";
  if (last.startsWith("{")) return JSON.parse(last);
  const seed = last || `${first}`;
  const how =
    child.signalCode === "SIGKILL" ? "took too long" : `ended the process (${child.signalCode ?? child.exitCode})`;
  return { counts: {}, wrong: [`${kind} body of seed ${seed} ${how}: ${(await said).slice(-2000)}`] };
}

describe.skipIf(!vulkan)("random bodies", () => {
  test(
    `${BODIES} of them, valid and not`,
    async () => {
      const validCount = Math.ceil(BODIES / 10);
      const work = [...parts("valid", validCount), ...parts("mutated", BODIES - validCount)];
      console.log(`random bodies: LAVA_FLOW_FUZZ_SEED=${FIRST}`);
      const counts: Record<string, number> = {};
      const wrong: string[] = [];
      const entries = work.values();
      const worker = async () => {
        for (const part of entries) {
          const report = await tried(part);
          for (const [name, value] of Object.entries(report.counts)) counts[name] = (counts[name] ?? 0) + value;
          wrong.push(...report.wrong.map((each) => `${part.kind}: ${each}`));
          if (BODIES > 1000) console.log(JSON.stringify(counts), wrong.length);
        }
      };
      await Promise.all(Array.from({ length: availableParallelism() }, worker));
      console.log(JSON.stringify(counts));
      expect(wrong).toEqual([]);
      // Of the valid ones some are too long to be run; of the others some are valid all the same.
      if (!ONE) expect(counts.valid).toBeGreaterThan(validCount / 2);
      if (!ONE) expect(counts.refused).toBeGreaterThan(0);
      if (!ONE) expect(counts.translated).toBeGreaterThan(0);
    },
    120_000 + BODIES * 2000,
  );
});
