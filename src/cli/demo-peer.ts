/** The demo's second process: receives, checks, reports, and answers. */
import { availableParallelism } from "node:os";
import { Channel, type Consumer, type Frame, LavaFlowError, type Producer } from "../index.ts";
import { type Command, interruptible, parse } from "./command.ts";

/** Suffix of the name of the channel for reports and answers. */
export const BACK = "-back";
/** Limit of each wait of the demo, milliseconds: far above any wait that succeeds. */
export const LIMIT_MS = 10_000;
export const FRAME_BYTES = 1024 * 1024;
export const MESSAGE_BYTES = 64;
/** Spins for an answer only if each process has a processor of its own. */
export const SPIN = { timeoutMs: LIMIT_MS, spinUs: availableParallelism() > 1 ? 200 : 0 };
/** An empty frame ends each part. */
export const END = new Uint8Array(0);

export interface Report {
  frames: number;
  bytes: number;
  sha256?: string;
  /** Time in the work on the frames, nanoseconds. */
  workNs: number;
  /** Messages whose number was not the next one. */
  misplaced: number;
}

async function run(args: string[]): Promise<number> {
  const { positionals } = parse(args, {}, [2, 2]);
  const [name, messages] = positionals as [string, string];
  const [data, back] = await interruptible((signal) => {
    const limits = { timeoutMs: LIMIT_MS, signal };
    return Promise.all([
      Channel.open(name, { role: "consumer", ...limits }),
      Channel.open(name + BACK, { role: "producer", ...limits }),
    ]);
  });
  const hasher = new Bun.CryptoHasher("sha256");
  const hashed = receiveFile(data, (bytes) => hasher.update(bytes));
  await report(back, { ...hashed, sha256: hasher.digest("hex") });
  const copy = new Uint8Array(FRAME_BYTES);
  await report(
    back,
    receiveFile(data, (bytes) => copy.set(bytes)),
  );
  if (Number(messages) > 0) await report(back, receiveMessages(data));
  answer(data, back);
  await data.close();
  await back.close();
  return 0;
}

/** Calls `use` with each frame before the empty one. */
function receiveFile(data: Consumer, use: (bytes: Uint8Array) => void): Report {
  const report = { frames: 0, bytes: 0, workNs: 0, misplaced: 0 };
  for (let frame = next(data); frame.sizeBytes > 0; frame = next(data)) {
    const start = Bun.nanoseconds();
    use(frame.bytes);
    report.workNs += Bun.nanoseconds() - start;
    report.frames++;
    report.bytes += frame.sizeBytes;
    frame.release();
  }
  return report;
}

function receiveMessages(data: Consumer): Report {
  const report = { frames: 0, bytes: 0, workNs: 0, misplaced: 0 };
  for (let frame = next(data); frame.sizeBytes > 0; frame = next(data)) {
    const { bytes } = frame;
    const number = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
    if (number !== report.frames) report.misplaced++;
    report.frames++;
    report.bytes += bytes.byteLength;
    frame.release();
  }
  return report;
}

function answer(data: Consumer, back: Producer): void {
  const message = new Uint8Array(MESSAGE_BYTES);
  for (let frame = next(data); frame.sizeBytes > 0; frame = next(data)) {
    frame.release();
    if (!back.trySend(message)) throw new LavaFlowError("QUEUE_FULL", "the answers are not received");
  }
}

/** The next frame. Closing the channel releases the empty one at the end. */
function next(data: Consumer): Frame {
  const frame = data.recvSync(SPIN);
  if (!frame) throw new LavaFlowError("TIMEOUT", `no frame within ${LIMIT_MS} ms`);
  return frame;
}

async function report(back: Producer, report: Report): Promise<void> {
  await back.send(new TextEncoder().encode(JSON.stringify(report)), { timeoutMs: LIMIT_MS });
}

export const demoPeer: Command = { usage: "Usage: lava-flow demo-peer NAME MESSAGES", run };
