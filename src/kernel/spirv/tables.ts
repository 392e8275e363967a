/**
 * One variable for each constant table. naga copies a constant array into a variable of the function for each lookup
 * with an index that is no constant. Drivers keep all copies: a table of 256 words that is read in eight places takes 8
 * KiB.
 */
import { type Instruction, instructions, OP, opcode, Rewriter, STORAGE } from "./rewriter.ts";

class Tables extends Rewriter {
  /** The constant of each variable that is a copy of one and is only read. */
  readonly #copies: ReadonlyMap<number, number>;
  /** The private variable of each constant. */
  readonly #tables = new Map<number, number>();

  constructor(words: Uint32Array) {
    super(words);
    this.#copies = this.#findCopies();
  }

  /** Variables without an initializer that are stored to once, with a constant, and otherwise only read by element. */
  #findCopies(): Map<number, number> {
    const constants = new Set<number>();
    const copies = new Map<number, number>();
    const owners = new Map<number, number>(); // the variable that a pointer points into
    const others = new Set<number>();
    for (const instruction of instructions(this.words)) {
      const [, a = 0, b = 0, c = 0, initializer] = instruction;
      const op = opcode(instruction);
      // The words of these are no pointers: the last two have literal numbers, which may be equal to an id.
      if (op === OP.NAME || op === OP.DECORATE || op === OP.COMPOSITE_EXTRACT || op === OP.SWITCH) continue;
      if (op === OP.CONSTANT_COMPOSITE) constants.add(b);
      else if (op === OP.VARIABLE && c === STORAGE.FUNCTION && initializer === undefined && this.#isArray(a)) {
        owners.set(b, b);
      } else if (op === OP.STORE && owners.get(a) === a && constants.has(b) && !copies.has(a)) copies.set(a, b);
      else if (op === OP.ACCESS_CHAIN && owners.get(c) === c) owners.set(b, c);
      else if (!(op === OP.LOAD && owners.has(c))) {
        for (const word of instruction.subarray(1)) {
          const owner = owners.get(word);
          if (owner !== undefined) others.add(owner);
        }
      }
    }
    for (const variable of others) copies.delete(variable);
    return copies;
  }

  #isArray(pointer: number): boolean {
    return opcode(this.type(this.type(pointer)[3] as number)) === OP.TYPE_ARRAY;
  }

  run(): Uint32Array {
    return this.#copies.size === 0 ? this.words : this.rewritten((instruction) => this.#rewrite(instruction));
  }

  #rewrite(instruction: Instruction): void {
    const [, a = 0, b = 0, c = 0] = instruction;
    const op = opcode(instruction);
    if (op === OP.NAME && this.#copies.has(a)) return;
    if (op === OP.VARIABLE && this.#copies.has(b)) return;
    if (op === OP.STORE && this.#copies.has(a)) return;
    const constant = this.#copies.get(c);
    if (constant === undefined || !(op === OP.ACCESS_CHAIN || op === OP.LOAD)) {
      this.put(instruction);
      return;
    }
    const changed = instruction.slice();
    changed[3] = this.#tableOf(constant);
    if (op === OP.ACCESS_CHAIN) changed[1] = this.pointerTo(this.type(a)[3] as number, STORAGE.PRIVATE);
    this.put(changed);
  }

  #tableOf(constant: number): number {
    const known = this.#tables.get(constant);
    if (known !== undefined) return known;
    const type = this.pointerTo(this.typeOf(constant)[1] as number, STORAGE.PRIVATE);
    const id = this.newId();
    this.add(OP.VARIABLE, type, id, STORAGE.PRIVATE, constant);
    this.#tables.set(constant, id);
    return id;
  }
}

/** The module with one variable for each constant table. */
export function withTables(words: Uint32Array): Uint32Array {
  return new Tables(words).run();
}
