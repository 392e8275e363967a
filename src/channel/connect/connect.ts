/**
 * From a name to a peer with whom everything is agreed. Until then, a peer that dies or is another one does not matter.
 * A rank of a job looks in two places at once: on its host, and in the job.
 */
import { isCode, LavaFlowError } from "../../errors.ts";
import { validateLocation } from "../../location.ts";
import { aborted, type Limits } from "../../native/limits.ts";
import { type Job, joiningText, joinJob, type NoJob, pollJob } from "../job/job.ts";
import { keyOf, type Launch, launch, noJob } from "../job/launch.ts";
import type { Party } from "../transport/transport.ts";
import { Deadline, type Known } from "../wait/deadline.ts";
import type { Link } from "../wire/link.ts";
import { asksTheJob, checkRank, resolveExpected } from "./expected-peer.ts";
import { type Agreement, greet, hearHello, Mismatch, shakeHands, UNFINISHED } from "./handshake.ts";
import { Rendezvous } from "./host-listener.ts";
import { JobRendezvous, placeOf } from "./job-listener.ts";
import { enterPending } from "./role-holder.ts";

type Door = Rendezvous | JobRendezvous;

/** Why a process is of no job, though it was started as a rank. */
const NO_JOB = ["MPI_UNAVAILABLE", "MPI_FAILED", "WIRE_VERSION_MISMATCH"] as const;

export interface Met {
  agreement: Agreement;
  link: Link;
  /** Gives the role back. */
  leave(): void;
}

/** What a channel asks for. `scope` is as in ChannelOptions; `openedAt` says where in the user's program it is opened. */
export type Wanted = Omit<Party, "job" | "place"> & { scope: "job" | "host"; openedAt: string };

/** `wake` is called when something has come that an end waits for and the peer does not ring for. */
export async function meet(given: Wanted, limits: Limits, wake: () => void): Promise<Met> {
  // Time alone ends nothing before somebody was looked for: also at once, and where the thread was held up.
  if (limits.signal?.aborted) throw aborted(`opening "${given.name}"`, limits.signal);
  const deadline = new Deadline(limits);
  const lobby = new Lobby();
  const settle = enterPending(`${given.scope} ${given.role} ${given.name}`, given.name, (error) => {
    deadline.interrupt(error);
    lobby.leave();
  });
  try {
    const party = await lobby.enter({ ...given, location: validateLocation(given.location) }, deadline);
    return await lobby.wait(party, deadline, wake);
  } catch (error) {
    lobby.leave();
    if (deadline.interrupted !== null) throw deadline.interrupted;
    throw lobby.barred !== null && isCode(error, "TIMEOUT") ? lobby.barred : error;
  } finally {
    settle();
  }
}

class Lobby {
  /** Why there can be no meeting on this host: of importance only when nobody comes through the job. */
  barred: unknown = null;
  readonly #doors: Door[] = [];
  /** Those who have come and not said hello yet, by where they came: while one is silent, one elsewhere may speak. */
  readonly #silent = new Map<Door, Link>();
  /** While the job is not joined: what is known by now of this side. */
  #joining: ((party: Party) => Party) | null = null;
  /** For the error when nobody is agreed with. */
  #note = "";
  /** Why the job's rendezvous can't be asked just now. */
  #unreachable = "";
  #last = "";
  /** Stands for the names of the other scope, as far as this process is of a job. */
  #otherKey: string | null = null;

