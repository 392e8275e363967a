/** The start-up cost of `import "lava-flow"` in a program that does not use it yet. */
import { atMost, type Bench, figureOf, pinned, row, run } from "./measure.ts";

const RUNS = 20;
const LIMIT_MS = 15;
const bun = process.execPath;

/** Whether the shim is mapped into the process after the import, and after the first use. */
const PROBE = `
  import { MemoryAllocator } from "lava-flow";
  import { readFileSync } from "node:fs";
  const mapped = () => readFileSync("/proc/self/maps", "utf8").includes("lavaflow");
  const imported = mapped();
  new MemoryAllocator().allocate(4096).close();
  console.log(JSON.stringify([imported, mapped()]));
`;

async function timed(source: string): Promise<number> {
  const start = Bun.nanoseconds();
  await run(pinned(0, [bun, "-e", source]));
  return (Bun.nanoseconds() - start) / 1e6;
}

async function checkLazy(): Promise<string> {
  if (process.platform !== "linux") return "";
  const [out] = await run([bun, "-e", PROBE]);
  const [imported, used] = JSON.parse(out!) as [boolean, boolean];
  if (imported) throw new Error("importing lava-flow loads the shim, which is to wait for its first use");
  if (!used) throw new Error("the shim is not in /proc/self/maps after its first use: this check sees nothing");
  return "the shim is not mapped before its first use";
}

export const startup: Bench[] = [
  {
    names: ["import lava-flow"],
    async measure() {
      const note = await checkLazy();
      const empty: number[] = [];
      const importing: number[] = [];
      for (let i = 0; i < RUNS + 2; i++) {
        const pair = [await timed("export {}"), await timed('import "lava-flow"')] as const;
        if (i < 2) continue; // the files come from the disk
        empty.push(pair[0]);
        importing.push(pair[1]);
      }
      const [figure, base] = [figureOf(importing), figureOf(empty)];
      const bar = atMost(figure.p50 - base.p50, LIMIT_MS, `${LIMIT_MS} ms more`);
      return [row("import lava-flow", "ms", figure, { name: "an empty script", figure: base }, { bar, note })];
    },
  },
];
