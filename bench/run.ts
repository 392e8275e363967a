/**
 * bun run bench [filter] [--json FILE]
 *
 * Measures the rows whose names contain the filter, prints them, and writes them as JSON:
 * [{ name, unit, p50, p99, baseline, baselineName, ratio }]. docs/performance.md says how each row is measured.
 */
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { alloc } from "./alloc.ts";
import { ffi } from "./ffi.ts";
import { gpu } from "./gpu.ts";
import { halo } from "./halo.ts";
import { kernel } from "./kernel.ts";
import { kernelGpu } from "./kernel-gpu.ts";
import { loop } from "./loop.ts";
import { type Bench, cpuCount, placement, type Row } from "./measure.ts";
import { mpi } from "./mpi.ts";
import { mpiGpu } from "./mpi-gpu.ts";
import { peers } from "./peers.ts";
import { shm } from "./shm.ts";
import { startup } from "./startup.ts";
import { heading, line } from "./table.ts";

const BENCHES: readonly Bench[] = [
  ...shm,
  ...loop,
  ...gpu,
  ...mpi,
  ...mpiGpu,
  ...kernel,
  ...halo,
  ...kernelGpu,
  ...peers,
  ...ffi,
  ...alloc,
  ...startup,
];

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
const filter = positionals.join(" ");
const wanted = (name: string) => name.includes(filter);
const chosen = BENCHES.filter((bench) => bench.names.some(wanted));
if (chosen.length === 0) {
  console.error(`no row contains "${filter}"; there are:\n  ${BENCHES.flatMap((bench) => bench.names).join("\n  ")}`);
  process.exit(2);
}

console.log(
  `Bun ${Bun.version}, ${process.platform} ${release()}, ${cpus()[0]?.model ?? "unknown processor"}; ${placement()}`,
);
console.log(heading());
const rows: Row[] = [];
const failures: string[] = [];
/** The rows that can't run here: one line for each reason. */
const leftOut = Map.groupBy(chosen, ({ needsTwoCpus, leftOut }) =>
  needsTwoCpus && cpuCount < 2 ? "as both ends spin and there is one processor" : (leftOut?.() ?? ""),
);
for (const [reason, benches] of leftOut) {
  if (reason) console.log(`left out, ${reason}: ${benches.flatMap(({ names }) => names).join(", ")}`);
}
for (const bench of leftOut.get("") ?? []) {
  try {
    for (const row of await bench.measure()) {
      if (!wanted(row.name)) continue;
      rows.push(row);
      console.log(line(row));
    }
  } catch (error) {
    failures.push(bench.names.join(", "));
    console.log(`${bench.names.join(", ")}: failed\n${error instanceof Error ? error.message : error}`);
  }
}

const missed = rows.filter((row) => row.bar?.met === false).map((row) => row.name);
const judged = rows.filter((row) => row.bar).length;
console.log(
  `\n${rows.length} rows; ${judged - missed.length} of ${judged} bars met${missed.length ? `; missed: ${missed.join(", ")}` : ""}`,
);
if (values.json) {
  const written = rows.map(({ name, unit, p50, p99, baseline, baselineName, ratio }) => ({
    name,
    unit,
    p50,
    p99,
    baseline,
    baselineName,
    ratio,
  }));
  await Bun.write(values.json, `${JSON.stringify(written, null, 2)}\n`);
}
if (failures.length > 0) {
  console.error(`failed: ${failures.join("; ")}`);
  process.exit(1);
}
