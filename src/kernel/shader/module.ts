/** A translated shader with the compute entry point `main`. Its storage buffers are the bindings of group 0, from 0. */
export interface ComputeModule {
  /** The shader's name in errors. */
  name: string;
  spirv: Uint32Array<ArrayBuffer>;
  /** Invocations of a workgroup, along x. */
  workgroupSize: number;
  /** The number of storage buffers. */
  buffers: number;
  /** 32-bit words of immediate data (push constants). */
  pushWords: number;
  /** The lines of the user's module variables, by their names in `spirv`: for errors. */
  lines?: ReadonlyMap<string, number>;
}
