/** The demo's second process: receives, checks, reports, and answers. */
import { Channel, type Frame, LavaFlowError } from "../index.ts";
import { type Command, interruptible, parse } from "./command.ts";

/** The channel for reports and answers has the name of the other one and this. */
export const BACK = "-back";
/** Nothing in the demo takes longer than this, unless something is wrong. */
export const LIMIT_MS = 20_000;
export const MESSAGE_BYTES = 64;
/** An empty frame ends each part. */
export const END = new Uint8Array(0);

export interface Report {
  frames: number;
  bytes: number;
  sha256?: string;
  hashingNs?: number;
  /** Messages that did not carry the number that was their turn. */
  misplaced?: number;
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
  await report(back, receiveFile(data));
  if (Number(messages) > 0) await report(back, receiveMessages(data));
  answer(data, back);
  await data.close();
  await back.close();
  return 0;
}

function receiveFile(data: Channel): Report {
  const hasher = new Bun.CryptoHasher("sha256");
  const report = { frames: 0, bytes: 0, hashingNs: 0 };
  for (let frame = next(data); frame.sizeBytes > 0; frame = next(data)) {
    const start = Bun.nanoseconds();
    hasher.update(frame.bytes);
    report.hashingNs += Bun.nanoseconds() - start;
    report.frames++;
    report.bytes += frame.sizeBytes;
    frame.release();
  }
  return { ...report, sha256: hasher.digest("hex") };
}

function receiveMessages(data: Channel): Report {
  const report = { frames: 0, bytes: 0, misplaced: 0 };
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

function answer(data: Channel, back: Channel): void {
  const message = new Uint8Array(MESSAGE_BYTES);
  for (let frame = next(data); frame.sizeBytes > 0; frame = next(data)) {
    frame.release();
    if (!back.trySend(message)) throw new LavaFlowError("QUEUE_FULL", "the answers are not received");
  }
}

/** The end's own frame has to be released as well: that is left to closing the channel. */
function next(data: Channel): Frame {
  const frame = data.recvSync({ timeoutMs: LIMIT_MS });
  if (!frame) throw new LavaFlowError("TIMEOUT", `nothing came within ${LIMIT_MS} ms`);
  return frame;
}

async function report(back: Channel, report: Report): Promise<void> {
  await back.send(new TextEncoder().encode(JSON.stringify(report)), { timeoutMs: LIMIT_MS });
}

export const demoPeer: Command = { usage: "Usage: lava-flow demo-peer NAME MESSAGES", run };
