/**
 * Guards for naga's SPIR-V: every index stays within its array, and every loop ends. naga-wasm has no option for bounds
 * of indices in SPIR-V, and naga's limit of loops is 2^64 iterations. Opcodes: SPIR-V specification 1.0, section 3.32.
 */
import { LavaFlowError } from "../../errors.ts";
import { ALWAYS, SUBGROUP_F16 } from "../wgsl/extensions.ts";
import { ownName } from "../wgsl/front.ts";
import {
  type Instruction,
  instructions,
  OP,
  opcode,
  Rewriter,
  STORAGE,
  text,
  unexpected,
  VERSION,
} from "./rewriter.ts";
import { withTables } from "./tables.ts";
import { withLoopsOfZeros } from "./zeros.ts";

/**
 * Bytes of a body's own variables, at most, by their storage class: the limits of WGSL (section 2.4) and WebGPU
 * (3.6.2), which every device meets. The limit of functions applies to each function. The limit of a workgroup is the
 * device's.
 */
const MEMORY_LIMITS: Record<number, { bytes: number; where: string }> = {
  [STORAGE.PRIVATE]: { bytes: 8192, where: "an invocation" },
  [STORAGE.FUNCTION]: { bytes: 8192, where: "a function" },
};
/** Names of the library's variables. */
const LIBRARY = /^lf_(?![ubs]_)/;
const IN_STATE = "Keep large arrays in the kernel's state";
/**
 * Instructions of a function with its calls inlined, at most: eight times as many as a body of 32,000 statements has,
 * each with two calls of the library. Only bodies whose size grows exponentially with their text have more.
 */
const INLINED_MAX = 2 ** 24;
/** The capability Float16. */
const FLOAT16 = 9;
/** Capabilities for f16 in buffers, and their extension. naga adds them to Float16; no buffer here has f16. */
const FLOAT16_IN_BUFFERS: ReadonlySet<number> = new Set([4433, 4434, 4436]);
const BUFFERS_EXTENSION = "SPV_KHR_16bit_storage";
/**
 * First and last capability of subgroups (GroupNonUniform...) and their instructions; the SPIR-V version that has them.
 */
const SUBGROUP_CAPABILITIES = [61, 68] as const;
const SUBGROUP_INSTRUCTIONS = [333, 366] as const;
const VERSION_1_3 = 0x10300;
const isIn = ([first, last]: readonly [number, number], value: number) => first <= value && value <= last;

/** The refused thing in a user's part: a capability, a function `of`, or a variable of a function or of the module. */
export interface Subject {
  readonly capability?: number;
  readonly variable?: string;
  readonly of?: string;
}

export class GuardRefusal extends LavaFlowError {
  readonly subject: Subject;

  constructor(what: string, remedy: string, subject: Subject) {
    super("SHADER_INVALID", what, { remedy });
    this.subject = subject;
  }
}

/** A runtime array: the pointer to its struct, and the index of the member. */
interface RuntimeArray {
  struct: number;
  member: number;
}

class Variables extends Rewriter {
  /**
   * Bytes of the workgroup's variables: `users`, the body's; `own`, the library's; and the name of the body's largest.
   */
  workgroup(): { users: number; own: number; largest: string } {
    const used = { users: 0, own: 0, largest: "" };
    let most = 0;
    for (const instruction of instructions(this.words)) {
      const [, type = 0, id = 0, storage = 0] = instruction;
      if (opcode(instruction) !== OP.VARIABLE || storage !== STORAGE.WORKGROUP) continue;
      const bytes = this.sizeOf(this.type(type)[3] as number);
      used[this.isOwn(id) ? "own" : "users"] += bytes;
      if (!this.isOwn(id) && bytes > most) [most, used.largest] = [bytes, this.named.get(id) ?? ""];
    }
    return used;
  }

  /** Whether a variable is the library's. */
  protected isOwn(id: number): boolean {
    return LIBRARY.test(this.named.get(id) ?? "");
  }
}

class Guard extends Variables {
  readonly #runtimeArrays = new Map<number, RuntimeArray>();
  readonly #fuel: ReadonlySet<number>;
  /** Ids of functions whose indices are not clamped. */
  readonly #trusted: ReadonlySet<number>;
  #isTrusted = false;
  #fuelId = 0;
  #hasSubgroups = false;

  constructor(words: Uint32Array, trusted: ReadonlySet<string>, allowed: ReadonlySet<number>) {
    super(words);
    this.#fuel = boundsOfLoops(words);
    this.#check(allowed);
    this.#checkCalls();
    this.#trusted = new Set([...this.names].filter(([name]) => trusted.has(name)).map(([, id]) => id));
  }

