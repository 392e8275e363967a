/** Rank 0 adds up the readings of the others. The same program runs on a laptop and on a cluster. */
import { Channel } from "lava-flow";

// Each launcher says rank and size in its own way; on a laptop they are the arguments.
const { env, argv } = process;
const rank = Number(env.OMPI_COMM_WORLD_RANK ?? env.PMI_RANK ?? env.SLURM_PROCID ?? argv[2]);
const size = Number(env.OMPI_COMM_WORLD_SIZE ?? env.PMI_SIZE ?? env.SLURM_NTASKS ?? argv[3]);

async function measure(): Promise<void> {
  await using output = await Channel.open(`readings-${rank}`, { role: "producer" });
  const readings = new Float64Array(131_072); // 1 MiB
  for (let n = 1; n <= 100; n++) await output.send(readings.fill(n * rank));
}

async function addUp(from: number): Promise<void> {
  await using input = await Channel.open(`readings-${from}`, { role: "consumer" });
  let sum = 0;
  for await (const { bytes } of input) {
    const readings = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
    for (const reading of readings) sum += reading;
  }
  console.log(`rank ${from} on ${input.route.peer.hostname}, by ${input.route.transport}: ${sum}`);
}

if (rank > 0) await measure();
else await Promise.all(Array.from({ length: size - 1 }, (_, i) => addUp(i + 1)));
