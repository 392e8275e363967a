/** The part of an agent that has buffers and pools. */
import type { BufferPool, Limits as CallLimits, MemoryAllocator, MemoryBuffer } from "../../src/index.ts";
import type { Lava, Limits } from "./agent.ts";
import { fill, keyOf } from "./content.ts";

/** How the bytes of a buffer are looked at: `import` by way of a handle. */
export const READS = ["bytes", "view", "read", "copy", "import"] as const;
export type Read = (typeof READS)[number];

export type MemoryCommand =
  | { op: "allocate"; buffer: number; size: number; id: number; shared: boolean }
  /** Writes into the bytes, whose frames must all be released. */
  | { op: "rewrite"; buffer: number; id: number }
  /** Waits until all frames of the buffer are released. */
  | { op: "write"; buffer: number; id: number }
  | ({ op: "released"; buffer: number } & Limits)
  | { op: "inspect"; buffer: number; how: Read }
  | { op: "closeBuffer"; buffer: number }
  | { op: "pool"; pool: number; count: number; size: number; shared: boolean }
  /** `buffer`: the number that a buffer gets which has none yet. */
  | ({ op: "take"; pool: number; buffer: number; id: number } & Limits)
  | { op: "tryTake"; pool: number; buffer: number; id: number }
  | { op: "put"; pool: number; buffer: number }
  | { op: "closePool"; pool: number };

export class Memory {
  readonly #lava: Lava;
  readonly #limits: (limits: Limits) => CallLimits | undefined;
  readonly #buffers: Map<number, MemoryBuffer>;
  readonly #pools = new Map<number, BufferPool>();
  /** Of the buffers that a pool has handed out. */
  readonly #numbers = new Map<MemoryBuffer, number>();
  #allocator: MemoryAllocator | null = null;

  /** `buffers`: those of all agents of this thread. */
  constructor(lava: Lava, buffers: Map<number, MemoryBuffer>, limits: (limits: Limits) => CallLimits | undefined) {
    this.#lava = lava;
    this.#buffers = buffers;
    this.#limits = limits;
  }

  get allocator(): MemoryAllocator {
    this.#allocator ??= new this.#lava.MemoryAllocator();
    return this.#allocator;
  }

  buffer(number: number): MemoryBuffer {
    return this.#buffers.get(number) as MemoryBuffer;
  }

  do(command: MemoryCommand): unknown {
    switch (command.op) {
      case "allocate": {
        const buffer = this.allocator.allocate(command.size, { kind: "host", shared: command.shared });
        fill(buffer.bytes, command.id);
        this.#buffers.set(command.buffer, buffer);
        return;
      }
      case "rewrite":
        return fill(this.buffer(command.buffer).bytes, command.id);
      case "write":
        return this.#write(this.buffer(command.buffer), command.id);
      case "released":
        return this.buffer(command.buffer).released(this.#limits(command));
      case "inspect":
        return this.#inspect(this.buffer(command.buffer), command.how);
      case "closeBuffer":
        return this.buffer(command.buffer).close();
      case "pool": {
        const { pool, count, size, shared } = command;
        this.#pools.set(pool, this.allocator.pool(count, size, { kind: "host", shared }));
        return;
      }
      case "take":
        return this.#pool(command.pool)
          .take(this.#limits(command))
          .then((buffer) => this.#taken(command, buffer));
      case "tryTake": {
        const buffer = this.#pool(command.pool).tryTake();
        return buffer && this.#taken(command, buffer);
      }
      case "put":
        return this.#pool(command.pool).put(this.buffer(command.buffer));
      case "closePool":
        return this.#pool(command.pool).close();
    }
  }

  forget(): void {
    this.#allocator?.close();
    this.#allocator = null;
    for (const all of [this.#buffers, this.#pools, this.#numbers]) all.clear();
  }

  #pool(number: number): BufferPool {
    return this.#pools.get(number) as BufferPool;
  }

  /** A buffer that is free may be written at once. */
  #taken({ buffer, id }: { buffer: number; id: number }, taken: MemoryBuffer): number {
    const number = this.#numbers.get(taken) ?? buffer;
    this.#numbers.set(taken, number);
    this.#buffers.set(number, taken);
    fill(taken.bytes, id);
    return number;
  }

  /** In one of the ways that there are. */
  async #write(buffer: MemoryBuffer, id: number): Promise<void> {
    const { sizeBytes: size } = buffer;
    if (id % 3 === 0) {
      using source = this.allocator.allocate(size);
      fill(source.bytes, id);
      return await source.copyTo(buffer);
    }
    if (id % 3 === 1) await buffer.fill(id, 0, size - (size % 4));
    const content = new Uint8Array(size);
    fill(content, id);
    return buffer.write(content);
  }

  async #inspect(buffer: MemoryBuffer, how: Read): Promise<string> {
    switch (how) {
      case "bytes":
        return keyOf(buffer.bytes);
      case "view": {
        const { buffer: memory, byteOffset, byteLength } = buffer.view(DataView);
        return keyOf(new Uint8Array(memory, byteOffset, byteLength));
      }
      case "read": {
        const bytes = new Uint8Array(buffer.sizeBytes);
        await buffer.read(bytes);
        return keyOf(bytes);
      }
      case "copy": {
        using copy = this.allocator.allocate(buffer.sizeBytes);
        await buffer.copyTo(copy);
        return keyOf(copy.bytes);
      }
      case "import": {
        using other = this.allocator.import(buffer.exportHandle());
        return keyOf(other.bytes);
      }
    }
  }
}
