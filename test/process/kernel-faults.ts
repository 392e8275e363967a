/** Kernels on a Vulkan library that fails on demand. */
import { GpuDevice } from "../../src/gpu/device.ts";
import { Bare, words, wordsOf } from "../kernel/port.ts";
import { attempt, fail } from "./faults.ts";
import type { Io } from "./peer.ts";

const ECHO = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";

/**
 * Two kernels work, one of them `again` times more; then the GPU fails. What each learns, what comes of calls afterwards, and
 * of closing.
 */
export async function fails(io: Io, { fault, again }: { fault: string; again: number }): Promise<void> {
  const device = GpuDevice.open(0);
  const bare = await Bare.open(device);
  const [one, other] = [await bare.launch(ECHO), await bare.launch(ECHO)];
  io.say([wordsOf(await bare.call(one, words(1))), wordsOf(await bare.call(other, words(2)))]);
  for (let i = 0; i < again; i++) await bare.call(one, words(i));
  fail(fault);
  bare.send(one, words(3));
  await one.port.until(() => one.port.failures.length > 0);
  for (const { port } of [one, other])
    io.say(port.failures.map(({ code, message, remedy }) => ({ code, message, remedy })));
  io.say({
    sent: bare.send(one, words(4)),
    launched: await attempt(() => bare.launch(ECHO)),
    unhandled: await one.kernel.close(),
    deactivated: await attempt(() => other.kernel.deactivate()),
    closed: await attempt(() => bare[Symbol.asyncDispose]()),
  });
  device.release();
}

/** As `fails`, with work that does not end: what the others learn, and what comes of calls while the device is away. */
export async function away(io: Io): Promise<void> {
  const device = GpuDevice.open(0);
  const bare = await Bare.open(device);
  const [one, other] = [await bare.launch(ECHO), await bare.launch(ECHO)];
  io.say([wordsOf(await bare.call(one, words(1))), wordsOf(await bare.call(other, words(2)))]);
  fail("vkQueueSubmit=0");
  bare.send(one, words(3));
  await one.port.until(() => one.port.failures.length > 0);
  for (const { port } of [one, other])
    io.say(port.failures.map(({ code, message, remedy }) => ({ code, message, remedy })));
  io.say({
    sent: bare.send(one, words(4)),
    others: bare.send(other, words(5)),
    launched: await attempt(() => bare.launch(ECHO)),
    unhandled: await one.kernel.close(),
    deactivated: await attempt(() => other.kernel.deactivate()),
    closed: await attempt(() => bare[Symbol.asyncDispose]()),
  });
  device.release();
}

/** What can't be made when a backend is opened or a kernel launched is an error, and what comes later works. */
export async function short(io: Io, { fault }: { fault: string }): Promise<void> {
  const device = GpuDevice.open(0);
  (await Bare.open(device)).backend.close();
  fail(fault);
  io.say(await attempt(() => Bare.open(device)));
  fail("");
  await using bare = await Bare.open(device);
  fail(fault);
  io.say(await attempt(() => bare.launch(ECHO, { payloadBytes: 4096, inputCapacity: 512 })));
  fail("");
  io.say(wordsOf(await bare.call(await bare.launch(ECHO), words(5))));
  device.release();
}
