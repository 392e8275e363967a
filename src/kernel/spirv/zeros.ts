/**
 * Loops that write zeros. WGSL's variables are 0 at first. naga writes an initializer, or a store of the whole value,
 * which drivers unroll: Mesa's software device compiles a workgroup's array of 1,024 words for 15 s.
 */
import { type Instruction, OP, opcode, Rewriter, STORAGE } from "./rewriter.ts";

/** Bytes of a value that is zeroed by one store, at most: compilers keep such a value in registers. */
const ONE_VALUE = 256;
const MODE_LOCAL_SIZE = 17;

class Zeros extends Rewriter {
  readonly #nulls = new Set<number>();
  /** Invocations of a workgroup. */
  #threads = 1;
  /** Private variables, which the entry point zeroes. */
  readonly #privates: number[] = [];
  /** Variables of the current function, which zeroes them at its beginning. */
  #locals: number[] = [];
  #isEntry = false;
  #isStart = false;
  /** The block that is read, and the block that is written: they differ behind a loop. */
  #block = 0;
  #written = 0;
  /** The last written block of each block that was read. */
  readonly #ends = new Map<number, number>();
  #entry = 0;
  /**
   * The last comparison and branch: by them the block is found in which invocation 0 zeroes the workgroup's variables.
   */
  #equal: Instruction | null = null;
  #branch: Instruction | null = null;
  #isFirstInvocation = false;
  /** The workgroup's variables that all invocations zero, in block `#merge`. */
  #shared: number[] = [];
  #merge = 0;

  run(): Uint32Array<ArrayBuffer> {
    return this.rewritten((instruction) => this.#rewrite(instruction));
  }

  #rewrite(instruction: Instruction): void {
    const [, a = 0, b = 0, c = 0] = instruction;
    switch (opcode(instruction)) {
      case OP.ENTRY_POINT:
        this.#entry = b;
        break;
      case OP.EXECUTION_MODE:
        if (b === MODE_LOCAL_SIZE) this.#threads = instruction.subarray(3).reduce((all, side) => all * side, 1);
        break;
      case OP.CONSTANT_NULL:
        this.#nulls.add(b);
        break;
      case OP.FUNCTION:
        this.#isEntry = b === this.#entry;
        this.#isStart = true;
        break;
      case OP.FUNCTION_PARAMETER:
        break;
      case OP.VARIABLE:
        this.#variable(instruction, b, c);
        return;
      case OP.LABEL:
        this.#label(instruction, a);
        return;
      default:
        this.#inBlock(instruction);
        return;
    }
    this.put(instruction);
  }

  /** Drops the initializer where a loop zeroes the variable. */
  #variable(instruction: Instruction, id: number, storage: number): void {
    const isNull = this.#nulls.has(instruction[4] ?? 0);
    if (!(isNull && this.#isLarge(id))) {
      this.put(instruction);
      return;
    }
    this.emit(OP.VARIABLE, ...instruction.subarray(1, 4));
    if (storage === STORAGE.PRIVATE) this.#privates.push(id);
    else this.#locals.push(id);
  }

