/** Generated statements, and what they do. */
import { DEEP, isArray, isStruct, PAYLOAD_WORDS, STATE_WORDS, type Variable } from "./declared.ts";
import type { Scope } from "./expressions.ts";
import type { Generator } from "./generate.ts";
import {
  type Content,
  copy,
  type Ending,
  type Expression,
  type Frame,
  type Reference,
  type Statement,
} from "./machine.ts";
import type { Random } from "./random.ts";
import { arithmetic, each, elementOf, sizeOf, type Type, type Value, zeroOf } from "./values.ts";

/** Writes the statements of one function. */
export class Writer implements Scope {
  readonly #generator: Generator;
  readonly #random: Random;
  /** The innermost last; one that a later one of its name hides is not used. */
  #known: Variable[];
  readonly #result: Type | undefined;
  #slots: number;
  #loops = 0;
  readonly #isFunction: boolean;
  /** Names of outer blocks that this block has no variable of its own with. */
  #outer = new Set<string>();

  constructor(generator: Generator, known: Variable[], isFunction: boolean, result?: Type, slots = 0) {
    this.#generator = generator;
    this.#random = generator.random;
    this.#known = [...generator.module, ...known];
    this.#result = result;
    this.#slots = slots;
    this.#isFunction = isFunction;
  }

  expression(type: Type, depth: number): Expression {
    return this.#generator.expressions.of(type, this, depth);
  }

