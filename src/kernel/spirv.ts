/**
 * Guards for SPIR-V that naga wrote: no index leaves its array, and no loop goes round for ever. naga can do the first for
 * some back ends only, and its bound on loops is 2^64 rounds. Opcodes and words: SPIR-V specification 1.0, section 3.32.
 */
import { LavaFlowError } from "../errors.ts";

const OP = {
  NAME: 5,
  CAPABILITY: 17,
  TYPE_BOOL: 20,
  TYPE_INT: 21,
  TYPE_VECTOR: 23,
  TYPE_MATRIX: 24,
  TYPE_ARRAY: 28,
  TYPE_RUNTIME_ARRAY: 29,
  TYPE_STRUCT: 30,
  TYPE_POINTER: 32,
  CONSTANT: 43,
  FUNCTION: 54,
  FUNCTION_END: 56,
  VARIABLE: 59,
  LOAD: 61,
  STORE: 62,
  ACCESS_CHAIN: 65,
  IN_BOUNDS_ACCESS_CHAIN: 66,
  ARRAY_LENGTH: 68,
  VECTOR_EXTRACT_DYNAMIC: 77,
  VECTOR_INSERT_DYNAMIC: 78,
  BITCAST: 124,
  I_SUB: 130,
  SELECT: 169,
  CONTROL_BARRIER: 224,
  U_LESS_THAN: 176,
  DECORATE: 71,
  LOOP_MERGE: 246,
  LABEL: 248,
  BRANCH: 249,
  BRANCH_CONDITIONAL: 250,
} as const;

const HEADER_WORDS = 5;
const BOUND = 3;
/** Types have their opcodes between these two. */
const [FIRST_TYPE, LAST_TYPE] = [19, 39];
/**
 * Bytes of variables that every device has room for, by their storage class: the limits of WGSL (section 2.4) and WebGPU
 * (3.6.2). Those of a function's are counted for each function.
 */
const ROOM: Record<number, { bytes: number; where: string }> = {
  4: { bytes: 16_384, where: "its workgroup" },
  6: { bytes: 8192, where: "an invocation" },
  7: { bytes: 8192, where: "a function" },
};
const STORAGE_CLASS_FUNCTION = 7;
/** What every device has; all others need features that no device is opened with. */
const CAPABILITY_SHADER = 1;

/** The words of one instruction; the first has its length and opcode. */
type Instruction = Uint32Array;

const opcode = (instruction: Instruction) => (instruction[0] as number) & 0xffff;

function* instructions(words: Uint32Array): Generator<Instruction> {
  for (let at = HEADER_WORDS; at < words.length; ) {
    const length = (words[at] as number) >>> 16;
    if (length === 0 || at + length > words.length) throw unexpected(`an instruction of ${length} words at word ${at}`);
    yield words.subarray(at, at + length);
    at += length;
  }
}

/** naga writes it, and a test holds each of its shapes: this is a new version of naga's, or a fault here. */
function unexpected(what: string): LavaFlowError {
  return new LavaFlowError("SHADER_INVALID", `the guards do not understand naga's SPIR-V: ${what}`, {
    remedy: "Use the version of naga-wasm that the package names",
  });
}

/** Where a runtime array lies: the pointer to its struct, and its place among the members. */
interface RuntimeArray {
  struct: number;
  member: number;
}

class Guard {
  readonly #words: Uint32Array;
  readonly #types = new Map<number, Instruction>();
  readonly #constants = new Map<number, number>();
  /** The type of each value. */
  readonly #valueTypes = new Map<number, number>();
  readonly #runtimeArrays = new Map<number, RuntimeArray>();
  readonly #names = new Map<string, number>();
  readonly #uints = new Map<number, number>();
  readonly #added: number[] = [];
  readonly #out: number[] = [];
  readonly #fuel: ReadonlySet<number>;
  /** Ids of functions whose indices are left as they are. */
  readonly #trusted: ReadonlySet<number>;
  #isTrusted = false;
  #fuelId = 0;
  #uint = 0;
  #bool = 0;
  #bound: number;

  constructor(words: Uint32Array, trusted: ReadonlySet<string>) {
    this.#words = words;
    this.#bound = words[BOUND] as number;
    for (const instruction of instructions(words)) this.#learn(instruction);
    this.#checkRoom();
    this.#fuel = boundsOfLoops(words);
    this.#trusted = new Set([...this.#names].filter(([name]) => trusted.has(name)).map(([, id]) => id));
  }

