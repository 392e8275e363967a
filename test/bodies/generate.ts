/**
 * Bodies of kernels, made of a seed by a part of WGSL's grammar, and beside each what it has to reply. Text and meaning
 * are made together: whatever is written has a function that does the same in TypeScript.
 */
import { type Array_, DEEP, type Function_, isArray, REPLY_WORDS, type Struct, type Variable } from "./declared.ts";
import { Expressions } from "./expressions.ts";
import { type Content, Frame, type Machine, type Reference } from "./machine.ts";
import { Names } from "./names.ts";
import { Random } from "./random.ts";
import { Writer } from "./statements.ts";
import { type Scalar, type Type, type Value, vectorOf, zeroOf } from "./values.ts";

const SCALARS: readonly Scalar[] = ["u32", "u32", "i32", "bool", "f32"];

export interface Body {
  text: string;
  /** Characters of on_message with those of each function where it is called: drivers put them there. */
  weight: number;
  /** Handles a message: what it says is in `machine.reply`. */
  handle(machine: Machine): void;
}

export class Generator {
  readonly #random: Random;
  readonly #names: Names;
  readonly #expressions: Expressions;
  readonly #structs: Struct[] = [];
  readonly #module: Variable[] = [];
  readonly #functions: Function_[] = [];
  readonly #declarations: string[] = [];
  readonly #first: ((machine: Machine) => void)[] = [];
  readonly #weights = new Map<string, number>();

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#names = new Names(this.#random);
    this.#expressions = new Expressions(this.#random, this.#names.replaced);
  }

  body(): Body {
    const random = this.#random;
    for (let i = random.below(3); i > 0; i--) this.#struct();
    const beginnings: string[] = [];
    for (let i = random.below(4); i > 0; i--) beginnings.push(this.#moduleVariable());
    for (let i = random.below(3); i > 0; i--) this.#table();
    for (let i = random.below(4); i > 0; i--) this.#function();
    const writer = new Writer(this, [], false);
    const statements = writer.statements(1 + random.below(5), DEEP);
    const replies = Array.from({ length: REPLY_WORDS }, (_, at) => ({ at, value: writer.expression("u32", 2) }));
    const text = replies.map(({ at, value }) => `set_reply(${at}u, ${value.text});`).join(" ");
    const parameter = random.once(2) ? `${this.#names.next()}: Message` : "";
    const ending = `reply(${4 * REPLY_WORDS}u);`;
    const inside = `${beginnings.join(" ")} ${statements.text} ${text} ${ending}`;
    this.#declarations.push(`fn on_message(${parameter}) { ${inside} }`);
    const handle = (machine: Machine) => {
      for (const begin of this.#first) begin(machine);
      const frame = new Frame(machine);
      statements.run(frame);
      for (const { at, value } of replies) machine.reply[at] = value.of(frame) as number;
    };
    // The order of declarations is of no matter.
    const ordered = this.#declarations
      .map((declaration) => [random.word(), declaration] as const)
      .sort(([a], [b]) => a - b);
    return { text: ordered.map(([, declaration]) => declaration).join(" "), weight: this.#weightOf(inside), handle };
  }

  #weightOf(text: string): number {
    const calls = [...this.#weights].map(([name, weight]) => weight * (text.split(`${name}(`).length - 1));
    return calls.reduce((sum, weight) => sum + weight, text.length);
  }

  get random(): Random {
    return this.#random;
  }
  get names(): Names {
    return this.#names;
  }
  get expressions(): Expressions {
    return this.#expressions;
  }
  get structs(): readonly Struct[] {
    return this.#structs;
  }
  get functions(): readonly Function_[] {
    return this.#functions;
  }
  get module(): readonly Variable[] {
    return this.#module;
  }

  type(): Type {
    const random = this.#random;
    const scalar = random.one(SCALARS);
    return random.once(3) ? vectorOf(2 + random.below(3), scalar) : scalar;
  }

  #struct(): void {
    const name = this.#names.next();
    const members = Array.from(
      { length: 1 + this.#random.below(4) },
      (_, at) => [`m${at}`, this.type()] as [string, Type],
    );
    const text = members.map(([member, type]) => `${member}: ${type}`).join(", ");
    this.#structs.push({ name, members });
    this.#declarations.push(`struct ${name} { ${text}${this.#random.once(2) ? "," : ""} }`);
  }

  /** A variable of the module; gives what sets it at the beginning of each message. */
  #moduleVariable(): string {
    const random = this.#random;
    const name = this.#names.next();
    const type: Type | Array_ = random.once(3)
      ? { element: random.one(["u32", "i32"] as const), length: 1 + random.below(5) }
      : this.type();
    const at = this.#module.length;
    const space = random.one(["private", "workgroup"]);
    this.#module.push({
      name,
      type,
      isVar: true,
      text: name,
      reference: ({ machine }) => ({
        get: () => machine.module[at] as Content,
        set: (content) => void (machine.module[at] = content),
      }),
    });
    const zero = isArray(type) ? () => Array(type.length).fill(0) : () => zeroOf(type);
    this.#first.push((machine) => void (machine.module[at] = zero()));
    const written = isArray(type) ? `array<${type.element}, ${type.length}>` : type;
    this.#declarations.push(`var<${space}> ${name}: ${written};`);
    return `${name} = ${written}();`;
  }

  /** Constants: a number, or an array that is looked up. */
  #table(): void {
    const random = this.#random;
    const name = this.#names.next();
    if (random.once(3)) {
      const value = this.#expressions.literal("u32");
      this.#module.push({
        name,
        type: "u32",
        isVar: false,
        text: `(payload(9u) + ${name})`,
        reference: () => ({ get: () => value.of(undefined as never), set() {} }),
      });
      const declared = random.one([
        `const ${name} = ${value.text};`,
        `override ${name}: u32 = ${value.text};`,
        `override ${name} = ${value.text};`,
      ]);
      this.#declarations.push(declared);
      return;
    }
    const element = random.one(["u32", "i32"] as const);
    const values = Array.from({ length: 2 + random.below(6) }, () => this.#expressions.literal(element));
    const contents = values.map((value) => value.of(undefined as never) as number);
    this.#module.push({
      name,
      type: { element, length: values.length },
      isVar: false,
      text: name,
      reference: () => ({ get: () => contents, set() {} }),
    });
    const written = `array<${element}, ${values.length}>`;
    this.#declarations.push(
      `const ${name}${random.once(2) ? `: ${written}` : ""} = ${written}(${values.map(({ text }) => text).join(", ")});`,
    );
  }

  #function(): void {
    const random = this.#random;
    const name = this.#names.next();
    const result = this.type();
    const parameters = Array.from({ length: random.below(4) }, () => ({
      name: this.#names.next(),
      type: this.type(),
      isPointer: random.once(4),
    }));
    const known: Variable[] = parameters.map(({ name: parameter, type, isPointer }, at) => ({
      name: parameter,
      type,
      isVar: isPointer,
      text: isPointer ? `(*${parameter})` : parameter,
      reference: ({ slots }) =>
        isPointer
          ? (slots[at] as Reference)
          : { get: () => slots[at] as Content, set: (content) => void (slots[at] = content) },
    }));
    const writer = new Writer(this, known, true, result, parameters.length);
    const statements = writer.statements(1 + random.below(4), DEEP - 1);
    const last = this.#expressions.bounded(writer.expression(result, 2));
    const text = parameters
      .map((each) => `${each.name}: ${each.isPointer ? `ptr<function, ${each.type}>` : each.type}`)
      .join(", ");
    this.#declarations.push(`fn ${name}(${text}) -> ${result} { ${statements.text} return ${last.text}; }`);
    this.#weights.set(name, this.#weightOf(statements.text + last.text));
    this.#functions.push({
      name,
      parameters,
      result,
      text: name,
      call(frame, given) {
        const inner = new Frame(frame.machine);
        inner.slots.push(...given);
        frame.machine.step();
        const ending = statements.run(inner);
        return typeof ending === "object" ? (ending.value as Value) : last.of(inner);
      },
    });
  }
}
