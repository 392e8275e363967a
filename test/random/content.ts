/** What frames hold: bytes that a number decides, so that a receiver can tell which frame it has and whether it is whole. */

/** Numbers from 0 to 1 that a seed decides. Steele and Vigna's SplitMix, in 32 bits: https://doi.org/10.1145/2714064.2660195 */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

const TABLE = new Uint8Array(1 << 20);
const next = random(1);
for (let i = 0; i < TABLE.length; i++) TABLE[i] = next() * 256;

/** The shortest content that names its own number: number, length, and the number again with other bits. */
export const NAMED = 12;
const MIX = 0x5bd1e995;

function* chunks(id: number, size: number): Generator<[at: number, chunk: Uint8Array]> {
  let from = (Math.imul(id, 7919) >>> 0) % (TABLE.length / 2);
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, TABLE.length - from);
    yield [at, TABLE.subarray(from, from + length)];
    at += length;
    from = 0;
  }
}

function header(id: number, size: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(id, size, id ^ MIX).buffer);
}

/** Fills all of `bytes` with content number `id`. */
export function fill(bytes: Uint8Array, id: number): void {
  for (const [at, chunk] of chunks(id, bytes.length)) bytes.set(chunk, at);
  if (bytes.length >= NAMED) bytes.set(header(id, bytes.length));
}

/** What `keyOf` says of content number `id`. */
export function key(id: number, size: number): string {
  if (size >= NAMED) return `${id}:${size}`;
  const bytes = new Uint8Array(size);
  fill(bytes, id);
  return keyOf(bytes);
}

/** Names the content that `bytes` hold, short ones by themselves; says where they are damaged. */
export function keyOf(bytes: Uint8Array): string {
  const size = bytes.length;
  if (size < NAMED) return `[${bytes.toHex()}]`;
  const words = new DataView(bytes.buffer, bytes.byteOffset, NAMED);
  const id = words.getUint32(0, true);
  const named = words.getUint32(4, true);
  if (words.getUint32(8, true) !== (id ^ MIX) >>> 0 || named !== size) {
    return `damaged: ${size} bytes that begin with ${bytes.subarray(0, NAMED).toHex()}`;
  }
  for (const [at, chunk] of chunks(id, size)) {
    const start = at === 0 ? NAMED : 0;
    const part = bytes.subarray(at + start, at + chunk.length);
    if (Buffer.compare(part, chunk.subarray(start)) === 0) continue;
    const wrong = part.findIndex((byte, i) => byte !== chunk[i + start]);
    return `damaged: ${id}:${size} from byte ${at + start + wrong} on`;
  }
  return `${id}:${size}`;
}

/** The kinds of views that are sent; `arrayBuffer` is none. */
export const KINDS = [
  "Uint8Array",
  "Uint16Array",
  "Float64Array",
  "BigInt64Array",
  "Uint8ClampedArray",
  "DataView",
  "Buffer",
  "part",
  "shared",
  "resizable",
  "tracking",
  "ArrayBuffer",
] as const;
export type Kind = (typeof KINDS)[number];

/** Kinds whose memory is theirs alone, and can go. */
export const LOSABLE = [
  "Uint8Array",
  "Float64Array",
  "DataView",
  "part",
  "resizable",
  "tracking",
  "ArrayBuffer",
] as const satisfies readonly Kind[];

export function bytesIn(payload: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (!ArrayBuffer.isView(payload)) return new Uint8Array(payload);
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Takes the memory of a payload away from it. */
export function takeAway(payload: ArrayBufferView | ArrayBuffer): void {
  const memory = (ArrayBuffer.isView(payload) ? payload.buffer : payload) as ArrayBuffer;
  if (memory.resizable) memory.resize(0);
  else memory.transfer();
}

/** How many bytes a payload of this kind has, where about `size` are wished. */
export function sizeFor(kind: Kind, size: number): number {
  const element = kind === "Uint16Array" ? 2 : kind === "Float64Array" || kind === "BigInt64Array" ? 8 : 1;
  return size - (size % element);
}

/** A payload of `sizeFor(kind, size)` bytes with content number `id`. */
export function payload(kind: Kind, size: number, id: number): ArrayBufferView | ArrayBuffer {
  const length = sizeFor(kind, size);
  const plain = <B extends ArrayBufferLike = ArrayBuffer>(
    bytes = new Uint8Array(length) as Uint8Array<B>,
  ): Uint8Array<B> => {
    fill(bytes, id);
    return bytes;
  };
  switch (kind) {
    case "Uint8Array":
      return plain();
    case "ArrayBuffer":
      return plain().buffer;
    case "Uint16Array":
      return new Uint16Array(plain().buffer);
    case "Float64Array":
      return new Float64Array(plain().buffer);
    case "BigInt64Array":
      return new BigInt64Array(plain().buffer);
    case "Uint8ClampedArray":
      return new Uint8ClampedArray(plain().buffer);
    case "DataView":
      return new DataView(plain().buffer);
    case "Buffer":
      return Buffer.from(plain());
    case "part":
      return plain(new Uint8Array(new ArrayBuffer(length + 20), 13, length));
    case "shared":
      return plain(new Uint8Array(new SharedArrayBuffer(length)));
    case "resizable":
      return plain(new Uint8Array(new ArrayBuffer(length + 5, { maxByteLength: length + 50 }), 3, length));
    case "tracking": {
      const buffer = new ArrayBuffer(length + 40, { maxByteLength: length + 50 });
      const bytes = new Uint8Array(buffer);
      buffer.resize(length);
      return plain(bytes);
    }
  }
}
