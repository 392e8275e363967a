/** What a generated body runs on in TypeScript: the words that a kernel has, and a limit. */
import type { Value } from "./values.ts";

/** Statements that one message may take: fewer than the rounds of loops after which a body is ended on any device. */
const STEPS_MOST = 3000;

/** The body would take too long: it is left out. */
export class TooLong extends Error {}

export class Machine {
  readonly state: Uint32Array;
  payload = new Uint32Array(0);
  readonly reply: Uint32Array;
  /** Variables of the module. */
  readonly module: Content[] = [];
  #steps = 0;

  constructor(stateWords: number, replyWords: number) {
    this.state = new Uint32Array(stateWords);
    this.reply = new Uint32Array(replyWords);
  }

  begin(payload: Uint32Array): void {
    this.payload = payload as Uint32Array<ArrayBuffer>;
    this.reply.fill(0);
    this.#steps = 0;
  }

  step(): void {
    if (++this.#steps > STEPS_MOST) throw new TooLong();
  }
}

/** Of a variable: a value, the elements of an array, the members of a struct, or a pointer to another variable. */
export type Content = Value | Content[] | { [member: string]: Content } | Reference;

export interface Reference {
  get(): Content;
  set(content: Content): void;
}

/** One call of a function. */
export class Frame {
  readonly slots: Content[] = [];
  readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }
}

export interface Expression<T = Value> {
  type: string;
  text: string;
  of(frame: Frame): T;
  /** Of a float: it is no greater. */
  most?: number;
}

/** How a statement ends, unless the next one follows. */
export type Ending = undefined | "break" | "continue" | { value: Value | undefined };

export interface Statement {
  text: string;
  run(frame: Frame): Ending;
}

/** Elements and members are copied: WGSL passes all of them by value. */
export function copy(content: Content): Content {
  if (Array.isArray(content)) return content.map((each) => copy(each as Content)) as Content;
  if (typeof content === "object" && content !== null && !("get" in content)) {
    return Object.fromEntries(Object.entries(content).map(([name, value]) => [name, copy(value as Content)]));
  }
  return content;
}