  #label(instruction: Instruction, id: number): void {
    this.put(instruction);
    this.#block = id;
    this.#written = id;
    const [, condition, whenTrue, whenFalse] = this.#branch ?? [];
    this.#isFirstInvocation = this.#isEntry && whenTrue === id && condition === this.#equal?.[2];
    if (this.#isFirstInvocation) this.#merge = whenFalse ?? 0;
    if (id !== this.#merge) return;
    for (const variable of this.#shared) this.#zero(variable, this.#equal?.[3]);
    this.#shared = [];
  }

  #inBlock(instruction: Instruction): void {
    const [, pointer = 0, value = 0] = instruction;
    const op = opcode(instruction);
    if (this.#isStart && this.#block !== 0) this.#begin();
    if (op === OP.I_EQUAL && this.#shared.length === 0) this.#equal = instruction;
    this.#branch = op === OP.BRANCH_CONDITIONAL ? instruction : null;
    if (op === OP.PHI) this.#phi(instruction);
    else if (!(op === OP.STORE && this.#nulls.has(value) && this.#isLarge(pointer))) this.put(instruction);
    else if (this.#isFirstInvocation && this.typeOf(pointer)[2] === STORAGE.WORKGROUP) this.#shared.push(pointer);
    else this.#zero(pointer);
  }

  /** Zeroes variables at the beginning of a function, behind its declarations. */
  #begin(): void {
    this.#isStart = false;
    for (const variable of this.#isEntry ? this.#privates : []) this.#zero(variable);
    for (const variable of this.#locals) this.#zero(variable);
    this.#locals = [];
  }

  /** Replaces the predecessors of a phi: a block with a loop now ends in the loop's merge block. */
  #phi(instruction: Instruction): void {
    const changed = instruction.slice();
    for (let at = 4; at < changed.length; at += 2) {
      changed[at] = this.#ends.get(changed[at] as number) ?? (changed[at] as number);
    }
    this.put(changed);
  }

  #isLarge(pointer: number): boolean {
    const type = this.typeOf(pointer);
    return opcode(type) === OP.TYPE_POINTER && this.sizeOf(type[3] as number) > ONE_VALUE;
  }

  /** Zeroes the value at a pointer: by one invocation, or, with the id `index` of the invocation's index, by all. */
  #zero(pointer: number, index?: number): void {
    const [, , storage = 0, type = 0] = this.typeOf(pointer);
    this.#zeroPart(pointer, storage, [], type, index);
    this.#ends.set(this.#block, this.#written);
  }

  #zeroPart(base: number, storage: number, path: readonly number[], id: number, index?: number): void {
    const type = this.type(id);
    if (this.sizeOf(id) > ONE_VALUE && opcode(type) === OP.TYPE_ARRAY) {
      const each = (i: number) => this.#zeroPart(base, storage, [...path, i], type[2] as number);
      if (index === undefined) this.#loop(this.uintConstant(0), 1, this.lengthOf(type), each);
      else this.#loop(index, this.#threads, this.lengthOf(type), each);
    } else if (this.sizeOf(id) > ONE_VALUE && opcode(type) === OP.TYPE_STRUCT) {
      for (const [member, its] of type.subarray(2).entries()) {
        this.#zeroPart(base, storage, [...path, this.uintConstant(member)], its, index);
      }
    } else {
      const at = this.emit(OP.ACCESS_CHAIN, this.pointerTo(id, storage), this.newId(), base, ...path);
      this.emit(OP.STORE, at, this.nullOf(id));
    }
  }

  #loop(first: number, step: number, end: number, body: (index: number) => void): void {
    const [header, test, inside, next, merge] = [0, 0, 0, 0, 0].map(() => this.newId()) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const [index, following, condition] = [this.newId(), this.newId(), this.newId()];
    this.emit(OP.BRANCH, header);
    this.emit(OP.LABEL, header);
    this.emit(OP.PHI, this.uint, index, first, this.#written, following, next);
    this.emit(OP.LOOP_MERGE, merge, next, 0);
    this.emit(OP.BRANCH, test);
    this.emit(OP.LABEL, test);
    this.emit(OP.U_LESS_THAN, this.boolType(), condition, index, this.uintConstant(end));
    this.emit(OP.BRANCH_CONDITIONAL, condition, inside, merge);
    this.emit(OP.LABEL, inside);
    this.#written = inside;
    body(index);
    this.emit(OP.BRANCH, next);
    this.emit(OP.LABEL, next);
    this.emit(OP.I_ADD, this.uint, following, index, this.uintConstant(step));
    this.emit(OP.BRANCH, header);
    this.emit(OP.LABEL, merge);
    this.#written = merge;
  }
}

/** The module with loops that zero large variables. */
export function withLoopsOfZeros(words: Uint32Array): Uint32Array<ArrayBuffer> {
  return new Zeros(words).run();
}
