/** lava-flow/interop: the same bytes, and the same order, in CUDA, OpenCL and OpenGL. */
export {
  type CudaMemory,
  type CudaSemaphore,
  importFromCuda,
  importIntoCuda,
  importSemaphoreIntoCuda,
} from "./cuda.ts";
export type { ImportedBuffer } from "./imported-buffer.ts";
export {
  importFromOpenCl,
  importIntoOpenCl,
  importSemaphoreIntoOpenCl,
  type OpenClMemory,
  type OpenClSemaphore,
} from "./opencl.ts";
export { importIntoOpenGl, importSemaphoreIntoOpenGl, type OpenGlBuffer, type OpenGlSemaphore } from "./opengl.ts";
export { type InteropViability, interopViability } from "./viability.ts";
