/** Generated expressions. None of them is constant: WGSL refuses constant ones that overflow. */
import type { Expression, Frame } from "./machine.ts";
import type { Random } from "./random.ts";
import {
  arithmetic,
  BUILT_INS,
  COMPARISONS,
  converted,
  each,
  elementOf,
  FLOAT_MOST,
  type Scalar,
  sizeOf,
  type Type,
  type Value,
  vectorOf,
} from "./values.ts";

/** What expressions may name where they stand. */
export interface Scope {
  /** Values of this type that can be read: variables, members, elements. */
  readable(type: Type): Expression[];
  /** Calls of functions with this result. */
  calls(type: Type, depth: number): Expression[];
}

const NUMBERS: readonly Scalar[] = ["u32", "i32"];
const FLOAT_EXACT = 2 ** 24;

export class Expressions {
  readonly #random: Random;
  readonly #missing: ReadonlySet<string>;

  constructor(random: Random, missing: ReadonlySet<string>) {
    this.#random = random;
    this.#missing = missing;
  }

  /** Of a vector: all elements are literals. */
  literal(type: Type, value?: Value): Expression {
    const random = this.#random;
    const element = elementOf(type);
    if (sizeOf(type) > 1) {
      const parts = Array.from({ length: sizeOf(type) }, () => this.literal(element));
      return {
        type,
        text: `${type}(${parts.map(({ text }) => text).join(", ")})`,
        of: (f) => parts.map((part) => part.of(f) as number),
      };
    }
    if (element === "bool") {
      const truth = (value as boolean | undefined) ?? random.once(2);
      return { type, text: `${truth}`, of: () => truth };
    }
    if (element === "f32") {
      const number = random.below(20);
      return { type, text: random.one([`${number}.0`, `${number}f`, `f32(${number})`]), of: () => number, most: 20 };
    }
    const word = (value as number | undefined) ?? random.edge();
    if (element === "u32") {
      const unsigned = word >>> 0;
      return { type, text: random.once(4) ? `0x${unsigned.toString(16)}u` : `${unsigned}u`, of: () => unsigned };
    }
    const signed = word | 0;
    return {
      type,
      text: signed === -(2 ** 31) ? "i32(-2147483648)" : `${signed < 0 ? `(${signed})` : signed}`,
      of: () => signed,
    };
  }

  /** A value that is not a constant. */
  of(type: Type, scope: Scope, depth: number): Expression {
    const random = this.#random;
    const known = scope.readable(type);
    if (depth <= 0) {
      if (known.length > 0 && !random.once(5)) return random.one(known);
      return this.#leaf(type, scope);
    }
    const kind = random.below(10);
    if (kind === 0 && known.length > 0) return random.one(known);
    if (kind === 1) {
      const calls = scope.calls(type, depth - 1);
      if (calls.length > 0) return random.one(calls);
    }
    if (kind <= 3) {
      const call = this.#builtIn(type, scope, depth);
      if (call) return call;
    }
    if (elementOf(type) === "bool") return this.#truth(type, scope, depth);
    if (sizeOf(type) > 1 && kind === 4) return this.#composed(type, scope, depth);
    if (sizeOf(type) === 1 && kind === 4) return this.#element(type, scope, depth);
    if (kind === 5) return this.#converted(type, scope, depth);
    return this.#binary(type, scope, depth);
  }

  /** A constant now and then: for places where a constant is right beside what is none. */
  operand(type: Type, scope: Scope, depth: number): Expression {
    return this.#random.once(4) ? this.literal(type) : this.of(type, scope, depth);
  }

