/** The listener of one job: names that all its ranks share. */
import { LavaFlowError } from "../../errors.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Job } from "../job/job.ts";
import { type Entry, Lease } from "../job/lease.ts";
import { ControlLink } from "../wire/link.ts";
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

/** Milliseconds between two connections to one entry: its owner may expect another process, and refuse this one again. */
const RETRY_MS = 50;

/**
 * One role under one name, held until `close`, or until the other ranks find this one dead. The role is an exclusive key of
 * the job. The producer watches the consumer's key, and connects to the rank that holds it.
 */
export class JobListener implements Listener {
  readonly #job: Job;
  readonly #name: string;
  readonly #role: "producer" | "consumer";
  readonly #lease: Lease;
  /** The producer's watch of the consumer's key; null for a consumer. */
  readonly #consumer: Lease | null;
  /** The consumer's entry that the producer connected to last, and when. */
  #tried = { rank: -1, id: 0, at: 0 };

  constructor(job: Job, name: string, role: "producer" | "consumer", directoryId: string) {
    this.#job = job;
    this.#name = name;
    this.#role = role;
    this.#lease = Lease.put(keyOf(role, name), job.processor, directoryId, role === "consumer");
    try {
      this.#consumer = role === "producer" ? Lease.watch(keyOf("consumer", name)) : null;
    } catch (error) {
      this.#lease.close();
      throw error;
    }
  }

  /** Also throws NAME_IN_USE, and PEER_DIED while the rank that keeps a key is out of reach. */
  poll(): ControlLink | null {
    const held = this.#lease.poll(this.#taken);
    if (this.#consumer !== null) return this.#connect(this.#consumer, held?.found[0]);
    const connection = check(native(), native().lf_connection_accept(this.#lease.handle));
    return connection === 0 ? null : new ControlLink(connection);
  }

  /** `own` is this producer's entry; undefined while another rank may hold the role. */
  #connect(watch: Lease, own: Entry | undefined): ControlLink | null {
    const consumer = watch.poll()?.found[0];
    // Ranks of one runtime directory connect there.
    if (own === undefined || consumer === undefined || consumer.directory === own.directory) return null;
    const { rank, id } = consumer;
    const again = rank === this.#tried.rank && id === this.#tried.id;
    if (again && performance.now() < this.#tried.at + RETRY_MS) return null;
    this.#tried = { rank, id, at: performance.now() };
    return new ControlLink(check(native(), native().lf_connection_open(rank, id)));
  }

  readonly #taken = (holder: Entry | undefined): LavaFlowError => {
    const who = holder ? `rank ${holder.rank}${holder.value && ` on ${holder.value}`}` : "another rank";
    const remedy = "Close the other one, or choose another name";
    return new LavaFlowError("NAME_IN_USE", `${who} is already the ${this.#role} of "${this.#name}"`, { remedy });
  };

  describe(): string {
    return `in the job of ${this.#job.size} ranks`;
  }

  stop(): void {
    this.#lease.stop(this.#taken);
    this.#consumer?.close();
  }

  close(): void {
    this.#lease.close();
    this.#consumer?.close();
  }
}

function keyOf(role: "producer" | "consumer", name: string): Uint8Array {
  return encoder.encode(`${role} ${name}`);
}