  #learn(instruction: Instruction): void {
    const [, a = 0, b = 0, c = 0] = instruction;
    const op = opcode(instruction);
    if (op === OP.CAPABILITY && a !== CAPABILITY_SHADER) {
      throw new LavaFlowError(
        "SHADER_INVALID",
        `it needs the capability ${a} of SPIR-V, which devices are not opened with`,
        {
          remedy: "Use the types i32, u32, f32 and bool, and no extensions of WGSL",
        },
      );
    }
    if (op === OP.NAME) this.#names.set(text(instruction, 2), a);
    else if (op >= FIRST_TYPE && op <= LAST_TYPE) {
      this.#types.set(a, instruction);
      if (op === OP.TYPE_INT && b === 32 && c === 0) this.#uint = a;
      if (op === OP.TYPE_BOOL) this.#bool = a;
    } else if (this.#types.has(a) && op !== OP.NAME) {
      this.#valueTypes.set(b, a);
      if (op === OP.CONSTANT) this.#constants.set(b, c);
    }
  }

  /** A driver that gets too large a variable may take the process with it. */
  #checkRoom(): void {
    const used: Record<number, number> = {};
    for (const instruction of instructions(this.#words)) {
      const [, type = 0, , storage = 0] = instruction;
      if (opcode(instruction) === OP.FUNCTION_END) used[STORAGE_CLASS_FUNCTION] = 0;
      const room = opcode(instruction) === OP.VARIABLE ? ROOM[storage] : undefined;
      if (!room) continue;
      const bytes = (used[storage] ?? 0) + this.#sizeOf(this.#type(type)[3] as number);
      used[storage] = bytes;
      if (bytes <= room.bytes) continue;
      throw new LavaFlowError("SHADER_INVALID", `the variables of ${room.where} need ${bytes} bytes of ${room.bytes}`, {
        remedy: "Keep large arrays in the kernel's state",
      });
    }
  }

  /** Bytes of a value, at least. */
  #sizeOf(id: number): number {
    const type = this.#type(id);
    switch (opcode(type)) {
      case OP.TYPE_VECTOR:
      case OP.TYPE_MATRIX:
        return (type[3] as number) * this.#sizeOf(type[2] as number);
      case OP.TYPE_ARRAY:
        return (this.#constants.get(type[3] as number) ?? 0) * this.#sizeOf(type[2] as number);
      case OP.TYPE_STRUCT:
        return type.subarray(2).reduce((sum, member) => sum + this.#sizeOf(member), 0);
      default:
        return 4;
    }
  }

  /** The whole module, guarded. `fuel` is the name of the private variable, vec2<u32>, that loops count down. */
  run(fuel: string): Uint32Array<ArrayBuffer> {
    this.#fuelId = this.#names.get(fuel) ?? 0;
    if (this.#fuel.size > 0 && this.#fuelId === 0) throw unexpected(`there is no ${fuel}`);
    if (this.#uint === 0) throw unexpected("there is no u32");
    let firstFunction = -1;
    for (const instruction of instructions(this.#words)) {
      if (firstFunction < 0 && opcode(instruction) === OP.FUNCTION) firstFunction = this.#out.length;
      this.#guard(instruction);
    }
    if (firstFunction < 0) firstFunction = this.#out.length;
    const all = [
      ...this.#words.subarray(0, HEADER_WORDS),
      ...this.#out.slice(0, firstFunction),
      ...this.#added,
      ...this.#out.slice(firstFunction),
    ];
    all[BOUND] = this.#bound;
    return Uint32Array.from(all);
  }

  #guard(instruction: Instruction): void {
    const op = opcode(instruction);
    if (op === OP.FUNCTION) this.#isTrusted = this.#trusted.has(instruction[2] as number);
    if (op === OP.LOAD && this.#fuel.has(instruction[3] as number)) this.#with(instruction, 3, this.#fuelId);
    else if (op === OP.STORE && this.#fuel.has(instruction[1] as number)) this.#with(instruction, 1, this.#fuelId);
    // WGSL's barriers are of the workgroup's memory accesses (section 17.11); naga makes them of the whole device's.
    else if (op === OP.CONTROL_BARRIER) this.#with(instruction, 2, instruction[1] as number);
    else if (this.#isTrusted) this.#put(instruction);
    else if (op === OP.ACCESS_CHAIN || op === OP.IN_BOUNDS_ACCESS_CHAIN) this.#chain(instruction);
    else if (op === OP.VECTOR_EXTRACT_DYNAMIC) this.#dynamic(instruction, 3, 4);
    else if (op === OP.VECTOR_INSERT_DYNAMIC) this.#dynamic(instruction, 3, 5);
    else this.#put(instruction);
  }

  #put(instruction: ArrayLike<number>): void {
    for (let i = 0; i < instruction.length; i++) this.#out.push(instruction[i] as number);
  }

  #with(instruction: Instruction, at: number, id: number): void {
    const changed = instruction.slice();
    changed[at] = id;
    this.#put(changed);
  }

  #emit(op: number, ...operands: number[]): number {
    this.#out.push(((operands.length + 1) << 16) | op, ...operands);
    return operands[1] as number;
  }

  #newId(): number {
    return this.#bound++;
  }

  #uintConstant(value: number): number {
    const known = this.#uints.get(value);
    if (known !== undefined) return known;
    const id = this.#newId();
    this.#added.push((4 << 16) | OP.CONSTANT, this.#uint, id, value);
    this.#uints.set(value, id);
    return id;
  }

  #boolType(): number {
    if (this.#bool === 0) {
      this.#bool = this.#newId();
      this.#added.push((2 << 16) | OP.TYPE_BOOL, this.#bool);
    }
    return this.#bool;
  }

  #type(id: number): Instruction {
    const type = this.#types.get(id);
    if (!type) throw unexpected(`${id} is no type`);
    return type;
  }

  #typeOf(value: number): Instruction {
    return this.#type(this.#valueTypes.get(value) ?? 0);
  }

  /** `index`, or `last` where it is greater; `last` is a value. */
  #clamped(index: number, length: number, last: number): number {
    const type = this.#typeOf(index);
    if (opcode(type) !== OP.TYPE_INT || type[2] !== 32) throw unexpected("an index that is no 32-bit integer");
    const unsigned = type[1] === this.#uint ? index : this.#emit(OP.BITCAST, this.#uint, this.#newId(), index);
    const inside = this.#emit(OP.U_LESS_THAN, this.#boolType(), this.#newId(), unsigned, length);
    return this.#emit(OP.SELECT, this.#uint, this.#newId(), inside, unsigned, last);
  }

  /** An index into something with `length` elements. */
  #fixed(index: number, length: number): number {
    const constant = this.#constants.get(index);
    if (constant !== undefined && constant < length) return index;
    return this.#clamped(index, this.#uintConstant(length), this.#uintConstant(length - 1));
  }

  #runtime(index: number, { struct, member }: RuntimeArray): number {
    const length = this.#emit(OP.ARRAY_LENGTH, this.#uint, this.#newId(), struct, member);
    const last = this.#emit(OP.I_SUB, this.#uint, this.#newId(), length, this.#uintConstant(1));
    return this.#clamped(index, length, last);
  }

  #dynamic(instruction: Instruction, vector: number, index: number): void {
    const length = this.#typeOf(instruction[vector] as number)[3] as number;
    this.#with(instruction, index, this.#fixed(instruction[index] as number, length));
  }

  #chain(instruction: Instruction): void {
    const changed = instruction.slice();
    const [, , result = 0, base = 0] = instruction;
    let type = this.#type(this.#typeOf(base)[3] as number);
    let runtime = this.#runtimeArrays.get(base);
    for (let at = 4; at < instruction.length; at++) {
      const index = instruction[at] as number;
      let element: number;
      switch (opcode(type)) {
        case OP.TYPE_STRUCT: {
          const member = this.#constants.get(index);
          if (member === undefined) throw unexpected("a member that is no constant");
          element = type[2 + member] as number;
          // Runtime arrays stand in the outermost struct.
          runtime = at === 4 ? { struct: base, member } : undefined;
          break;
        }
        case OP.TYPE_ARRAY:
          changed[at] = this.#fixed(index, this.#constants.get(type[3] as number) as number);
          element = type[2] as number;
          break;
        case OP.TYPE_RUNTIME_ARRAY:
          if (!runtime) throw unexpected("a runtime array of which the struct is not known");
          changed[at] = this.#runtime(index, runtime);
          element = type[2] as number;
          break;
        case OP.TYPE_VECTOR:
        case OP.TYPE_MATRIX:
          changed[at] = this.#fixed(index, type[3] as number);
          element = type[2] as number;
          break;
        default:
          throw unexpected(`an access chain into type ${opcode(type)}`);
      }
      type = this.#type(element);
    }
    if (runtime && opcode(type) === OP.TYPE_RUNTIME_ARRAY) this.#runtimeArrays.set(result, runtime);
    this.#put(changed);
  }
}

