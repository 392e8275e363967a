/**
 * One variable for a buffer that WGSL declares twice: as words, and as atomics. WGSL has atomic types, whose reads are
 * all atomic, and compilers can't combine atomic reads. SPIR-V has atomic operations and no atomic types.
 */
import { type Instruction, OP, opcode, Rewriter, STORAGE } from "./rewriter.ts";

class Shared extends Rewriter {
  readonly #words: number;
  readonly #atomics: number;

  constructor(spirv: Uint32Array, words: string, atomics: string) {
    super(spirv);
    this.#words = this.names.get(words) ?? 0;
    this.#atomics = this.names.get(atomics) ?? 0;
  }

  run(): Uint32Array {
    return this.#atomics === 0 ? this.words : this.rewritten((instruction) => this.#rewrite(instruction));
  }

  #rewrite(instruction: Instruction): void {
    const [, target = 0, id = 0, base = 0] = instruction;
    const op = opcode(instruction);
    if ((op === OP.NAME || op === OP.DECORATE) && target === this.#atomics) return;
    if (op === OP.VARIABLE && id === this.#atomics) return;
    if (op !== OP.ACCESS_CHAIN || base !== this.#atomics) {
      this.put(instruction);
      return;
    }
    // naga wraps each buffer in a struct: its access chains select the array in the struct, then the word in the array.
    const changed = instruction.slice();
    const struct = this.type(this.typeOf(this.#words)[3] as number);
    changed[1] = this.pointerTo(struct[2] as number, STORAGE.STORAGE_BUFFER);
    changed[3] = this.#words;
    this.put(changed);
  }
}

/**
 * The module with the buffer `words` instead of the buffer `atomics`, an array. Without `atomics` it stays unchanged.
 */
export function withSharedWords(spirv: Uint32Array, words: string, atomics: string): Uint32Array {
  return new Shared(spirv, words, atomics).run();
}