  #visible(): Variable[] {
    return this.#known.filter(({ name }, at) => !this.#known.slice(at + 1).some((later) => later.name === name));
  }

  readable(type: Type): Expression[] {
    const found: Expression[] = [];
    const add = (text: string, of: (frame: Frame) => Value) =>
      void found.push(elementOf(type) === "f32" ? { type, text, of, most: 1000 } : { type, text, of });
    for (const variable of this.#visible()) {
      const { type: held, text, reference } = variable;
      if (held === type) add(text, (f) => reference(f).get() as Value);
      else if (isStruct(held)) {
        for (const [member, of] of held.members) {
          if (of === type)
            add(`${text}.${member}`, (f) => (reference(f).get() as Record<string, Value>)[member] as Value);
        }
      } else if (isArray(held) && held.element === type) {
        const index = this.#index(held.length, variable.isVar);
        add(`${text}[${index.text}]`, (f) => {
          const at = index.of(f);
          return (reference(f).get() as number[])[at] as number;
        });
      }
    }
    return found;
  }

  /**
   * What reaches the last element where it is beyond it. An element of a constant at a constant index is a constant
   * too.
   */
  #index(length: number, mayBeConstant: boolean): Expression<number> {
    const random = this.#random;
    if (mayBeConstant && random.once(3)) {
      const at = random.below(length);
      return { type: "u32", text: `${at}${random.one(["", "u", "i"])}`, of: () => at };
    }
    const at = random.below(PAYLOAD_WORDS);
    const isSigned = random.once(4);
    const text = isSigned ? `i32(payload(${at}u))` : `payload(${at}u)`;
    return { type: "u32", text, of: ({ machine }) => Math.min(machine.payload[at] as number, length - 1) };
  }

  calls(type: Type, depth: number): Expression[] {
    const fitting = this.#generator.functions.filter(({ result }) => result === type);
    return fitting.flatMap((called) => {
      const given: { text: string; of(frame: Frame): Content }[] = [];
      for (const parameter of called.parameters) {
        if (!parameter.isPointer) {
          given.push(this.#generator.expressions.bounded(this.expression(parameter.type, Math.min(depth, 1))));
          continue;
        }
        // A pointer is to a whole variable of the function, and no two are to one.
        const taken = given.map(({ text }) => text);
        const targets = this.#visible().filter(
          ({ type: held, isVar, text, name }) =>
            held === parameter.type &&
            isVar &&
            text === name &&
            !this.#generator.module.some((each) => each.name === name) &&
            !taken.includes(`&${text}`),
        );
        const target = targets[0];
        if (!target) return [];
        given.push({ text: `&${target.text}`, of: (f) => target.reference(f) as Content });
      }
      const made: Expression = {
        type,
        text: `${called.name}(${given.map(({ text }) => text).join(", ")})`,
        of: (f) =>
          called.call(
            f,
            given.map((each) => each.of(f)),
          ),
      };
      return [elementOf(type) === "f32" ? { ...made, most: 1000 } : made];
    });
  }

  statements(count: number, depth: number): Statement {
    const before = this.#known;
    this.#known = [...before];
    const all: Statement[] = [];
    for (let i = 0; i < count; i++) all.push(this.#statement(depth));
    if (depth < DEEP) this.#known = before; // those of the function itself are known to what comes behind
    return {
      text: all.map(({ text }) => text).join(" "),
      run(frame) {
        for (const statement of all) {
          frame.machine.step();
          const ending = statement.run(frame);
          if (ending !== undefined) return ending;
        }
        return undefined;
      },
    };
  }

  #statement(depth: number): Statement {
    const random = this.#random;
    const kind = random.below(depth > 0 ? 16 : 9);
    if (this.#loops > 0 && random.once(12)) return this.#leave();
    if (kind <= 2) return this.#declaration();
    if (kind <= 5) return this.#assignment(depth);
    if (kind === 6) return this.#store();
    if (kind === 7) return this.#compound();
    if (kind === 8) return this.#call();
    if (kind <= 11) return this.#if(depth);
    if (kind === 12) return this.#switch(depth);
    if (kind === 13) return this.#block(depth);
    return this.#loop(depth);
  }

  #slot(): { slot: number; reference: Variable["reference"] } {
    const slot = this.#slots++;
    return {
      slot,
      reference: ({ slots }) => ({ get: () => slots[slot] as Content, set: (content) => void (slots[slot] = content) }),
    };
  }

  #declaration(): Statement {
    const random = this.#random;
    const { expressions, structs } = this.#generator;
    const hides = random.once(5) ? this.#visible().find(({ type }) => typeof type === "string") : undefined;
    // A name of an outer block, which this block may have one variable of its own with.
    const isOuter = hides !== undefined && this.#outer.delete(hides.name);
    const name = isOuter ? hides.name : this.#generator.names.next();
    const { slot, reference } = this.#slot();
    const know = (type: Variable["type"], isVar: boolean) =>
      void this.#known.push({ name, type, isVar, text: name, reference });
    if (random.once(5) && structs.length > 0) {
      const struct = random.one(structs);
      const values = struct.members.map(([, type]) => expressions.bounded(this.expression(type, 2)));
      const isZero = random.once(4);
      know(struct, true);
      const text = `var ${name} = ${struct.name}(${isZero ? "" : values.map(({ text }) => text).join(", ")});`;
      const of = (f: Frame) =>
        Object.fromEntries(
          struct.members.map(([member, type], at) => [
            member,
            isZero ? zeroOf(type) : (values[at] as Expression).of(f),
          ]),
        );
      return { text, run: (f) => void (f.slots[slot] = of(f)) };
    }
    if (random.once(5)) {
      const element = random.one(["u32", "i32"] as const);
      const length = 1 + random.below(5);
      const values = Array.from({ length }, () => this.expression(element, 1));
      know({ element, length }, true);
      const text = `var ${name} = array<${element}, ${length}>(${values.map(({ text }) => text).join(", ")});`;
      return { text, run: (f) => void (f.slots[slot] = values.map((value) => value.of(f) as number)) };
    }
    const type = this.#generator.type();
    const value = expressions.bounded(this.expression(type, 2));
    const isVar = random.once(2);
    know(type, isVar);
    const written = random.once(2) ? `: ${type}` : "";
    if (isVar && random.once(6))
      return { text: `var ${name}: ${type};`, run: (f) => void (f.slots[slot] = zeroOf(type)) };
    return {
      text: `${isVar ? "var" : "let"} ${name}${written} = ${value.text};`,
      run: (f) => void (f.slots[slot] = value.of(f)),
    };
  }

  /** In braces. */
  #inner(count: number, depth: number): Statement {
    const outer = this.#outer;
    this.#outer = new Set(this.#known.filter(({ text, name }) => text === name).map(({ name }) => name));
    const inner = this.statements(count, depth);
    this.#outer = outer;
    return { text: `{ ${inner.text} }`, run: inner.run };
  }

  #writable(type?: Type): { text: string; type: Type; reference(frame: Frame): Reference }[] {
    return this.#visible().flatMap(({ type: held, isVar, text, reference }) => {
      if (!isVar) return [];
      if (typeof held === "string") return type && held !== type ? [] : [{ text, type: held, reference }];
      if (isStruct(held)) {
        return held.members
          .filter(([, of]) => !type || of === type)
          .map(([member, of]) => ({
            text: `${text}.${member}`,
            type: of,
            reference: (f: Frame) => {
              const whole = reference(f).get() as Record<string, Content>;
              return { get: () => whole[member] as Content, set: (content: Content) => void (whole[member] = content) };
            },
          }));
      }
      if (type && held.element !== type) return [];
      const index = this.#index(held.length, true);
      return [
        {
          text: `${text}[${index.text}]`,
          type: held.element,
          reference: (f: Frame) => {
            const whole = reference(f).get() as Content[];
            const at = index.of(f);
            return { get: () => whole[at] as Content, set: (content: Content) => void (whole[at] = content) };
          },
        },
      ];
    });
  }

  #assignment(depth: number): Statement {
    const random = this.#random;
    const targets = this.#writable();
    if (targets.length === 0) return this.#store();
    const { text, type, reference } = random.one(targets);
    const size = sizeOf(type);
    if (size > 1 && random.once(3)) {
      const at = random.below(size);
      const value = this.#generator.expressions.bounded(this.expression(elementOf(type), depth));
      return {
        text: `${text}.${"xyzw"[at]} = ${value.text};`,
        run(f) {
          const target = reference(f);
          const given = value.of(f) as number;
          target.set((target.get() as number[]).map((old, i) => (i === at ? given : old)));
        },
      };
    }
    const value = this.#generator.expressions.bounded(this.expression(type, 2));
    return {
      text: `${text} = ${value.text};`,
      run(f) {
        const target = reference(f);
        target.set(copy(value.of(f)));
      },
    };
  }

  #compound(): Statement {
    const random = this.#random;
    const type = random.one(["u32", "i32"] as const);
    const targets = this.#writable(type);
    if (targets.length === 0) return this.#store();
    const { text, reference } = random.one(targets);
    if (random.once(3)) {
      const isUp = random.once(2);
      const add = arithmetic(type)[isUp ? "+" : "-"] as (a: number, b: number) => number;
      return {
        text: `${text}${isUp ? "++" : "--"};`,
        run(f) {
          const target = reference(f);
          target.set(add(target.get() as number, 1));
        },
      };
    }
    const operations = arithmetic(type);
    const operator = random.one(Object.keys(operations));
    const isShift = operator === "<<" || operator === ">>";
    const value = this.expression(isShift ? "u32" : type, 2);
    return {
      text: `${text} ${operator}= ${value.text};`,
      run(f) {
        const target = reference(f);
        const old = target.get() as number;
        target.set(each(operations[operator] as never, old, value.of(f)));
      },
    };
  }

  #store(): Statement {
    const at = this.#random.below(STATE_WORDS + 2);
    const value = this.expression("u32", 3);
    return {
      text: `set_state(${at}u, ${value.text});`,
      run: (f) => void (f.machine.state[at] = value.of(f) as number),
    };
  }

  #call(): Statement {
    const { functions } = this.#generator;
    if (functions.length === 0) return this.#store();
    const calls = this.calls(this.#random.one(functions).result, 1);
    if (calls.length === 0) return this.#store();
    const call = this.#random.one(calls);
    return { text: `_ = ${call.text};`, run: (f) => void call.of(f) };
  }

  #if(depth: number): Statement {
    const random = this.#random;
    const condition = this.expression("bool", 2);
    const yes = this.#inner(1 + random.below(3), depth - 1);
    const kind = random.below(3);
    const other =
      kind === 0
        ? undefined
        : kind === 1 || depth < 2
          ? this.#inner(1 + random.below(2), depth - 1)
          : this.#if(depth - 1);
    return {
      text: `if ${random.once(2) ? `(${condition.text})` : condition.text} ${yes.text}${other ? ` else ${other.text}` : ""}`,
      run: (f) => (condition.of(f) ? yes.run(f) : other?.run(f)),
    };
  }

  #block(depth: number): Statement {
    return this.#inner(1 + this.#random.below(3), depth - 1);
  }

  #switch(depth: number): Statement {
    const random = this.#random;
    const value = this.expression("u32", 1);
    const text = `(${value.text} & 7u)`;
    const cases = Array.from({ length: 1 + random.below(3) }, (_, at) => ({
      values: random.once(2) ? [2 * at] : [2 * at, 2 * at + 1],
      block: this.#inner(1 + random.below(2), depth - 1),
    }));
    const otherwise = this.#inner(1, depth - 1);
    const isTogether = random.once(3); // the default is one of the selectors of the first
    const written = cases.map(({ values, block }, at) => {
      const selectors = values.map((each) => `${each}u`);
      if (isTogether && at === 0) selectors.push("default");
      return `case ${selectors.join(", ")}${random.once(2) ? ":" : ""} ${block.text}`;
    });
    if (!isTogether) written.splice(random.below(written.length + 1), 0, `default ${otherwise.text}`);
    return {
      text: `switch ${text} { ${written.join(" ")} }`,
      run(f) {
        const at = (value.of(f) as number) & 7;
        const found =
          cases.find(({ values }) => values.includes(at))?.block ?? (isTogether ? cases[0]?.block : otherwise);
        const ending = found?.run(f);
        return ending === "break" ? undefined : ending;
      },
    };
  }

  #loop(depth: number): Statement {
    const random = this.#random;
    const rounds = 1 + random.below(5);
    const name = this.#generator.names.next();
    const { slot, reference } = this.#slot();
    const before = this.#known;
    // Not to be written: the loop would go on.
    this.#known = [...before, { name, type: "u32", isVar: false, text: name, reference }];
    this.#loops++;
    const leaves = random.below(4);
    const condition = this.expression("bool", 1);
    const inner = this.#inner(1 + random.below(3), depth - 1);
    this.#loops--;
    this.#known = before;
    const leave =
      leaves === 0 ? `if ${condition.text} { break; }` : leaves === 1 ? `if ${condition.text} { continue; }` : "";
    const result = this.#isFunction && random.once(6) ? this.#return() : undefined;
    const early = result ? `if ${name} == 3u { ${result.text} }` : "";
    const round = (f: Frame): Ending => {
      f.machine.step();
      if (leaves < 2 && condition.of(f)) return leaves === 0 ? "break" : "continue";
      if (result && f.slots[slot] === 3) return result.run(f);
      return inner.run(f);
    };
    const body = `${leave} ${early} ${inner.text}`;
    const kind = random.below(3);
    const text =
      kind === 0
        ? `for (var ${name} = 0u; ${name} < ${rounds}u; ${name}${random.one(["++", " += 1u", ` = 1u + ${name}`])}) { ${body} }`
        : kind === 1
          ? `{ var ${name} = 0u; loop { if ${name} >= ${rounds}u { break; } ${body} continuing { ${name}++; } } }`
          : `{ var ${name}: u32; loop { ${body} continuing { ${name} += 1u; break if ${name} >= ${rounds}u; } } }`;
    return {
      text,
      run(f) {
        for (let i = 0; i < rounds; i++) {
          f.slots[slot] = i;
          const ending = round(f);
          if (ending === "break") return undefined;
          if (typeof ending === "object") return ending;
        }
        return undefined;
      },
    };
  }

  /** Of the innermost loop, or of a switch in it. */
  #leave(): Statement {
    const condition = this.expression("bool", 1);
    const ending = this.#random.one(["break", "continue"] as const);
    return { text: `if ${condition.text} { ${ending}; }`, run: (f) => (condition.of(f) ? ending : undefined) };
  }

  #return(): Statement {
    const value = this.#generator.expressions.bounded(this.expression(this.#result as Type, 1));
    return { text: `return ${value.text};`, run: (f) => ({ value: value.of(f) }) };
  }
}
