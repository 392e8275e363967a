/**
 * Processor time of a consumer that waits in `for await` and gets nothing ("second"), of its producer ("first"), and of
 * the same program without a channel ("none"), in percent of one core over SECONDS.
 *
 *     idle.ts first|second|none NAME SECONDS [TRANSPORT]
 */
import { Channel, type Consumer, type TransportName } from "../../src/index.ts";

const [side, name = "", seconds, pin] = Bun.argv.slice(2);
const lasts = Number(seconds) * 1000;
const role = side === "first" ? "producer" : "consumer";
const transport = pin as TransportName | undefined;
const channel = side === "none" ? null : await Channel.open(name, { role, transport });

async function receive(from: Consumer): Promise<void> {
  for await (const frame of from) throw new Error(`a message of ${frame.sizeBytes} bytes where none was sent`);
}
const received = channel?.role === "consumer" ? receive(channel) : null;

await Bun.sleep(200); // what starting and meeting left to do
const before = process.cpuUsage();
const start = Bun.nanoseconds();
await Bun.sleep(lasts);
const used = process.cpuUsage(before);
const percent = ((used.user + used.system) * 1000 * 100) / (Bun.nanoseconds() - start);
console.log(JSON.stringify({ side, percent }));

if (channel?.role === "producer") await Bun.sleep(500); // the consumer is still counting
await channel?.close();
await received?.catch((error) => {
  if (error.code !== "CLOSED") throw error;
});
