/** OpenGL as the tests use it: bytes read and written by OpenGL itself, and contexts of the tests' own. */
import { CFunction, dlopen, FFIType as T } from "bun:ffi";

const EGL_PLATFORM_DEVICE = 0x313f;
const EGL_OPENGL_API = 0x30a2;
const GL_COPY_READ_BUFFER = 0x8f36;
const GL_COPY_WRITE_BUFFER = 0x8f37;
const GL_R32UI = 0x8236;
const GL_RED_INTEGER = 0x8d94;
const GL_UNSIGNED_INT = 0x1405;

function open() {
  const { symbols: egl } = dlopen("libEGL.so.1", {
    eglGetProcAddress: { args: [T.ptr], returns: T.ptr },
    eglGetCurrentContext: { args: [], returns: T.u64 },
    eglGetCurrentDisplay: { args: [], returns: T.u64 },
    eglBindAPI: { args: [T.u32], returns: T.u32 },
    eglInitialize: { args: [T.u64, T.ptr, T.ptr], returns: T.u32 },
    eglChooseConfig: { args: [T.u64, T.ptr, T.ptr, T.i32, T.ptr], returns: T.u32 },
    eglCreateContext: { args: [T.u64, T.u64, T.u64, T.ptr], returns: T.u64 },
    eglMakeCurrent: { args: [T.u64, T.u64, T.u64, T.u64], returns: T.u32 },
    eglDestroyContext: { args: [T.u64, T.u64], returns: T.u32 },
  });
  const get = (name: string, args: T[], returns: T = T.void) => {
    const ptr = egl.eglGetProcAddress(Buffer.from(`${name}\0`));
    if (!ptr) throw new Error(`EGL has no ${name}`);
    return CFunction({ ptr, args, returns }) as unknown as (...values: unknown[]) => unknown;
  };
  return {
    egl,
    queryDevices: get("eglQueryDevicesEXT", [T.i32, T.ptr, T.ptr], T.u32),
    platformDisplay: get("eglGetPlatformDisplayEXT", [T.u32, T.u64, T.ptr], T.u64),
    getError: get("glGetError", [], T.u32),
    isBuffer: get("glIsBuffer", [T.u32], T.u8),
    bindBuffer: get("glBindBuffer", [T.u32, T.u32]),
    getInteger: get("glGetIntegerv", [T.u32, T.ptr]),
    getData: get("glGetBufferSubData", [T.u32, T.i64, T.i64, T.ptr]),
    clear: get("glClearBufferSubData", [T.u32, T.u32, T.i64, T.i64, T.u32, T.u32, T.ptr]),
    finish: get("glFinish", []),
  };
}

let opened: ReturnType<typeof open> | undefined;
const gl = () => (opened ??= open());

function check(what: string): void {
  const error = gl().getError() as number;
  if (error !== 0) throw new Error(`${what}: OpenGL error 0x${error.toString(16)}`);
}

export const currentContext = (): bigint => gl().egl.eglGetCurrentContext() as bigint;
export const isBuffer = (name: number): boolean => gl().isBuffer(name) === 1;

/** What is bound to GL_COPY_WRITE_BUFFER. */
export function boundBuffer(): number {
  const bound = new Int32Array(new ArrayBuffer(4));
  gl().getInteger(GL_COPY_WRITE_BUFFER, bound);
  return bound[0] as number;
}

export function bindBuffer(name: number): void {
  gl().bindBuffer(GL_COPY_WRITE_BUFFER, name);
  check("glBindBuffer");
}

/** The bytes of a buffer object, read by OpenGL. */
export function readGl(name: number, size: number, offset = 0): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  gl().bindBuffer(GL_COPY_READ_BUFFER, name);
  gl().getData(GL_COPY_READ_BUFFER, offset, size, bytes);
  gl().bindBuffer(GL_COPY_READ_BUFFER, 0);
  check("glGetBufferSubData");
  return bytes;
}

/** Starts to write a 32-bit word over and over, by OpenGL. */
export function startClearGl(name: number, value32: number, offset: number, size: number): void {
  gl().bindBuffer(GL_COPY_READ_BUFFER, name);
  const word = new Uint32Array(new ArrayBuffer(4)).fill(value32);
  gl().clear(GL_COPY_READ_BUFFER, GL_R32UI, offset, size, GL_RED_INTEGER, GL_UNSIGNED_INT, word);
  gl().bindBuffer(GL_COPY_READ_BUFFER, 0);
  check("glClearBufferSubData");
}

/** The same, done when it returns. */
export function clearGl(name: number, value32: number, offset: number, size: number): void {
  startClearGl(name, value32, offset, size);
  finishGl();
}

export function finishGl(): void {
  gl().finish();
  check("glFinish");
}

/** A context of the test's own on an EGL device, current until disposal. */
export class TestContext implements Disposable {
  readonly context: bigint;
  readonly #display: bigint;

  constructor(device = 0) {
    const devices = new BigUint64Array(new ArrayBuffer(8 * 16));
    const count = new Int32Array(new ArrayBuffer(4));
    gl().queryDevices(16, devices, count);
    if (device >= (count[0] as number)) throw new Error(`EGL has ${count[0]} devices`);
    this.#display = gl().platformDisplay(EGL_PLATFORM_DEVICE, devices[device], null) as bigint;
    const { egl } = gl();
    egl.eglInitialize(this.#display, null, null);
    egl.eglBindAPI(EGL_OPENGL_API);
    const config = new BigUint64Array(new ArrayBuffer(8));
    egl.eglChooseConfig(this.#display, new Int32Array([0x3033, 0, 0x3040, 8, 0x3038]), config, 1, count);
    const version = new Int32Array([0x3098, 4, 0x30fb, 5, 0x3038]);
    this.context = egl.eglCreateContext(this.#display, config[0] as bigint, 0n, version) as bigint;
    if (this.context === 0n) throw new Error("no context");
    this.makeCurrent();
  }

  makeCurrent(): void {
    if (gl().egl.eglMakeCurrent(this.#display, 0n, 0n, this.context) !== 1) throw new Error("eglMakeCurrent");
  }

  putAside(): void {
    if (gl().egl.eglMakeCurrent(this.#display, 0n, 0n, 0n) !== 1) throw new Error("eglMakeCurrent");
  }

  [Symbol.dispose](): void {
    if (currentContext() === this.context) this.putAside();
    if (gl().egl.eglDestroyContext(this.#display, this.context) !== 1) throw new Error("eglDestroyContext");
  }
}

/** The number of EGL's devices. */
export function eglDevices(): number {
  const count = new Int32Array(new ArrayBuffer(4));
  gl().queryDevices(0, null, count);
  return count[0] as number;
}
