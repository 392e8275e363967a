// What any runtime but Bun gets for "lava-flow" and its entries: the reason, not a complaint about how a source is written.

// Every value that an entry exports: without them `import { Channel }` would fail before this module runs.
export let BufferPool,
  Channel,
  ERROR_CODES,
  GpuSemaphore,
  LavaFlowError,
  MemoryAllocator,
  MemoryBuffer,
  ProcessLocation,
  detectScope;
export let HaloExchange, HybridLogicalClock, KernelRuntime, Stencil, Struct;
export let array,
  neighbours2d,
  neighbours3d,
  struct,
  importFromCuda,
  importFromOpenCl,
  importIntoCuda,
  importIntoOpenCl,
  importIntoOpenGl;
export let importSemaphoreIntoCuda, importSemaphoreIntoOpenCl, importSemaphoreIntoOpenGl, interopViability;

const { Deno, process } = globalThis;
const node = process?.versions?.node;
const here = Deno ? `Deno ${Deno.version.deno}` : node ? `Node.js ${node}` : "this runtime";
throw new Error(`lava-flow runs on Bun 1.4 or newer, not on ${here}: start the program with \`bun\``);
