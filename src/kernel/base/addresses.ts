/** Names of kernels, and the numbers that stand for them in messages. */
import { invalidArgument } from "../../errors.ts";

export const HOST = "host";
/** Ids and names of runtimes: they stand in addresses and in names of channels. */
const NAME = /^[\p{L}\p{N}._:,-]+$/u;
const ID_BYTES = 64;
/** Two of them and what stands around them fit a channel's name. */
const RUNTIME_BYTES = 28;
/** Of kernels elsewhere, that many are remembered; one that was forgotten and comes again gets another number. */
const STRANGERS = 4096;

const short = (text: string, bytes: number) => NAME.test(text) && Buffer.byteLength(text) <= bytes;

/** INVALID_ARGUMENT where it can't be the id of a kernel. */
export function checkId(id: unknown, what = "id"): asserts id is string {
  if (typeof id === "string" && id !== HOST && short(id, ID_BYTES)) return;
  throw invalidArgument(what, id, `1 to ${ID_BYTES} bytes of letters, digits and . _ : , - (and not "${HOST}")`);
}

/** INVALID_ARGUMENT where it can't be the name of a runtime. */
export function checkRuntimeName(name: unknown, what = "name"): asserts name is string {
  if (typeof name === "string" && short(name, RUNTIME_BYTES)) return;
  throw invalidArgument(what, name, `1 to ${RUNTIME_BYTES} bytes of letters, digits and . _ : , -`);
}

/** "kernel" is here, "runtime/kernel" is elsewhere. INVALID_ARGUMENT where it can't be one of the two. */
export function parseAddress(address: unknown, what: string): { runtime: string | null; kernel: string } {
  const [first = "", second, ...more] = typeof address === "string" ? address.split("/") : [];
  const valid =
    second === undefined
      ? first !== HOST && short(first, ID_BYTES)
      : more.length === 0 && short(first, RUNTIME_BYTES) && short(second, ID_BYTES);
  if (!valid) throw invalidArgument(what, address, "the id of a kernel, or runtime/id for one of another runtime");
  return second === undefined ? { runtime: null, kernel: first } : { runtime: first, kernel: second };
}

/** The numbers that a runtime gives: to kernels from 1, once each, as 0 is the host; and to messages. */
export class Addresses {
  readonly #names = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  /** The oldest first. */
  readonly #strangers = new Set<number>();
  #last = 0;
  #messages = 0;

  /** Another one for each message. */
  nextId(): number {
    return ++this.#messages;
  }

  add(name: string): number {
    const number = ++this.#last;
    this.#names.set(number, name);
    this.#numbers.set(name, number);
    return number;
  }

  remove(number: number): void {
    const name = this.#names.get(number);
    if (name === undefined) return;
    this.#names.delete(number);
    if (this.#numbers.get(name) === number) this.#numbers.delete(name);
  }

  /** The number of somebody who may never be heard of again. */
  stranger(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.add(name);
    this.#strangers.add(number);
    if (this.#strangers.size > STRANGERS) {
      const [oldest] = this.#strangers as Iterable<number> as [number];
      this.#strangers.delete(oldest);
      this.remove(oldest);
    }
    return number;
  }

  has(number: number): boolean {
    return this.#names.has(number);
  }

  /** Undefined where nobody has the name. */
  numberOf(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** Somebody who is gone has no name any more: "#7". */
  nameOf(number: number): string {
    return number === 0 ? HOST : (this.#names.get(number) ?? `#${number}`);
  }
}