/** A string, from word `at` of an instruction. */
function text(instruction: Instruction, at: number): string {
  const bytes = new Uint8Array(instruction.slice(at).buffer);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/**
 * The variables, vec2<u32>, by which naga bounds loops. Each loop begins with a block that loads one, and leaves through
 * the loop's merge block if it is 0; then one is subtracted.
 */
function boundsOfLoops(words: Uint32Array): Set<number> {
  const all = [...instructions(words)];
  const labels = new Map<number, number>();
  for (const [at, instruction] of all.entries()) {
    if (opcode(instruction) === OP.LABEL) labels.set(instruction[1] as number, at);
  }
  const bounds = new Set<number>();
  for (const [at, instruction] of all.entries()) {
    if (opcode(instruction) !== OP.LOOP_MERGE) continue;
    const branch = all[at + 1];
    const first = branch && opcode(branch) === OP.BRANCH ? labels.get(branch[1] as number) : undefined;
    const load = first === undefined ? undefined : all[first + 1];
    const leave = first === undefined ? undefined : all[first + 5];
    const bounded =
      load &&
      leave &&
      opcode(load) === OP.LOAD &&
      opcode(leave) === OP.BRANCH_CONDITIONAL &&
      leave[2] === instruction[1];
    if (!bounded) throw unexpected("a loop without a bound");
    bounds.add(load[3] as number);
  }
  return bounds;
}

/**
 * Clamps each index that is not known before it runs to the last element, and lets all loops count down the private
 * variable `fuel`, a vec2<u32> of a high and a low word: where that is 0, every loop ends at once. In the functions that are
 * `trusted`, by name, indices stay as they are: the library's own keep theirs inside.
 */
export function guarded(
  words: Uint32Array,
  fuel: string,
  trusted: ReadonlySet<string> = new Set(),
): Uint32Array<ArrayBuffer> {
  return new Guard(words, trusted).run(fuel);
}
