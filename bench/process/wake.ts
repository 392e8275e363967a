/**
 * How fast an idle consumer in `for await` wakes. The producer sleeps PACE_MS, writes the time into a message and sends
 * it; the consumer compares the time with its own, on the same clock.
 *
 *     wake.ts first|second NAME COUNT PACE_MS
 */
import { Channel } from "../../src/index.ts";
import { monotonicNs } from "../clock.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", messages, pace] = Bun.argv.slice(2);
const count = Number(messages);
/** Wake-ups at a quick pace before those that count: a service that has run for a while has compiled code. */
const WARM = 5000;
const WARM_PACE_NS = 100_000;

const role = side === "first" ? "producer" : "consumer";
await using channel = await Channel.open(name, { role, profile: "low-latency" });
if (channel.role === "producer") {
  const time = new Float64Array(new ArrayBuffer(64));
  for (let n = 0; n < WARM + count; n++) {
    if (n < WARM) {
      for (const until = monotonicNs() + WARM_PACE_NS; monotonicNs() < until; );
    } else {
      Bun.sleepSync(Number(pace));
    }
    time[0] = monotonicNs();
    await channel.send(time);
  }
  await channel.flush();
} else {
  const samples: number[] = [];
  for await (const frame of channel) {
    const sent = frame.view(Float64Array)[0] as number;
    samples.push((monotonicNs() - sent) / 1000);
    frame.release();
  }
  if (samples.length !== WARM + count) throw new Error(`${samples.length} messages of ${WARM + count}`);
  console.log(JSON.stringify({ wake: figureOf(samples.slice(WARM)) }));
}
