/** The listener of one job: names that all its ranks share. */
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Job } from "../job/job.ts";
import { ControlLink } from "../wire/link.ts";
import { roleNumber } from "./host-listener.ts";
import type { Listener } from "./listener.ts";

const encoder = new TextEncoder();

/**
 * The runtime-directory id of a rank. Ranks with equal ids connect through their runtime directory, and the job never
 * connects them. The host is that of the location, so that a user can separate hosts which share a kernel. Without a usable
 * directory the id is unique. The id starts with the job's key, which a rank knows before it joins.
 */
export function directoryIdOf(jobKey: string, host: string, directory: string | null): string {
  const where = directory === null ? crypto.randomUUID() : fileIdentity(directory);
  return `${jobKey}:${new Bun.CryptoHasher("sha256").update(`${host}\n${where}`).digest("hex")}`;
}

/** Equal for two paths of one directory. */
function fileIdentity(path: string): string {
  const { dev, ino } = process.getBuiltinModule("node:fs").statSync(path, { bigint: true });
  return `${dev} ${ino}`;
}

/** One role under one name, held until `close`, or until the other ranks find this one dead. */
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

  /** Also throws NAME_IN_USE. */
  poll(): ControlLink | null {
    const shim = native();
    const handle = check(shim, shim.lf_seek_poll(this.#handle));
    return handle === 0 ? null : new ControlLink(handle);
  }

  describe(): string {
    return `in the job of ${this.#job.size} ranks`;
  }

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
