/** Where two ranks of a job meet: a name in the whole job. */
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Job } from "../job/job.ts";
import { ControlLink } from "../wire/link.ts";
import { roleNumber } from "./host-listener.ts";
import type { Listener } from "./listener.ts";

const encoder = new TextEncoder();

/**
 * Ranks with equal places meet without the job, and are never brought together here: on one host, in one runtime directory.
 * The host is the one that the location says (so that a user can tell hosts apart where the kernels' ids don't); without
 * a directory that can be used a place is like no other. Starts with what stands for the job, so that a rank has its place
 * before it has joined.
 */
export function directoryIdOf(jobKey: string, host: string, directory: string | null): string {
  const where = directory === null ? crypto.randomUUID() : fileIdentity(directory);
  return `${jobKey}:${new Bun.CryptoHasher("sha256").update(`${host}\n${where}`).digest("hex")}`;
}

/** Two paths may name one directory. */
function fileIdentity(path: string): string {
  const { dev, ino } = process.getBuiltinModule("node:fs").statSync(path, { bigint: true });
  return `${dev} ${ino}`;
}

/** One role under one name. The role is held until `close`, or until this process gives no sign of life any more. */
export class JobListener implements Listener {
  readonly #job: Job;
  readonly #handle: number;
  #closed = false;

  constructor(job: Job, name: string, role: "producer" | "consumer", directoryId: string) {
    const shim = native();
    const [bytes, where] = [encoder.encode(name), encoder.encode(directoryId)];
    this.#job = job;
    this.#handle = check(
      shim,
      shim.lf_seek_open(bytes, bytes.byteLength, roleNumber(role), where, where.byteLength),
      `"${name}"`,
    );
  }

  /** A connection to a peer of the other role, or null while none has come. Never blocks. NAME_IN_USE. */
  poll(): ControlLink | null {
    const shim = native();
    const handle = check(shim, shim.lf_seek_poll(this.#handle));
    return handle === 0 ? null : new ControlLink(handle);
  }

  describe(): string {
    return `in the job of ${this.#job.size} ranks`;
  }

  /** The peer was found: nobody else may come. The role stays taken. */
  stop(): void {
    const shim = native();
    check(shim, shim.lf_seek_settle(this.#handle));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().lf_seek_close(this.#handle);
  }
}