  #leaf(type: Type, scope: Scope): Expression {
    const random = this.#random;
    if (sizeOf(type) > 1) return this.#composed(type, scope, 0);
    if (type === "bool") {
      const word = this.#leaf("u32", scope);
      return { type, text: `(${word.text} > 7u)`, of: (f) => (word.of(f) as number) > 7 };
    }
    const at = random.below(10);
    if (type === "u32") {
      if (random.once(2)) return { type, text: `payload(${at}u)`, of: ({ machine }) => machine.payload[at] ?? 0 };
      return { type, text: `state(${at}u)`, of: ({ machine }) => machine.state[at] ?? 0 };
    }
    const word = this.#leaf("u32", scope);
    if (type === "i32") {
      const name = random.one(["i32", "bitcast<i32>"]);
      return { type, text: `${name}(${word.text})`, of: (f) => (word.of(f) as number) | 0 };
    }
    return { type, text: `f32(${word.text} & 255u)`, of: (f) => (word.of(f) as number) & 255, most: 255 };
  }

  #binary(type: Type, scope: Scope, depth: number): Expression {
    const random = this.#random;
    const element = elementOf(type) as "u32" | "i32" | "f32";
    const operations = arithmetic(element);
    const operator = random.one(Object.keys(operations));
    const operation = operations[operator] as (a: number, b: number) => number;
    const left = this.of(type, scope, depth - 1);
    const isShift = operator === "<<" || operator === ">>";
    const rightType = isShift ? vectorOf(sizeOf(type), "u32") : type;
    let right = this.operand(rightType, scope, depth - 1);
    // A constant that is 0, or shifts by more than 31, is refused.
    if (isShift && sizeOf(type) === 1 && random.once(2)) right = this.literal("u32", random.below(32));
    else if (isShift || operator === "/" || operator === "%") right = this.of(rightType, scope, depth - 1);
    if (element === "f32") {
      const [a, b] = [left.most ?? FLOAT_EXACT, right.most ?? FLOAT_EXACT];
      const most = operator === "*" ? a * b : a + b;
      if (most >= FLOAT_EXACT) return this.bounded(left);
      return { ...this.#two(type, operator, left, right, operation), most };
    }
    return this.#two(type, operator, left, right, operation);
  }

  /** The same, no greater than what sums and products are exact of. */
  bounded(value: Expression): Expression {
    const most = FLOAT_MOST;
    const type = value.type as Type;
    if (elementOf(type) !== "f32" || (value.most ?? FLOAT_EXACT) <= most) return value;
    const limit = (sign: string) => (sizeOf(type) === 1 ? `${sign}${most}.0` : `${type}(${sign}${most}.0)`);
    // min and max, as a body may have a clamp of its own; and where it has these, zeros.
    if (this.#missing.has("min") || this.#missing.has("max")) {
      return {
        type,
        text: `${type}(f32(state(2u) & 15u))`,
        of: ({ machine }) => {
          const small = (machine.state[2] ?? 0) & 15;
          return sizeOf(type) === 1 ? small : Array(sizeOf(type)).fill(small);
        },
        most: 15,
      };
    }
    const text = `min(max(${value.text}, ${limit("-")}), ${limit("")})`;
    const limited = (a: number) => Math.min(Math.max(a, -most), most);
    return { type, text, of: (f) => each(limited as never, value.of(f)), most };
  }

  #two(
    type: Type,
    operator: string,
    left: Expression,
    right: Expression,
    operation: (a: never, b: never) => number | boolean,
  ): Expression {
    return {
      type,
      text: `(${left.text} ${operator} ${right.text})`,
      of(f) {
        const first = left.of(f);
        return each(operation, first, right.of(f));
      },
    };
  }

  #truth(type: Type, scope: Scope, depth: number): Expression {
    const random = this.#random;
    const size = sizeOf(type);
    const kind = random.below(4);
    if (kind === 0) {
      const value = this.of(type, scope, depth - 1);
      return { type, text: `!${value.text}`, of: (f) => each(((a: boolean) => !a) as never, value.of(f)) };
    }
    if (kind === 1 && size === 1) {
      const [left, right] = [this.of(type, scope, depth - 1), this.of(type, scope, depth - 1)];
      const isAnd = random.once(2);
      const text = `(${left.text} ${isAnd ? "&&" : "||"} ${right.text})`;
      return { type, text, of: (f) => (left.of(f) === isAnd ? right.of(f) : !isAnd) };
    }
    if (kind === 2) {
      const isAnd = random.once(2);
      const [left, right] = [this.of(type, scope, depth - 1), this.of(type, scope, depth - 1)];
      const operation = (a: boolean, b: boolean) => (isAnd ? a && b : a || b);
      return this.#two(type, isAnd ? "&" : "|", left, right, operation as never);
    }
    const of = vectorOf(size, random.one(NUMBERS));
    const operator = random.one(Object.keys(COMPARISONS));
    const left = this.of(of, scope, depth - 1);
    return this.#two(type, operator, left, this.operand(of, scope, depth - 1), COMPARISONS[operator] as never);
  }

  #composed(type: Type, scope: Scope, depth: number): Expression {
    const element = elementOf(type);
    const size = sizeOf(type);
    if (this.#random.once(4)) {
      const one = this.of(element, scope, depth - 1);
      return { type, text: `${type}(${one.text})`, of: (f) => Array(size).fill(one.of(f)) as number[] };
    }
    const parts = Array.from({ length: size }, () => this.of(element, scope, depth - 1));
    return {
      type,
      text: `${type}(${parts.map(({ text }) => text).join(", ")})`,
      of: (f) => parts.map((part) => part.of(f) as number),
    };
  }

  /** One element of a vector: by a letter, or by an index that may be beyond its end. */
  #element(type: Type, scope: Scope, depth: number): Expression {
    const random = this.#random;
    const size = 2 + random.below(3);
    const vector = this.of(vectorOf(size, type as Scalar), scope, depth - 1);
    const most = vector.most === undefined ? {} : { most: vector.most };
    const at = random.below(size);
    const text = `${vector.text}.${(random.once(2) ? "xyzw" : "rgba")[at]}`;
    const read = (f: Frame) => (vector.of(f) as number[])[at] as number;
    return type === "f32" ? { type, text, of: read, most: FLOAT_EXACT, ...most } : { type, text, of: read };
  }

  #converted(type: Type, scope: Scope, depth: number): Expression {
    const to = elementOf(type);
    const size = sizeOf(type);
    if (to === "f32") {
      const word = this.of(vectorOf(size, "u32"), scope, depth - 1);
      const mask = size === 1 ? "511u" : `vec${size}<u32>(511u)`;
      return {
        type,
        text: `${type}(${word.text} & ${mask})`,
        of: (f) => each(((a: number) => a & 511) as never, word.of(f)),
        most: 511,
      };
    }
    const from = this.#random.one(to === "u32" ? (["i32", "bool", "f32"] as const) : (["u32", "bool", "f32"] as const));
    const value = this.of(vectorOf(size, from), scope, depth - 1);
    return {
      type,
      text: `${type}(${value.text})`,
      of: (f) => each(((a: number) => converted(from, to, a)) as never, value.of(f)),
    };
  }

  #builtIn(type: Type, scope: Scope, depth: number): Expression | undefined {
    const fitting = BUILT_INS.filter(({ name, result }) => result === type && !this.#missing.has(name));
    if (fitting.length === 0) return undefined;
    const { name, parameters, of } = this.#random.one(fitting);
    // Of constant limits, clamp refuses those in the wrong order, and the bit fields those beyond the word.
    const given = parameters.map((each) => this.of(each, scope, depth - 1));
    const text = `${name}(${given.map((each) => each.text).join(", ")})`;
    const most = Math.max(...given.map((each) => each.most ?? 0));
    const made: Expression = { type, text, of: (f) => of(...given.map((each) => each.of(f))) };
    return type === "f32" ? { ...made, most: most || FLOAT_EXACT } : made;
  }
}
