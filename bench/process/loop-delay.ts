/**
 * What a channel leaves of the event loop: by how much a timer of 1 ms is late, and how long a request over loopback HTTP
 * takes, client and server in this process, while a `for await` works 5 µs on each frame of a producer that never stops.
 *
 *     loop-delay.ts first|second|none NAME SECONDS
 *
 * "first" is the producer; "none" has no channel.
 */
import { Channel, type Consumer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", seconds] = Bun.argv.slice(2);
const WORK_NS = 5000;
const WARM_MS = 300;

async function flood(): Promise<void> {
  await using channel = await Channel.open(name, { role: "producer" });
  const payload = new Uint8Array(new ArrayBuffer(64));
  try {
    for (;;) await channel.send(payload);
  } catch (error) {
    if ((error as { code?: string }).code !== "CHANNEL_CLOSED") throw error;
  }
}

async function work(channel: Consumer): Promise<void> {
  for await (const _ of channel) for (const end = Bun.nanoseconds() + WORK_NS; Bun.nanoseconds() < end; );
}

async function measure(): Promise<void> {
  const channel = side === "none" ? null : await Channel.open(name, { role: "consumer" });
  const working = channel && work(channel);
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") });
  const timers: number[] = [];
  const requests: number[] = [];
  await Bun.sleep(WARM_MS);
  const end = performance.now() + Number(seconds) * 1000;
  const ticks = (async () => {
    while (performance.now() < end) {
      const due = performance.now() + 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      timers.push(performance.now() - due);
    }
  })();
  while (performance.now() < end) {
    const start = performance.now();
    await (await fetch(server.url)).text();
    requests.push(performance.now() - start);
    await Bun.sleep(1);
  }
  await ticks;
  console.log(JSON.stringify({ timer: figureOf(timers), request: figureOf(requests) }));
  await channel?.close();
  await working;
  server.stop(true);
  process.exit(0);
}

await (side === "first" ? flood() : measure());
