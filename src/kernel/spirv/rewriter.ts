/** SPIR-V as words: its instructions, the declarations of a module, and a base class that rewrites a module. */
import { LavaFlowError } from "../../errors.ts";
import { cString } from "../../native/c-string.ts";

/** Opcodes of the SPIR-V specification 1.0, section 3.32. */
export const OP = {
  NAME: 5,
  EXTENSION: 10,
  CAPABILITY: 17,
  TYPE_BOOL: 20,
  TYPE_INT: 21,
  TYPE_FLOAT: 22,
  TYPE_VECTOR: 23,
  TYPE_MATRIX: 24,
  TYPE_ARRAY: 28,
  TYPE_RUNTIME_ARRAY: 29,
  TYPE_STRUCT: 30,
  TYPE_POINTER: 32,
  CONSTANT: 43,
  CONSTANT_COMPOSITE: 44,
  CONSTANT_NULL: 46,
  ENTRY_POINT: 15,
  EXECUTION_MODE: 16,
  FUNCTION: 54,
  FUNCTION_PARAMETER: 55,
  FUNCTION_END: 56,
  FUNCTION_CALL: 57,
  VARIABLE: 59,
  LOAD: 61,
  STORE: 62,
  ACCESS_CHAIN: 65,
  IN_BOUNDS_ACCESS_CHAIN: 66,
  ARRAY_LENGTH: 68,
  DECORATE: 71,
  VECTOR_EXTRACT_DYNAMIC: 77,
  VECTOR_INSERT_DYNAMIC: 78,
  COMPOSITE_EXTRACT: 81,
  BITCAST: 124,
  I_ADD: 128,
  I_SUB: 130,
  SELECT: 169,
  I_EQUAL: 170,
  U_LESS_THAN: 176,
  CONTROL_BARRIER: 224,
  PHI: 245,
  LOOP_MERGE: 246,
  SELECTION_MERGE: 247,
  LABEL: 248,
  BRANCH: 249,
  BRANCH_CONDITIONAL: 250,
  SWITCH: 251,
} as const;

export const STORAGE = { WORKGROUP: 4, PRIVATE: 6, FUNCTION: 7, STORAGE_BUFFER: 12 } as const;

const HEADER_WORDS = 5;
/** Indices of words of the header. */
export const VERSION = 1;
const BOUND = 3;
/** The first and the last opcode of types. */
const [FIRST_TYPE, LAST_TYPE] = [19, 39];

/** The words of one instruction; the first has its length and opcode. */
export type Instruction = Uint32Array;

export const opcode = (instruction: Instruction) => (instruction[0] as number) & 0xffff;

export function* instructions(words: Uint32Array): Generator<Instruction> {
  for (let at = HEADER_WORDS; at < words.length; ) {
    const length = (words[at] as number) >>> 16;
    if (length === 0 || at + length > words.length) throw unexpected(`an instruction of ${length} words at word ${at}`);
    yield words.subarray(at, at + length);
    at += length;
  }
}

/** The error for SPIR-V that naga 30 does not write: another version of naga, or an error here. */
export function unexpected(what: string): LavaFlowError {
  return new LavaFlowError("SHADER_INVALID", `the guards do not understand naga's SPIR-V: ${what}`, {
    remedy: "Use the version of naga-wasm that the package names",
  });
}

/** A string, from word `at` of an instruction. */
export function text(instruction: Instruction, at: number): string {
  return cString(new Uint8Array(instruction.slice(at).buffer));
}

/** Rewrites a module, instruction by instruction. */
export class Rewriter {
  readonly words: Uint32Array;
  readonly types = new Map<number, Instruction>();
  /** Values of scalar constants, by id. */
  readonly constants = new Map<number, number>();
  readonly names = new Map<string, number>();
  /** The names of values, by id. */
  readonly named = new Map<number, string>();
  /** Pointer types by storage class and type. A module may not declare one twice. */
  readonly #pointers = new Map<string, number>();
  /** The type of each value, by id. */
  readonly #valueTypes = new Map<number, number>();
  readonly #uints = new Map<number, number>();
  readonly #nulls = new Map<number, number>();
  readonly #added: number[] = [];
  readonly #out: number[] = [];
  protected uint = 0;
  #bool = 0;
  #bound: number;

  constructor(words: Uint32Array) {
    this.words = words;
    this.#bound = words[BOUND] as number;
    for (const instruction of instructions(words)) this.#learn(instruction);
  }