  /** Takes the role: on this host at once, in the job when that is joined. */
  async enter(given: Wanted, deadline: Deadline): Promise<Party> {
    const { pin, location, expected, scope } = given;
    const launched = launch();
    const { outside, told, rank, size } = launched;
    if (outside !== null && pin === "mpi") throw noJob(outside);
    const job = scope === "job" ? launched.job : "";
    const key = job && keyOf(job);
    if (launched.job) this.#otherKey = scope === "job" ? "" : keyOf(launched.job);
    const local = (missing: string): Party => {
      this.#openHost(given, job, key, false);
      return { ...given, job: { missing, told }, place: null };
    };
    if (outside !== null) return this.#nowhereElse(local(`it ${outside}`), launched);
    if (scope === "host") return local('it meets processes of its host only (scope "host")');
    if (size !== undefined) checkRank(expected, size);
    this.#begin();
    // Where others of the job tell whom to meet, or it has no name before it is joined, it is waited for.
    if (pin === "mpi" || asksTheJob(expected) || !job || rank === undefined || !location.hostId) {
      return this.#joined(given, await this.#join(pin === "mpi", deadline), launched, deadline);
    }
    const directory = this.#openHost(given, job, key, true);
    const place = placeOf(key, location.hostId, directory);
    this.#joining = (party) => this.#advance(party, launched, deadline);
    return { ...given, location: { mpiRank: rank, ...location }, job: { joining: true, key, rank }, place };
  }

