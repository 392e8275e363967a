/**
 * As OSU's bandwidth test: the first process sends a window of frames from one buffer, and the next window when the
 * second process has answered that all of it is there. A sample is the rate of one window, the answer included.
 *
 *     mpi-bandwidth.ts first|second NAME BYTES COUNT send|loan
 *
 * "send" awaits `send` of plain memory, "loan" commits loans. The first and the last byte of each frame are checked.
 */
import { Channel, type Consumer, type Producer } from "../../src/index.ts";
import { figureOf } from "../measure.ts";

const [side, name = "", size, frames, how = ""] = Bun.argv.slice(2);
const bytes = Number(size);
const last = bytes - 1;
const WINDOW = 64;
const windows = Math.ceil(Number(frames) / WINDOW);
const WARM = Math.ceil(windows / 5);
const SPIN = { timeoutMs: 30_000, spinUs: 30_000_000 };
const ANSWER = new Uint8Array(new ArrayBuffer(4));

const first = side === "first";
const open = <Role extends "producer" | "consumer">(direction: string, role: Role) =>
  Channel.open<Role>(`${name}.${direction}`, { role, profile: "high-throughput", transport: "mpi" });
await using data = await open("data", first ? "producer" : "consumer");
await using answers = await open("answers", first ? "consumer" : "producer");

const payload = new Uint8Array(new ArrayBuffer(bytes));

async function sendWindow(data: Producer): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let i = 0; i < WINDOW; i++) sent.push(data.send(payload));
  await Promise.all(sent);
}

function loanWindow(data: Producer, marker: number): void {
  for (let i = 0; i < WINDOW; i++) {
    let loan = data.tryLoan(bytes);
    while (!loan) loan = data.tryLoan(bytes);
    const loaned = loan.bytes;
    loaned[0] = loaned[last] = marker;
    loan.commit();
  }
}

function receive(from: Consumer, sizeBytes: number, marker: number): void {
  const frame = from.recvSync(SPIN);
  const got = frame?.bytes;
  if (got?.length !== sizeBytes || got[0] !== marker || got[sizeBytes - 1] !== marker) {
    throw new Error(`a frame of ${got?.length} bytes, with ${got?.[0]} and ${got?.at(-1)}, not ${marker}`);
  }
  (frame as Disposable)[Symbol.dispose]();
}

const rates: number[] = [];
for (let window = 0; window < windows; window++) {
  const marker = window & 255;
  ANSWER.fill(marker);
  if (data.role === "producer" && answers.role === "consumer") {
    payload[0] = payload[last] = marker;
    const start = Bun.nanoseconds();
    if (how === "send") await sendWindow(data);
    else loanWindow(data, marker);
    receive(answers, ANSWER.length, marker);
    rates.push((WINDOW * bytes) / (Bun.nanoseconds() - start));
  } else if (data.role === "consumer" && answers.role === "producer") {
    for (let i = 0; i < WINDOW; i++) receive(data, bytes, marker);
    await answers.send(ANSWER);
  }
}
if (first) console.log(JSON.stringify({ [how]: figureOf(rates.slice(WARM), "higher") }));
else if (answers.role === "producer") await answers.flush();