  #learn(instruction: Instruction): void {
    const [, a = 0, b = 0, c = 0] = instruction;
    const op = opcode(instruction);
    if (op === OP.NAME) {
      const name = text(instruction, 2);
      this.names.set(name, a);
      this.named.set(a, name);
    } else if (op >= FIRST_TYPE && op <= LAST_TYPE) {
      this.types.set(a, instruction);
      if (op === OP.TYPE_INT && b === 32 && c === 0) this.uint = a;
      if (op === OP.TYPE_BOOL) this.#bool = a;
      if (op === OP.TYPE_POINTER) this.#pointers.set(`${b} ${c}`, a);
    } else if (this.types.has(a)) {
      this.#valueTypes.set(b, a);
      if (op === OP.CONSTANT) this.constants.set(b, c);
    }
  }

  /** Calls `rewrite` with each instruction; `rewrite` puts the instruction, or others, into the new module. */
  protected rewritten(rewrite: (instruction: Instruction) => void): Uint32Array<ArrayBuffer> {
    let firstFunction = -1;
    for (const instruction of instructions(this.words)) {
      if (firstFunction < 0 && opcode(instruction) === OP.FUNCTION) firstFunction = this.#out.length;
      rewrite(instruction);
    }
    if (firstFunction < 0) firstFunction = this.#out.length;
    const header = this.words.slice(0, HEADER_WORDS);
    header[BOUND] = this.#bound;
    const out = new Uint32Array(HEADER_WORDS + this.#out.length + this.#added.length);
    out.set(header);
    out.set(this.#out.slice(0, firstFunction), HEADER_WORDS);
    out.set(this.#added, HEADER_WORDS + firstFunction);
    out.set(this.#out.slice(firstFunction), HEADER_WORDS + firstFunction + this.#added.length);
    return out;
  }

  protected put(instruction: ArrayLike<number>): void {
    for (let i = 0; i < instruction.length; i++) this.#out.push(instruction[i] as number);
  }

  protected with(instruction: Instruction, at: number, id: number): void {
    const changed = instruction.slice();
    changed[at] = id;
    this.put(changed);
  }

  /** Puts an instruction. Returns its second operand: the result's id, where the first one is the type. */
  protected emit(op: number, ...operands: number[]): number {
    this.#out.push(((operands.length + 1) << 16) | op, ...operands);
    return operands[1] as number;
  }

  /** Adds an instruction before all functions. */
  protected add(op: number, ...operands: number[]): void {
    this.#added.push(((operands.length + 1) << 16) | op, ...operands);
  }

  protected newId(): number {
    return this.#bound++;
  }

  protected uintConstant(value: number): number {
    const known = this.#uints.get(value);
    if (known !== undefined) return known;
    const id = this.newId();
    this.add(OP.CONSTANT, this.uint, id, value);
    this.#uints.set(value, id);
    return id;
  }

  protected nullOf(type: number): number {
    const known = this.#nulls.get(type);
    if (known !== undefined) return known;
    const id = this.newId();
    this.add(OP.CONSTANT_NULL, type, id);
    this.#nulls.set(type, id);
    return id;
  }

  protected boolType(): number {
    if (this.#bool === 0) {
      this.#bool = this.newId();
      this.add(OP.TYPE_BOOL, this.#bool);
    }
    return this.#bool;
  }

  protected pointerTo(type: number, storage: number): number {
    const key = `${storage} ${type}`;
    const known = this.#pointers.get(key);
    if (known !== undefined) return known;
    const id = this.newId();
    this.add(OP.TYPE_POINTER, id, storage, type);
    this.#pointers.set(key, id);
    return id;
  }

  protected type(id: number): Instruction {
    const type = this.types.get(id);
    if (!type) throw unexpected(`${id} is no type`);
    return type;
  }

  protected typeOf(value: number): Instruction {
    return this.type(this.#valueTypes.get(value) ?? 0);
  }

  /** The length of an array type; 0 where it is no constant. */
  protected lengthOf(array: Instruction): number {
    return this.constants.get(array[3] as number) ?? 0;
  }

  /** Whether a type is f16, or a vector of it. */
  protected isF16(id: number): boolean {
    const type = this.type(id);
    return opcode(type) === OP.TYPE_VECTOR
      ? this.isF16(type[2] as number)
      : opcode(type) === OP.TYPE_FLOAT && type[2] === 16;
  }

  /** Bytes of a type in WGSL's layout (section 14.4.1). */
  protected sizeOf(id: number): number {
    return this.#layoutOf(id)[0];
  }

  /** Size and alignment of a type, bytes. */
  #layoutOf(id: number): [number, number] {
    const type = this.type(id);
    switch (opcode(type)) {
      case OP.TYPE_VECTOR: {
        const count = type[3] as number;
        const [size] = this.#layoutOf(type[2] as number);
        return [size * count, size * (count === 2 ? 2 : 4)];
      }
      case OP.TYPE_MATRIX: {
        const [size, align] = this.#layoutOf(type[2] as number);
        return [(type[3] as number) * rounded(size, align), align];
      }
      case OP.TYPE_ARRAY: {
        const [size, align] = this.#layoutOf(type[2] as number);
        return [this.lengthOf(type) * rounded(size, align), align];
      }
      case OP.TYPE_STRUCT: {
        let [end, most] = [0, 1];
        for (const member of type.subarray(2)) {
          const [size, align] = this.#layoutOf(member);
          end = rounded(end, align) + size;
          most = Math.max(most, align);
        }
        return [rounded(end, most), most];
      }
      case OP.TYPE_FLOAT: {
        const bytes = (type[2] as number) / 8;
        return [bytes, bytes];
      }
      default:
        return [4, 4];
    }
  }
}

const rounded = (bytes: number, align: number) => Math.ceil(bytes / align) * align;
