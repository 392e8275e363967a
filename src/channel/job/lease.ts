/** Entries of the job's lease map: keys that ranks of the job hold, publish and look up. */
import { cString } from "../../native/c-string.ts";
import { CONSTANTS } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { lastError } from "../../native/status.ts";

/** One entry under a key. */
export interface Entry {
  /** The owner's rank, and the number of its lease there. */
  rank: number;
  id: number;
  /** Equal for entries of one runtime directory. */
  directory: string;
  value: string;
}

/** The result of a poll: null while no answer has come. */
export interface Entries {
  /** The number of entries under the key. */
  count: number;
  /** The entries with the lowest ranks, as far as they fit in one answer. */
  found: Entry[];
}

export const KEY_BYTES_MAX = CONSTANTS.LF_LEASE_KEY_MAX;

const lines = new Uint8Array(new ArrayBuffer(16_384));
const encoder = new TextEncoder();

function valueBytes(value: string): Uint8Array {
  const bytes = new Uint8Array(CONSTANTS.LF_LEASE_VALUE_MAX);
  return bytes.subarray(0, encoder.encodeInto(value, bytes).written);
}

function readLines(): Entry[] {
  return cString(lines)
    .split("\n")
    .flatMap((line) => {
      const [, rank, id, directory, value] = /^(\d+) (\d+) ([0-9a-f]+) (.*)$/.exec(line) ?? [];
      if (rank === undefined) return [];
      return [{ rank: Number(rank), id: Number(id), directory: directory as string, value: value as string }];
    });
}

function checked(result: number): number {
  if (result < 0) throw lastError(native());
  return result;
}

/** Publishes `value` of this rank under a key that all ranks share, until the job ends. */
export function publish(key: Uint8Array, value: string): void {
  const bytes = valueBytes(value);
  checked(native().lf_lease_put(key, key.length, bytes, bytes.length, CONSTANTS.LF_PUT_SHARED, null, 0));
}

/** A lease: an exclusive entry, a watch, or one question. */
export class Lease {
  readonly handle: number;
  #closed = false;

  private constructor(handle: number) {
    this.handle = checked(handle);
  }

  /** Takes the key, which one entry of the job holds. `listens`: other ranks can connect to the entry. */
  static put(key: Uint8Array, value: string, directoryId: string, listens: boolean): Lease {
    const [bytes, directory] = [valueBytes(value), encoder.encode(directoryId)];
    const kind = listens ? CONSTANTS.LF_PUT_LISTENING : CONSTANTS.LF_PUT_EXCLUSIVE;
    return new Lease(
      native().lf_lease_put(key, key.length, bytes, bytes.length, kind, directory, directory.byteLength),
    );
  }

  /** Asks for the entries under the key. */
  static get(key: Uint8Array): Lease {
    return new Lease(native().lf_lease_get(key, key.length, 0));
  }

  /** The same, and the answer follows each change. */
  static watch(key: Uint8Array): Lease {
    return new Lease(native().lf_lease_get(key, key.length, 1));
  }

  /** `taken` gets the entry that holds the key, and makes the error. PEER_DIED if the rank that keeps the key has exited. */
  poll(taken?: (holder: Entry | undefined) => Error): Entries | null {
    const count = native().lf_lease_poll(this.handle, lines.length, lines);
    if (count === CONSTANTS.LF_PENDING) return null;
    if (count >= 0) return { count, found: readLines() };
    const error = lastError(native());
    throw error.code === "NAME_IN_USE" && taken ? taken(readLines()[0]) : error;
  }

  /** Keeps the key, and refuses every later connection. `taken` as for poll. */
  stop(taken?: (holder: Entry | undefined) => Error): void {
    if (native().lf_lease_stop(this.handle) >= 0) return;
    const error = lastError(native());
    if (error.code === "NAME_IN_USE") this.poll(taken);
    throw error;
  }

  /** Deletes the entry, or ends the watch. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().lf_lease_delete(this.handle);
  }
}
