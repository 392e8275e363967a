/**
 * A rank that sends one message to the next and receives one of the rank before, closes its channels and ends: writes when it
 * had closed them, in milliseconds since 1970. Without a name, the same program without a channel.
 *
 *     mpi-ending.ts [NAME SIZE]
 */
import { Channel } from "../../src/index.ts";

const [name, ranks] = Bun.argv.slice(2);
const size = Number(ranks);
const rank = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK);

if (name !== undefined) {
  const [next, before] = await Promise.all([
    Channel.open(`${name}-${rank}`, { role: "producer", transport: "mpi" }),
    Channel.open(`${name}-${(rank + size - 1) % size}`, { role: "consumer", transport: "mpi" }),
  ]);
  await next.send(Uint8Array.of(rank));
  const frame = await before.recv();
  if (frame.bytes[0] !== (rank + size - 1) % size) throw new Error("another rank's message");
  frame.release();
  await next.flush();
  await Promise.all([next.close(), before.close()]);
}
console.log(JSON.stringify({ doneAt: performance.timeOrigin + performance.now() }));