  /** MPI begins when all ranks have come to it: the others need not wait for this one, whatever becomes of it. */
  #begin(): void {
    try {
      pollJob();
    } catch {
      // Whoever joins is told.
    }
  }

  /** The job has been waited for, and nothing was opened. */
  async #joined(given: Wanted, job: Job | NoJob, launched: Launch, deadline: Deadline): Promise<Party> {
    const key = launched.job ? keyOf(launched.job) : "key" in job ? job.key : "";
    if (key) this.#otherKey = "";
    const directory = this.#openHost(given, launched.job, key, true);
    if ("missing" in job) {
      if (directory === null) throw this.barred;
      return this.#nowhereElse({ ...given, job, place: null }, launched);
    }
    const { peer, note } = await resolveExpected(given.expected, job, deadline);
    this.#note = note;
    const place = placeOf(key, given.location.hostId || `node ${job.node}`, directory);
    return this.#openJob({ ...given, expected: peer, job, place }, job);
  }

  /** Joins beside the wait for a peer of this host: the party as it is known now. */
  #advance(party: Party, launched: Launch, deadline: Deadline): Party {
    let job: Job | null;
    try {
      job = pollJob();
    } catch (error) {
      if (!isCode(error, ...NO_JOB)) throw error;
      this.#joining = null;
      if (this.barred !== null) throw this.barred;
      return this.#nowhereElse({ ...party, job: { missing: error.reason, told: true }, place: null }, launched);
    }
    if (job === null) return party;
    this.#joining = null;
    deadline.moved();
    checkRank(party.expected, job.size);
    return this.#openJob({ ...party, job }, job);
  }

  #openJob(party: Party, job: Job): Party {
    const { rank: mpiRank, id, node } = job;
    this.#doors.push(new JobRendezvous(job, party.name, party.role, party.place as string));
    const barred = this.barred instanceof LavaFlowError ? this.barred.reason : undefined;
    return { ...party, location: { mpiRank, mpiNode: `${id}:${node}`, ...party.location }, barred };
  }

  /** The runtime directory; null where it can't be used, which is no matter yet for a rank of a job. */
  #openHost({ name, role, openedAt }: Wanted, job: string, key: string, launched: boolean): string | null {
    try {
      const rendezvous = new Rendezvous(name, role, job, key, openedAt);
      this.#doors.push(rendezvous);
      return rendezvous.directory;
    } catch (error) {
      if (!launched || !isCode(error, "PERMISSION_DENIED", "SYSTEM")) throw error;
      this.barred = error;
      return null;
    }
  }

  /** Without a job there is still this host, unless the channel is pinned to MPI. */
  async #join(pinned: boolean, deadline: Deadline): Promise<Job | NoJob> {
    try {
      return await joinJob(deadline);
    } catch (error) {
      if (pinned || !isCode(error, ...NO_JOB)) throw error;
      return { missing: error.reason, told: true };
    }
  }

  /** Nobody of another host can come. MPI_UNAVAILABLE where nobody else is expected. */
  #nowhereElse(party: Party, launched: Launch): Party {
    const { job, expected, location } = party;
    if (!("missing" in job) || !job.told) return party;
    this.#note = `; no rank of another host can be met: ${job.missing}`;
    const elsewhere = (["hostname", "hostId"] as const).find((field) => {
      const [there, here] = [expected?.[field], location[field]];
      return there !== undefined && here !== undefined && there !== here;
    });
    const alone = launched.outside === null && ranksOfHost() === 1;
    if (elsewhere === undefined && !alone) return party;
    const whom = alone ? "the other ranks of the job are" : "the peer is";
    throw new LavaFlowError("MPI_UNAVAILABLE", `${whom} on another host, and MPI is no way there: ${job.missing}`, {
      remedy: 'Mend what it says (LAVA_FLOW_MPI names the library); for a peer of this host alone: scope "host"',
    });
  }

  async wait(entered: Party, deadline: Deadline, wake: () => void): Promise<Met> {
    for (let party = entered; ; ) {
      if (this.#joining) party = this.#joining(party);
      for (const door of [...this.#doors]) this.#look(door, party, deadline);
      for (const [door, link] of this.#silent) {
        const agreement = await this.#agree(door, link, party, deadline, wake);
        if (agreement === null) continue;
        for (const place of this.#doors) place.settle();
        this.#dismiss();
        return { agreement, link, leave: () => this.leave() };
      }
      deadline.check(
        () => this.#nobody(party),
        () => this.#whyNobody(),
      );
      await this.#rest(deadline);
    }
  }

  /** Asleep where the kernel tells of everything that can come: a peer in a job, or one that is silent, has to be looked for. */
  async #rest(deadline: Deadline): Promise<void> {
    const [door] = this.#doors;
    const only = this.#doors.length === 1 && !this.#joining && this.#silent.size === 0 && deadline.slow;
    if (only && door instanceof Rendezvous && (await door.sleep(deadline))) deadline.moved();
    else await deadline.pause();
  }

  /** Whoever comes is greeted. */
  #look(door: Door, party: Party, deadline: Deadline): void {
    const link = this.#silent.has(door) ? null : this.#poll(door, party);
    if (link === null) return;
    this.#silent.set(door, link);
    greet(link, party);
    deadline.moved();
  }

  /** Where MPI is gone there is still this host; the rank that keeps the name for the job may be out of reach for a while. */
  #poll(door: Door, { pin }: Party): Link | null {
    try {
      const link = door.poll();
      if (!(door instanceof Rendezvous)) this.#unreachable = "";
      return link;
    } catch (error) {
      const needed = door instanceof Rendezvous || this.barred !== null;
      if (!needed && isCode(error, "PEER_DIED")) {
        this.#unreachable = `; in the job nobody can be met: ${(error as LavaFlowError).reason}`;
        return null;
      }
      if (needed || pin === "mpi" || !isCode(error, "MPI_FAILED")) throw error;
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
    const joining = this.#joining && `; in the job nobody could be met yet: ${joiningText()}`;
    const last = this.#last || (this.#silent.size > 0 ? UNFINISHED : "");
    const note = `${joining ?? ""}${this.#note}${this.#unreachable}`;
    return `no ${other} opened "${name}" ${where}${note}${last && ` (the last peer: ${last})`}`;
  }

  /** What is known on this host; in the job, the silence of one rank says nothing of the others. */
  #whyNobody(): Known {
    const door = this.#doors.find((each) => each instanceof Rendezvous);
    return door?.whyNobody(this.#last !== "" || this.#silent.size > 0, this.#otherKey) ?? { why: "" };
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

/** How many ranks the launcher has started on this host; undefined where it does not say. */
function ranksOfHost(): number | undefined {
  const { OMPI_COMM_WORLD_LOCAL_SIZE, MPI_LOCALNRANKS, SLURM_STEP_TASKS_PER_NODE } = process.env;
  const count = OMPI_COMM_WORLD_LOCAL_SIZE ?? MPI_LOCALNRANKS;
  if (count !== undefined) return Number(count);
  return /^1(\(x\d+\))?$/.test(SLURM_STEP_TASKS_PER_NODE ?? "") ? 1 : undefined;
}

/** A peer that went away, was not the right one or did not finish: another may come, as long as there is time. */
function passes(error: unknown): error is Error {
  return error instanceof Mismatch || isCode(error, "PEER_DIED", "TIMEOUT");
}
