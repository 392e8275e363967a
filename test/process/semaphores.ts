/** Processes that use semaphores of another one: a queue each beside the queue of that one. */
import type { ExternalMemoryHandle, ExternalSemaphoreHandle } from "../../src/index.ts";
import { gpuAllocator } from "./open.ts";
import type { Io } from "./peer.ts";

const inherited = { [Symbol.dispose]() {} };

/** Signals the timeline of descriptor 3 when told to. */
export async function signal(io: Io, { semaphore }: { semaphore: ExternalSemaphoreHandle }): Promise<void> {
  using mine = gpuAllocator().importSemaphore({ ...semaphore, fd: 3, ...inherited });
  io.say("ready");
  await io.hear();
  await mine.signal(1);
}

/**
 * Says the first byte of the buffer of descriptor 4. When told to, submits a wait for the semaphore of descriptor 3 and a
 * copy of the buffer behind it, says so, and says the first byte of the copy.
 */
export async function copyAfter(
  io: Io,
  { semaphore, buffer }: { semaphore: ExternalSemaphoreHandle; buffer: ExternalMemoryHandle },
): Promise<void> {
  using mine = gpuAllocator().importSemaphore({ ...semaphore, fd: 3, ...inherited });
  using source = gpuAllocator().import({ ...buffer, fd: 4, ...inherited });
  using copy = gpuAllocator().allocate(source.sizeBytes, { kind: "gpu" });
  const byte = new Uint8Array(1);
  await source.read(byte);
  io.say(byte[0]);
  await io.hear();
  const done = [mine.wait(mine.kind === "timeline" ? 1 : undefined), source.copyTo(copy)];
  io.say("submitted");
  await Promise.all(done);
  await copy.read(byte);
  io.say(byte[0]);
}
