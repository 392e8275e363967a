import type { MemoryBuffer } from "../memory/buffer.ts";

/** Memory that was born in another API, as a buffer of lava-flow's. */
export interface FromElsewhere {
  /** The caller's, to be closed. */
  buffer: MemoryBuffer;
  /** True: the very same bytes, proved by writing on one side and reading on the other. False: a copy of them. */
  aliased: boolean;
  /** Why it is the one or the other. */
  reason: string;
}
