/** A translated shader: the compute entry point `main`, with its storage buffers as (group 0, binding 0 and up). */
export interface ComputeModule {
  /** For errors. */
  name: string;
  spirv: Uint32Array<ArrayBuffer>;
  /** Invocations of a workgroup, in x. */
  workgroupSize: number;
  buffers: number;
  /** 32-bit words of immediate data (push constants). */
  pushWords: number;
  /** For errors: the lines of the user's module variables, by their names in `spirv`. */
  lines?: ReadonlyMap<string, number>;
}
