/** Names of kernels, and the numbers that stand for them in messages. */
import { invalidArgument } from "../../errors.ts";

export const HOST = "host";
/** Characters of an id and of a runtime's name: both are parts of addresses and of channel names. */
const NAME = /^[\p{L}\p{N}._:,-]+$/u;
/** Bytes of a kernel's id, at most. */
const ID_BYTES = 64;
/** Bytes of a runtime's name, at most: a channel's name contains two of them. */
const RUNTIME_BYTES = 28;
/**
 * Kernels of other runtimes whose numbers are kept. A kernel that was dropped gets a new number with its next message.
 */
const REMOTES_MAX = 4096;

const short = (text: string, bytes: number) => NAME.test(text) && Buffer.byteLength(text) <= bytes;

/** Throws INVALID_ARGUMENT unless `id` can be the id of a kernel. */
export function checkId(id: unknown, what = "id"): asserts id is string {
  if (typeof id === "string" && id !== HOST && short(id, ID_BYTES)) return;
  throw invalidArgument(what, id, `1 to ${ID_BYTES} bytes of letters, digits and . _ : , - (and not "${HOST}")`);
}

/** Throws INVALID_ARGUMENT unless `name` can be the name of a runtime. */
export function checkRuntimeName(name: unknown, what = "name"): asserts name is string {
  if (typeof name === "string" && short(name, RUNTIME_BYTES)) return;
  throw invalidArgument(what, name, `1 to ${RUNTIME_BYTES} bytes of letters, digits and . _ : , -`);
}

/** The parts of "kernel" (of this runtime) or "runtime/kernel". Throws INVALID_ARGUMENT for any other address. */
export function parseAddress(address: unknown, what: string): { runtime: string | null; kernel: string } {
  const [first = "", second, ...more] = typeof address === "string" ? address.split("/") : [];
  const valid =
    second === undefined
      ? first !== HOST && short(first, ID_BYTES)
      : more.length === 0 && short(first, RUNTIME_BYTES) && short(second, ID_BYTES);
  if (!valid) throw invalidArgument(what, address, "the id of a kernel, or runtime/id for one of another runtime");
  return second === undefined ? { runtime: null, kernel: first } : { runtime: first, kernel: second };
}

/**
 * The numbers that a runtime gives to kernels and to messages. Kernels count from 1, each number is given once; 0: the
 * host.
 */
export class Addresses {
  readonly #names = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  /** Kernels of other runtimes, the oldest first. */
  readonly #remotes = new Set<number>();
  #last = 0;
  #messages = 0;

  /** A new id for a message. */
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

  /** The number of a kernel of another runtime. This runtime hears nothing of that kernel's end. */
  addRemote(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.add(name);
    this.#remotes.add(number);
    if (this.#remotes.size > REMOTES_MAX) {
      const [oldest] = this.#remotes as Iterable<number> as [number];
      this.#remotes.delete(oldest);
      this.remove(oldest);
    }
    return number;
  }

  has(number: number): boolean {
    return this.#names.has(number);
  }

  /** Undefined where no kernel has the name. */
  numberOf(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** "#7" for a kernel that was removed. */
  nameOf(number: number): string {
    return number === 0 ? HOST : (this.#names.get(number) ?? `#${number}`);
  }
}
