/**
 * From a name to a peer with whom everything is agreed. Until then, a peer that dies or is another one does not matter.
 * A rank of a job looks in two places at once: on its host, and in the job.
 */
import { type ErrorCode, LavaFlowError } from "../errors.ts";
import { validateLocation } from "../location.ts";
import type { Limits } from "../native/limits.ts";
import { Deadline } from "./deadline.ts";
import { resolveExpected } from "./expected.ts";
import { type Agreement, greet, hearHello, Mismatch, shakeHands, UNFINISHED } from "./handshake.ts";
import { beginJoining, joinJob, noJob, outsideOfJob } from "./job.ts";
import { JobRendezvous, placeOf } from "./job-rendezvous.ts";
import type { Link } from "./link.ts";
import { Rendezvous } from "./rendezvous.ts";
import type { Party } from "./transport/transport.ts";

type Door = Rendezvous | JobRendezvous;

export interface Met {
  agreement: Agreement;
  link: Link;
  /** Gives the role back. */
  leave(): void;
}

/** `wake` is called when something has come that an end waits for and the peer does not ring for. */
export async function meet(given: Omit<Party, "job" | "place">, limits: Limits, wake: () => void): Promise<Met> {
  const deadline = new Deadline(limits);
  deadline.check(`opening "${given.name}"`);
  const lobby = new Lobby();
  try {
    const party = await lobby.enter({ ...given, location: validateLocation(given.location) }, deadline);
    return await lobby.wait(party, deadline, wake);
  } catch (error) {
    lobby.leave();
    throw lobby.barred !== null && isCode(error, "TIMEOUT") ? lobby.barred : error;
  }
}

class Lobby {
  /** Why there can be no meeting on this host: of importance only when nobody comes through the job. */
  barred: unknown = null;
  readonly #doors: Door[] = [];
  /** Those who have come and not said hello yet, by where they came: while one is silent, one elsewhere may speak. */
  readonly #silent = new Map<Door, Link>();
  /** For the error when nobody is agreed with. */
  #note = "";
  #last = "";

  /** Takes the role, on this host and in the job. */
  async enter(given: Omit<Party, "job" | "place">, deadline: Deadline): Promise<Party> {
    const { name, role, pin, location } = given;
    const outside = outsideOfJob();
    if (outside !== null && pin === "mpi") throw noJob(outside);
    if (outside === null) beginJoining();
    const directory = this.#openHost(name, role, outside === null);
    const job =
      outside === null ? await this.#join(pin === "mpi", deadline) : { missing: `it ${outside}`, failed: false };
    if ("missing" in job) return { ...given, job, place: null };
    const { rank: mpiRank, id, node } = job;
    const { peer, note } = await resolveExpected(given.expected, job, deadline);
    this.#note = note;
    const place = placeOf(job, location.hostId, directory);
    this.#doors.push(new JobRendezvous(job, name, role, place));
    const placed = { mpiRank, mpiNode: `${id}:${node}`, ...location };
    return { ...given, location: placed, expected: peer, job, place };
  }

  /** The runtime directory; null where it can't be used, which is no matter yet for a rank of a job. */
  #openHost(name: string, role: Party["role"], launched: boolean): string | null {
    try {
      const rendezvous = new Rendezvous(name, role);
      this.#doors.push(rendezvous);
      return rendezvous.directory;
    } catch (error) {
      if (!launched || !isCode(error, "PERMISSION_DENIED", "SYSTEM")) throw error;
      this.barred = error;
      return null;
    }
  }

  /** Without a job there is still this host, unless the channel is pinned to MPI. */
  async #join(pinned: boolean, deadline: Deadline): Promise<Party["job"]> {
    try {
      return await joinJob(deadline);
    } catch (error) {
      if (pinned || !isCode(error, "MPI_UNAVAILABLE", "MPI_FAILED", "WIRE_VERSION_MISMATCH")) throw error;
      if (this.barred !== null) throw this.barred;
      return { missing: error.reason, failed: true };
    }
  }

  async wait(party: Party, deadline: Deadline, wake: () => void): Promise<Met> {
    for (;;) {
      for (const door of [...this.#doors]) this.#look(door, party, deadline);
      for (const [door, link] of this.#silent) {
        const agreement = await this.#agree(door, link, party, deadline, wake);
        if (agreement === null) continue;
        for (const place of this.#doors) place.settle();
        this.#dismiss();
        return { agreement, link, leave: () => this.leave() };
      }
      deadline.check(() => this.#nobody(party));
      await deadline.pause();
    }
  }

  /** Whoever comes is greeted. */
  #look(door: Door, party: Party, deadline: Deadline): void {
    const link = this.#silent.has(door) ? null : this.#poll(door, party);
    if (link === null) return;
    this.#silent.set(door, link);
    greet(link, party);
    deadline.moved();
  }

  /** Where MPI is gone, or the rank that keeps the name for the job, there is still this host. */
  #poll(door: Door, { pin }: Party): Link | null {
    try {
      return door.poll();
    } catch (error) {
      const needed = door instanceof Rendezvous || this.barred !== null;
      const bearable = isCode(error, "PEER_DIED") || (pin !== "mpi" && isCode(error, "MPI_FAILED"));
      if (needed || !bearable) throw error;
      this.#note += `; in the job nobody can be met: ${(error as LavaFlowError).reason}`;
      this.#doors.splice(this.#doors.indexOf(door), 1);
      door.close();
      return null;
    }
  }

  /** Null while the peer is silent, and when it was the wrong one. */
  async #agree(door: Door, link: Link, party: Party, deadline: Deadline, wake: () => void): Promise<Agreement | null> {
    try {
      const hello = hearHello(link, party);
      if (hello === null) return null;
      deadline.moved();
      const agreement = await shakeHands(link, hello, party, deadline, wake);
      this.#silent.delete(door);
      return agreement;
    } catch (error) {
      this.#silent.delete(door);
      link.close();
      if (!passes(error)) throw error;
      if (this.#last === "" || error instanceof Mismatch) this.#last = error.message;
      deadline.settle();
      return null;
    }
  }

  #nobody({ name, role }: Party): string {
    const other = role === "producer" ? "consumer" : "producer";
    const where = this.#doors.map((door) => door.describe()).join(" or ");
    const last = this.#last || (this.#silent.size > 0 ? UNFINISHED : "");
    return `no ${other} opened "${name}" ${where}${this.#note}${last && ` (the last peer: ${last})`}`;
  }

  #dismiss(): void {
    for (const link of this.#silent.values()) link.close();
    this.#silent.clear();
  }

  leave(): void {
    this.#dismiss();
    for (const door of this.#doors) door.close();
  }
}

/** A peer that went away, was not the right one or did not finish: another may come, as long as there is time. */
function passes(error: unknown): error is Error {
  return error instanceof Mismatch || isCode(error, "PEER_DIED", "TIMEOUT");
}

function isCode(error: unknown, ...codes: ErrorCode[]): error is LavaFlowError {
  return error instanceof LavaFlowError && codes.includes(error.code);
}