  /** Checks capabilities and variables: a driver may crash the process on too large a variable. */
  #check(allowed: ReadonlySet<number>): void {
    const used: Record<number, number> = {};
    let of: string | undefined;
    for (const instruction of instructions(this.words)) {
      const [, type = 0, id = 0, storage = 0] = instruction;
      const op = opcode(instruction);
      if (op === OP.FUNCTION) of = this.named.get(id);
      if (op === OP.CAPABILITY) this.#need(type, allowed);
      if (isIn(SUBGROUP_INSTRUCTIONS, op) && this.isF16(type)) this.#need(SUBGROUP_F16, allowed);
      if (op === OP.FUNCTION_END) used[STORAGE.FUNCTION] = 0;
      const isUsers = op === OP.VARIABLE && !this.isOwn(id) && !this.#fuel.has(id);
      const limit = isUsers ? MEMORY_LIMITS[storage] : undefined;
      if (!limit) continue;
      const bytes = (used[storage] ?? 0) + this.sizeOf(this.type(type)[3] as number);
      used[storage] = bytes;
      if (bytes <= limit.bytes) continue;
      const what = `the variables of ${limit.where} need ${bytes} bytes of ${limit.bytes}`;
      throw new GuardRefusal(what, IN_STATE, { variable: this.named.get(id), of });
    }
  }

  /** Drivers inline calls: a chain of forty functions that call the next one twice would not compile in any time. */
  #checkCalls(): void {
    const written = new Map<number, number>();
    let [of, all] = [0, 0];
    for (const instruction of instructions(this.words)) {
      const op = opcode(instruction);
      if (op === OP.FUNCTION) [of, all] = [instruction[2] as number, 0];
      // naga writes each function behind the functions that it calls.
      all += op === OP.FUNCTION_CALL ? (written.get(instruction[3] as number) ?? 0) : 1;
      if (op !== OP.FUNCTION_END) continue;
      written.set(of, all);
      if (all <= INLINED_MAX) continue;
      const what = `a function has ${all} instructions, with those of all that it calls, of ${INLINED_MAX}`;
      throw new GuardRefusal(what, "Replace repeated calls by a loop", { of: this.named.get(of) });
    }
  }

  /** The guarded module. `fuel` is the name of the private variable, a vec2<u32>, that loops count down. */
  run(fuel: string): Uint32Array<ArrayBuffer> {
    this.#fuelId = this.names.get(fuel) ?? 0;
    if (this.#fuel.size > 0 && this.#fuelId === 0) throw unexpected(`there is no ${fuel}`);
    if (this.uint === 0) throw unexpected("there is no u32");
    const guarded = this.rewritten((instruction) => this.#guard(instruction));
    if (this.#hasSubgroups) guarded[VERSION] = Math.max(guarded[VERSION] as number, VERSION_1_3);
    return guarded;
  }

  #need(capability: number, allowed: ReadonlySet<number>): void {
    if (isIn(SUBGROUP_CAPABILITIES, capability)) this.#hasSubgroups = true;
    if (allowed.has(FLOAT16) && FLOAT16_IN_BUFFERS.has(capability)) return;
    if (!allowed.has(capability))
      throw new GuardRefusal(`it needs the capability ${capability}`, "Do without it", { capability });
  }

  #guard(instruction: Instruction): void {
    const op = opcode(instruction);
    if (op === OP.CAPABILITY && FLOAT16_IN_BUFFERS.has(instruction[1] as number)) return;
    if (op === OP.EXTENSION && text(instruction, 1) === BUFFERS_EXTENSION) return;
    if (op === OP.FUNCTION) this.#isTrusted = this.#trusted.has(instruction[2] as number);
    if (op === OP.LOAD && this.#fuel.has(instruction[3] as number)) this.with(instruction, 3, this.#fuelId);
    else if (op === OP.STORE && this.#fuel.has(instruction[1] as number)) this.with(instruction, 1, this.#fuelId);
    else if (op === OP.VARIABLE && this.#fuel.has(instruction[2] as number)) return;
    else if (op === OP.NAME && this.#fuel.has(instruction[1] as number)) return;
    // The scope of WGSL's barriers is the workgroup (section 17.11); naga's memory scope is the device.
    else if (op === OP.CONTROL_BARRIER) this.with(instruction, 2, instruction[1] as number);
    else if (this.#isTrusted) this.put(instruction);
    else if (op === OP.ACCESS_CHAIN || op === OP.IN_BOUNDS_ACCESS_CHAIN) this.#chain(instruction);
    else if (op === OP.VECTOR_EXTRACT_DYNAMIC) this.#dynamic(instruction, 3, 4);
    else if (op === OP.VECTOR_INSERT_DYNAMIC) this.#dynamic(instruction, 3, 5);
    else this.put(instruction);
  }

  /** `index` where it is below `length`, and otherwise `last`. All are ids of values. */
  #clamped(index: number, length: number, last: number): number {
    const type = this.typeOf(index);
    if (opcode(type) !== OP.TYPE_INT || type[2] !== 32) throw unexpected("an index that is no 32-bit integer");
    const unsigned = type[1] === this.uint ? index : this.emit(OP.BITCAST, this.uint, this.newId(), index);
    const inside = this.emit(OP.U_LESS_THAN, this.boolType(), this.newId(), unsigned, length);
    return this.emit(OP.SELECT, this.uint, this.newId(), inside, unsigned, last);
  }

  /** The clamped index into an array or vector of `length` elements; an id. */
  #fixed(index: number, length: number): number {
    const constant = this.constants.get(index);
    if (constant !== undefined && constant < length) return index;
    return this.#clamped(index, this.uintConstant(length), this.uintConstant(length - 1));
  }

  #runtime(index: number, { struct, member }: RuntimeArray): number {
    const length = this.emit(OP.ARRAY_LENGTH, this.uint, this.newId(), struct, member);
    const last = this.emit(OP.I_SUB, this.uint, this.newId(), length, this.uintConstant(1));
    return this.#clamped(index, length, last);
  }

  #dynamic(instruction: Instruction, vector: number, index: number): void {
    const length = this.typeOf(instruction[vector] as number)[3] as number;
    this.with(instruction, index, this.#fixed(instruction[index] as number, length));
  }

  #chain(instruction: Instruction): void {
    const changed = instruction.slice();
    const [, , result = 0, base = 0] = instruction;
    let type = this.type(this.typeOf(base)[3] as number);
    let runtime = this.#runtimeArrays.get(base);
    for (let at = 4; at < instruction.length; at++) {
      const index = instruction[at] as number;
      let element: number;
      switch (opcode(type)) {
        case OP.TYPE_STRUCT: {
          const member = this.constants.get(index);
          if (member === undefined) throw unexpected("a member that is no constant");
          element = type[2 + member] as number;
          // Runtime arrays are members of the outermost struct only.
          runtime = at === 4 ? { struct: base, member } : undefined;
          break;
        }
        case OP.TYPE_ARRAY:
          changed[at] = this.#fixed(index, this.constants.get(type[3] as number) as number);
          element = type[2] as number;
          break;
        case OP.TYPE_RUNTIME_ARRAY:
          if (!runtime) throw unexpected("a runtime array in no known struct");
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
      type = this.type(element);
    }
    if (runtime && opcode(type) === OP.TYPE_RUNTIME_ARRAY) this.#runtimeArrays.set(result, runtime);
    this.put(changed);
  }
}

/**
 * The variables, vec2<u32>, by which naga limits loops. Each loop begins with a block that loads such a variable,
 * branches to the loop's merge block if it is 0, and otherwise subtracts 1.
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
 * Clamps each index that is no constant to the last element. Makes all loops count down the private variable `fuel`, a
 * vec2<u32> of a high and a low word: while it is 0, every loop ends at once. Indices in the functions `trusted`, by
 * name, are not clamped: the library's own functions check theirs. Each constant table becomes one variable
 * (tables.ts), and large variables are zeroed by loops (zeros.ts). Throws GuardRefusal for a capability that is not
 * `allowed`.
 */
export function guarded(
  words: Uint32Array,
  fuel: string,
  trusted: ReadonlySet<string> = new Set(),
  allowed: ReadonlySet<number> = ALWAYS,
): Uint32Array<ArrayBuffer> {
  return withLoopsOfZeros(new Guard(withTables(words), trusted, allowed).run(fuel));
}

interface Shader {
  readonly spirv: Uint32Array;
  readonly name: string;
  /** The lines of a body's module variables. */
  readonly lines?: ReadonlyMap<string, number>;
}

/**
 * Throws SHADER_INVALID where the workgroup's variables need more than the `most` bytes that `device` has for them:
 * drivers need not check this.
 */
export function checkWorkgroup({ spirv, name, lines }: Shader, most: number, device: string): void {
  const { users, own, largest } = new Variables(spirv).workgroup();
  if (users + own <= most) return;
  const what = `the variables of its workgroup need ${users} bytes, and ${device} has ${most - own}`;
  const line = lines?.get(largest);
  const where = line === undefined ? "" : `: ${ownName(largest)} in line ${line}`;
  throw new LavaFlowError("SHADER_INVALID", `the WGSL of ${name}: ${what}${where}`, { remedy: IN_STATE });
}
