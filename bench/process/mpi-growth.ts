/**
 * What a rank's own channels cost it: two producers to the next rank and two consumers of the one before, in a ring of
 * SIZE ranks, each of which counts as a host. Each rank writes one line: time and processor time to open them, memory that
 * came with them, and processor time while all consumers await and nothing is sent.
 *
 *     mpi-growth.ts NAME SIZE SECONDS
 */
import { mkdirSync, readFileSync } from "node:fs";
import { Channel } from "../../src/index.ts";

const [name = "", ranks, seconds] = Bun.argv.slice(2);
const size = Number(ranks);
const lasts = Number(seconds) * 1000;
const env = process.env;
const rank = Number(env.OMPI_COMM_WORLD_RANK ?? env.PMI_RANK);
const LIMIT = { timeoutMs: 30_000 };

// Ranks of one host would meet without MPI.
env.LAVA_FLOW_HOST_ID = `${name}-${rank}`;
env.LAVA_FLOW_RUNTIME_DIR = `${env.LAVA_FLOW_RUNTIME_DIR}/${rank}`;
mkdirSync(env.LAVA_FLOW_RUNTIME_DIR, { recursive: true, mode: 0o700 });

function open<Role extends "producer" | "consumer">(from: number, which: string, role: Role) {
  return Channel.open<Role>(`${name}-${from}-${which}`, { role, transport: "mpi", ...LIMIT });
}

/** Channels to the next rank, and from the one before. */
function openRing(...which: string[]) {
  const before = (rank + size - 1) % size;
  return Promise.all(
    which.map(async (each) => {
      const [to, from] = await Promise.all([open(rank, each, "producer"), open(before, each, "consumer")]);
      return { to, from };
    }),
  );
}

function residentBytes(): number {
  Bun.gc(true);
  const kilobytes = /^Rss:\s+(\d+) kB/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Everybody has come this far: a token goes round, twice. */
async function everybody([neighbours]: Awaited<ReturnType<typeof openRing>>): Promise<void> {
  const { to, from } = neighbours!;
  const token = new Uint8Array(new ArrayBuffer(1));
  for (let round = 0; round < 2; round++) {
    if (rank === 0) await to.send(token);
    (await from.recv(LIMIT)).release();
    if (rank !== 0) await to.send(token);
  }
}

// MPI's own start, and the neighbours' connections, belong to no channel.
const ring = await openRing("ring");
await everybody(ring);
const memory = residentBytes();
await everybody(ring);
const [start, cpu] = [Bun.nanoseconds(), cpuMs()];
const channels = await openRing("one", "two");
const openMs = (Bun.nanoseconds() - start) / 1e6;
const openCpuMs = cpuMs() - cpu;
await everybody(ring);
const openBytes = residentBytes() - memory;

const waiting = channels.map(({ from }) => from.recv({ timeoutMs: 2 * lasts }));
for (const each of waiting) each.catch(() => {});
await everybody(ring);
const [idleStart, idleCpu] = [Bun.nanoseconds(), cpuMs()];
await Bun.sleep(lasts);
const idlePercent = ((cpuMs() - idleCpu) * 1e6 * 100) / (Bun.nanoseconds() - idleStart);
console.log(JSON.stringify({ openMs, openCpuMs, openBytes, idlePercent }));
await everybody(ring);
await Promise.all([...channels, ...ring].flatMap(({ to, from }) => [to.close(), from.close()]));
