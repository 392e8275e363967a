/** Views that say another size, place or memory than they have. */

/** What they say; the shim must not believe it. */
const SAID = 2 ** 24;

/** Bytes 1 to `length`, within memory of 9s. */
function bytesIn(length: number, elementBytes = 1): [ArrayBuffer, number, number] {
  const bytes = new Uint8Array(8 + length + 8).fill(9);
  for (let i = 0; i < length; i++) bytes[8 + i] = i + 1;
  return [bytes.buffer, 8, length / elementBytes];
}

const told = (): PropertyDescriptorMap => ({
  byteLength: { value: SAID },
  length: { get: () => SAID },
  byteOffset: { value: 0 },
  buffer: { value: new ArrayBuffer(SAID) },
});

class Longer extends Uint8Array {
  override get byteLength(): number {
    return SAID;
  }
  override get length(): number {
    return SAID;
  }
}

class Elsewhere extends Uint8Array {
  override get buffer() {
    return new ArrayBuffer(SAID);
  }
  override get byteOffset(): number {
    return SAID / 2;
  }
  override get byteLength(): number {
    return SAID / 2;
  }
  override subarray(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(SAID);
  }
}

/** Each has the bytes 1 to `length`, a multiple of 8, in memory of its own. */
export function lying(length: number): [what: string, view: ArrayBufferView<ArrayBuffer>][] {
  const redefined = <T extends object>(view: T): T => Object.defineProperties(view, told());
  const size = { byteLength: { value: SAID } };
  return [
    ["a Uint8Array", redefined(new Uint8Array(...bytesIn(length)))],
    ["a Uint8Array with another size", Object.defineProperties(new Uint8Array(...bytesIn(length)), size)],
    ["a Buffer", redefined(Buffer.from(...bytesIn(length)))],
    ["a Float64Array", redefined(new Float64Array(...bytesIn(length, 8)))],
    ["a DataView", redefined(new DataView(...bytesIn(length)))],
    ["a subclass that is longer", new Longer(...bytesIn(length))],
    ["a subclass that is elsewhere", new Elsewhere(...bytesIn(length))],
  ];
}
