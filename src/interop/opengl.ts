/** Imports of GPU memory and semaphores into OpenGL. */
import { invalidArgument } from "../errors.ts";
import type { GpuSemaphore } from "../gpu/timeline.ts";
import type { MemoryBuffer } from "../memory/buffer.ts";
import { sharedBetweenCopies } from "../native/copies.ts";
import { native } from "../native/load.ts";
import { gpuAddressOf, Imported, semaphoreOf } from "./imported.ts";

/** The bytes of a buffer as a buffer object of the OpenGL context that was current at the import. */
export interface OpenGlBuffer extends Disposable {
  /** Name of the buffer object. */
  readonly buffer: number;
  /** Name of the memory object (GL_EXT_memory_object). */
  readonly memoryObject: number;
}

/** A binary semaphore in the order of the current OpenGL context's commands. */
export interface OpenGlSemaphore extends Disposable {
  /** Signals the semaphore when earlier commands have ended. Other APIs then see the contents of `buffers`. */
  signal(buffers?: OpenGlBuffer[]): void;
  /** Later commands wait for the semaphore, and see what other APIs wrote into `buffers`. */
  wait(buffers?: OpenGlBuffer[]): void;
}

const name = new Uint32Array(new ArrayBuffer(4));
const object = new Uint32Array(new ArrayBuffer(4));

class Memory extends Imported implements OpenGlBuffer {
  static {
    sharedBetweenCopies(Memory, "OpenGlBuffer", (memory) => memory);
  }

  readonly buffer: number;
  readonly memoryObject: number;

  constructor(handle: number) {
    super("OpenGL buffer", handle, "lf_opengl_close");
    this.call((shim, own) => shim.lf_opengl_describe(own, name, object));
    this.buffer = name[0] as number;
    this.memoryObject = object[0] as number;
  }

  /** The shim's handles of `buffers`. INVALID_ARGUMENT, CLOSED. */
  static handles(buffers: OpenGlBuffer[]): Int32Array {
    if (!Array.isArray(buffers)) throw invalidArgument("buffers", buffers, "a list of what importIntoOpenGl returns");
    const handles = new Int32Array(new ArrayBuffer(4 * Math.max(1, buffers.length)));
    for (const [index, buffer] of buffers.entries()) {
      if (!(buffer instanceof Memory)) {
        throw invalidArgument(`buffers[${index}]`, buffer, "what importIntoOpenGl returns");
      }
      handles[index] = buffer.handle;
    }
    return handles;
  }
}

class Semaphore extends Imported implements OpenGlSemaphore {
  constructor(handle: number) {
    super("OpenGL semaphore", handle, "lf_opengl_semaphore_close");
  }

  signal(buffers: OpenGlBuffer[] = []): void {
    const handles = Memory.handles(buffers);
    this.call((shim, own) => shim.lf_opengl_semaphore_signal(own, handles, buffers.length));
  }

  wait(buffers: OpenGlBuffer[] = []): void {
    const handles = Memory.handles(buffers);
    this.call((shim, own) => shim.lf_opengl_semaphore_wait(own, handles, buffers.length));
  }
}

/**
 * The memory of a buffer, or of a part of one, in OpenGL. Nothing is copied. The EGL context is the one that is current on
 * this thread, which must be of the same GPU. Without a current context the call makes one on the buffer's GPU, which needs no
 * window and no display server and stays current until its last import is disposed of. Dispose of imports on the thread that
 * made them. The buffer and the result may be closed in any order.
 *
 * BACKEND_UNAVAILABLE with the reason where there is no OpenGL through EGL, EXTERNAL_HANDLE_MISMATCH where the context is
 * of another GPU or EGL does not have this GPU, EXTERNAL_MEMORY_UNSUPPORTED for host memory and where the driver lacks
 * GL_EXT_memory_object_fd or refuses; INVALID_ARGUMENT, CLOSED, GPU_OUT_OF_MEMORY, SYSTEM.
 */
export function importIntoOpenGl(buffer: MemoryBuffer): OpenGlBuffer {
  const { memory, offset } = gpuAddressOf(buffer);
  return new Memory(native().lf_opengl_import(memory, offset, buffer.sizeBytes));
}

/**
 * A binary semaphore in OpenGL. Context and errors as for importIntoOpenGl (the extension is GL_EXT_semaphore_fd);
 * EXTERNAL_MEMORY_UNSUPPORTED for a timeline, which OpenGL does not have.
 */
export function importSemaphoreIntoOpenGl(semaphore: GpuSemaphore): OpenGlSemaphore {
  return new Semaphore(native().lf_opengl_semaphore_import(semaphoreOf(semaphore)));
}
