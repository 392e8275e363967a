/** Views that callers pass, checked once for every call, and typed views of memory. */
import { isAnyArrayBuffer, isArrayBuffer, isDataView } from "node:util/types";
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { wasDetached } from "../native/handle.ts";

/** A typed array, a DataView, or a whole ArrayBuffer or SharedArrayBuffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike;

/** A typed array class or DataView. */
export type ViewType<T extends ArrayBufferView> = new (buffer: ArrayBuffer, byteOffset: number, length: number) => T;

export const BYTES_ALLOWED = "a typed array, a DataView or an ArrayBuffer";

// ───────────── the real properties of a view ─────────────

/** The engine's own getter of a property, which native code reads by: a subclass or the object may have another one. */
function own<T>(prototype: object, name: string): (of: object) => T {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name) as { get: () => T };
  return (of) => get.call(of);
}

interface Getters {
  buffer(view: object): ArrayBufferLike;
  byteOffset(view: object): number;
  byteLength(view: object): number;
}

function gettersOf(prototype: object): Getters {
  return {
    buffer: own(prototype, "buffer"),
    byteOffset: own(prototype, "byteOffset"),
    byteLength: own(prototype, "byteLength"),
  };
}

const typed = gettersOf(Object.getPrototypeOf(Uint8Array.prototype));
const dataView = gettersOf(DataView.prototype);
const resizable = own<boolean>(ArrayBuffer.prototype, "resizable");

const { getPrototypeOf, hasOwn } = Object;
const UINT8 = Uint8Array.prototype;
const BUFFER = Buffer.prototype;
/** Bytes of a view. Throws TypeError for any other value, a Proxy of a view too, and for a DataView whose memory is gone. */
export function sizeOf(view: ArrayBufferView): number {
  return isDataView(view) ? dataView.byteLength(view) : typed.byteLength(view);
}

/** Whether the memory of a view can't shrink while it is read. */
export function stays(view: ArrayBufferView): boolean {
  const buffer = bufferOf(view);
  return !isArrayBuffer(buffer) || !resizable(buffer);
}

function bufferOf(view: ArrayBufferView): ArrayBufferLike {
  return isDataView(view) ? dataView.buffer(view) : typed.buffer(view);
}

/** Whether the view is a Uint8Array or a Buffer that overrides no property that readers of it use. */
function isPlain(view: ArrayBufferView): view is Uint8Array {
  const prototype = getPrototypeOf(view);
  if (prototype !== UINT8 && prototype !== BUFFER) return false;
  // No loop over a list of names: a loop takes 100 ns.
  if (hasOwn(view, "byteLength") || hasOwn(view, "length") || hasOwn(view, "buffer")) return false;
  return !hasOwn(view, "byteOffset") && !hasOwn(view, "subarray") && !hasOwn(view, "constructor");
}

/** All of a view as a Uint8Array without overrides. */
function plain(view: ArrayBufferView): Uint8Array {
  if (isPlain(view)) return view;
  const get = isDataView(view) ? dataView : typed;
  return new Uint8Array(get.buffer(view), get.byteOffset(view), get.byteLength(view));
}

// ───────────── checks of arguments ─────────────

/** Throws for a typed array whose memory is gone; its length 0 alone does not tell that. */
const touch = Uint8Array.prototype.at;

/**
 * The bytes themselves, not a copy. INVALID_ARGUMENT for a value that is not `Bytes`, and for a view whose ArrayBuffer was
 * detached or has become too small; CLOSED for a view of memory that was closed.
 */
export function bytesOf(name: string, value: unknown, allowed = BYTES_ALLOWED): Uint8Array {
  if (ArrayBuffer.isView(value)) {
    checkView(name, value);
    return plain(value);
  }
  if (!isAnyArrayBuffer(value)) throw invalidArgument(name, value, allowed);
  if ("detached" in value && value.detached) throw gone(name, value, value);
  return new Uint8Array(value);
}

/** As `bytesOf`, for a value that is known to be a view. */
export function checkView(name: string, view: ArrayBufferView): void {
  if ((view as Uint8Array)[0] !== undefined) return;
  try {
    if (sizeOf(view) === 0 && !isDataView(view)) touch.call(view as Uint8Array, 0);
  } catch {
    throw gone(name, view, bufferOf(view));
  }
}

function gone(name: string, value: object, buffer: ArrayBufferLike): LavaFlowError {
  if (wasDetached(buffer)) {
    return new LavaFlowError("CLOSED", `${name}: the memory of this ${value.constructor.name} was closed`, {
      remedy: "Use it before its buffer, frame or channel is closed",
    });
  }
  const how =
    "detached" in buffer && buffer.detached
      ? "was detached (transferred)"
      : `was resized to ${buffer.byteLength} bytes, which it lies outside of`;
  const what = isAnyArrayBuffer(value)
    ? `an ${value.constructor.name} that`
    : `a ${value.constructor.name} whose ArrayBuffer`;
  return new LavaFlowError("INVALID_ARGUMENT", `${name} is ${what} ${how}`, {
    remedy: "Give a view whose ArrayBuffer exists, and keep it until the call has ended",
  });
}

/** INVALID_ARGUMENT, or CLOSED, where a view has changed its size while its call waited. */
export function checkUnchanged(name: string, view: ArrayBufferView, sizeBytes: number): void {
  checkView(name, view);
  const now = sizeOf(view);
  if (now === sizeBytes) return;
  throw new LavaFlowError(
    "INVALID_ARGUMENT",
    `${name} had ${sizeBytes} bytes when the call was made, and has ${now} now`,
    { remedy: "Do not resize its ArrayBuffer before the promise settles" },
  );
}

/** INVALID_ARGUMENT unless `size` whole bytes from `offset` on are within `limit` bytes. `what` names the call. */
export function checkRange(limit: number, what: string, offset: number, size: number): void {
  if (Number.isInteger(offset) && Number.isInteger(size) && offset >= 0 && size >= 0 && offset + size <= limit) {
    return;
  }
  throw new LavaFlowError("INVALID_ARGUMENT", `${what}: ${size} bytes at offset ${offset} of ${limit} bytes`, {
    remedy: `Stay between 0 and ${limit}, in whole bytes`,
  });
}

/** All of `bytes` as a typed array or a DataView. INVALID_ARGUMENT when the size is no multiple of the element's. */
export function viewAs<T extends ArrayBufferView>(bytes: Uint8Array<ArrayBuffer>, type: ViewType<T>): T {
  if (typeof type !== "function") throw invalidArgument("type", type, "a typed array class or DataView");
  const elementBytes = (type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteLength % elementBytes === 0) return new type(buffer, byteOffset, byteLength / elementBytes);
  throw new LavaFlowError(
    "INVALID_ARGUMENT",
    `${byteLength} bytes are no whole number of ${type.name} elements of ${elementBytes} bytes`,
    { remedy: "Read them with a DataView, or send a multiple of the element's size" },
  );
}
