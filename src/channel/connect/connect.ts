/**
 * From a name to a peer and an agreed route. Until then, a peer that exits or that is not the expected one only costs time.
 * A rank of a job listens on its host and in the job at once.
 */
import { isCode, LavaFlowError } from "../../errors.ts";
import { validateLocation } from "../../location.ts";
import { aborted, type Limits } from "../../native/limits.ts";
import { type Job, joiningText, joinJob, type NoJob, pollJob } from "../job/job.ts";
import { keyOf, type Launch, launch, noJob } from "../job/launch.ts";
import type { Party } from "../transport/transport.ts";
import { Deadline, type Known } from "../wait/deadline.ts";
import type { Link } from "../wire/link.ts";
import { checkRank, needsPeerTable, resolveExpected } from "./expected-peer.ts";
import { type Agreement, Mismatch, receiveHello, sendHello, shakeHands, UNFINISHED } from "./handshake.ts";
import { HostListener } from "./host-listener.ts";
import { directoryIdOf, JobListener } from "./job-listener.ts";
import type { Listener } from "./listener.ts";
import { enterPending } from "./role-holder.ts";

/** The errors of joining the job after which a rank still serves peers of its host. */
const NO_JOB = ["MPI_UNAVAILABLE", "MPI_FAILED", "WIRE_VERSION_MISMATCH"] as const;

export interface Connected {
  agreement: Agreement;
  link: Link;
  /** Gives the role back. */
  leave(): void;
}

/** The arguments of an open. `scope` is as in ChannelOptions; `openedAt` is the line of the user's program that opens. */
export type Wanted = Omit<Party, "job" | "directoryId"> & { scope: "job" | "host"; openedAt: string };

/** `wake` is called for an event that the peer does not notify of, such as the end of GPU work. */
export async function connect(given: Wanted, limits: Limits, wake: () => void): Promise<Connected> {
  // The deadline is checked after the first poll only: an open with a timeout of 0 finds a peer that waits already.
  if (limits.signal?.aborted) throw aborted(`opening "${given.name}"`, limits.signal);
  const deadline = new Deadline(limits);
  const connector = new Connector();
  const leavePending = enterPending(`${given.scope} ${given.role} ${given.name}`, given.name, (error) => {
    deadline.interrupt(error);
    connector.leave();
  });
  try {
    const party = await connector.listen({ ...given, location: validateLocation(given.location) }, deadline);
    return await connector.connect(party, deadline, wake);
  } catch (error) {
    connector.leave();
    if (deadline.interrupted !== null) throw deadline.interrupted;
    throw connector.hostError !== null && isCode(error, "TIMEOUT") ? connector.hostError : error;
  } finally {
    leavePending();
  }
}

class Connector {
  /** Why this rank can't listen on its host. Thrown only if no peer connects through the job. */
  hostError: unknown = null;
  #host: HostListener | null = null;
  #job: JobListener | null = null;
  /** Connections without a hello, one a listener: a peer that says nothing does not delay a peer of the other listener. */
  readonly #accepted = new Map<Listener, Link>();
  /** Set while the job is not joined: returns the party as it is known by now. */
  #joining: ((party: Party) => Party) | null = null;
  /** For the error at the deadline. */
  #note = "";
  /** Why the job's listener can't be polled at the moment. */
  #unreachable = "";
  /** What was wrong with the last peer. */
  #last = "";
  /** The key of the other scope's names; null for a process of no job. */
  #otherKey: string | null = null;

  get #listeners(): Listener[] {
    return [this.#host, this.#job].filter((listener) => listener !== null);
  }

  /** Takes the role: on this host at once, in the job when it is joined. */
  async listen(given: Wanted, deadline: Deadline): Promise<Party> {
    const { pin, location, expected, scope } = given;
    const launched = launch();
    const { outside, told, rank, size } = launched;
    if (outside !== null && pin === "mpi") throw noJob(outside);
    const job = scope === "job" ? launched.job : "";
    const key = job && keyOf(job);
    if (launched.job) this.#otherKey = scope === "job" ? "" : keyOf(launched.job);
    const local = (missing: string): Party => {
      this.#openHost(given, job, key, false);
      return { ...given, job: { missing, told }, directoryId: null };
    };
    if (outside !== null) return this.#checkReach(local(`it ${outside}`), launched);
    if (scope === "host") return local('it meets processes of its host only (scope "host")');
    if (size !== undefined) checkRank(expected, size);
    this.#beginJoining();
    // These need the joined job: a pin to MPI, a lookup of the expected peer, and a launcher that names no job or no rank.
    if (pin === "mpi" || needsPeerTable(expected) || !job || rank === undefined || !location.hostId) {
      return this.#joined(given, await this.#join(pin === "mpi", deadline), launched, deadline);
    }
    const directory = this.#openHost(given, job, key, true);
    const directoryId = directoryIdOf(key, location.hostId, directory);
    this.#joining = (party) => this.#advance(party, launched, deadline);
    return { ...given, location: { mpiRank: rank, ...location }, job: { joining: true, key, rank }, directoryId };
  }

  /** MPI initialises once every rank has begun to join. Beginning here keeps the other ranks from waiting for this one. */
  #beginJoining(): void {
    try {
      pollJob();
    } catch {
      // The next poll fails with the same error.
    }
  }

  /** The job was joined, or can't be; no listener is open yet. */
  async #joined(given: Wanted, job: Job | NoJob, launched: Launch, deadline: Deadline): Promise<Party> {
    const key = launched.job ? keyOf(launched.job) : "key" in job ? job.key : "";
    if (key) this.#otherKey = "";
    const directory = this.#openHost(given, launched.job, key, true);
    if ("missing" in job) {
      if (directory === null) throw this.hostError;
      return this.#checkReach({ ...given, job, directoryId: null }, launched);
    }
    const { peer, note } = await resolveExpected(given.expected, job, deadline);
    this.#note = note;
    const directoryId = directoryIdOf(key, given.location.hostId || `node ${job.node}`, directory);
    return this.#openJob({ ...given, expected: peer, job, directoryId }, job);
  }

  /** Joins the job while peers of this host may connect. */
  #advance(party: Party, launched: Launch, deadline: Deadline): Party {
    let job: Job | null;
    try {
      job = pollJob();
    } catch (error) {
      if (!isCode(error, ...NO_JOB)) throw error;
      this.#joining = null;
      if (this.hostError !== null) throw this.hostError;
      return this.#checkReach({ ...party, job: { missing: error.reason, told: true }, directoryId: null }, launched);
    }
    if (job === null) return party;
    this.#joining = null;
    deadline.moved();
    checkRank(party.expected, job.size);
    return this.#openJob({ ...party, job }, job);
  }

  #openJob(party: Party, job: Job): Party {
    const { rank: mpiRank, id, node } = job;
    this.#job = new JobListener(job, party.name, party.role, party.directoryId as string);
    const hostRefusal = this.hostError instanceof LavaFlowError ? this.hostError.reason : undefined;
    return { ...party, location: { mpiRank, mpiNode: `${id}:${node}`, ...party.location }, hostRefusal };
  }

  /** The runtime directory; null if it is unusable, which a rank of a job can do without. */
  #openHost({ name, role, openedAt }: Wanted, job: string, key: string, launched: boolean): string | null {
    try {
      this.#host = new HostListener(name, role, job, key, openedAt);
      return this.#host.directory;
    } catch (error) {
      if (!launched || !isCode(error, "PERMISSION_DENIED", "SYSTEM")) throw error;
      this.hostError = error;
      return null;
    }
  }

  /** `pinned` to MPI, the channel needs the job; else a process that can't join still has its host. */
  async #join(pinned: boolean, deadline: Deadline): Promise<Job | NoJob> {
    try {
      return await joinJob(deadline);
    } catch (error) {
      if (pinned || !isCode(error, ...NO_JOB)) throw error;
      return { missing: error.reason, told: true };
    }
  }

  /** MPI_UNAVAILABLE if MPI failed and the expected peer is on another host. */
  #checkReach(party: Party, launched: Launch): Party {
    const { job, expected, location } = party;
    if (!("missing" in job) || !job.told) return party;
    this.#note = `; no rank of another host can connect: ${job.missing}`;
    const elsewhere = (["hostname", "hostId"] as const).find((field) => {
      const [there, here] = [expected?.[field], location[field]];
      return there !== undefined && here !== undefined && there !== here;
    });
    const alone = launched.outside === null && ranksOfHost() === 1;
    if (elsewhere === undefined && !alone) return party;
    const whom = alone ? "the other ranks of the job are" : "the peer is";
    throw new LavaFlowError("MPI_UNAVAILABLE", `${whom} on another host, and MPI can't reach it: ${job.missing}`, {
      remedy: 'Repair MPI (LAVA_FLOW_MPI names the library), or open both ends with scope "host" on one host',
    });
  }

  async connect(entered: Party, deadline: Deadline, wake: () => void): Promise<Connected> {
    for (let party = entered; ; ) {
      if (this.#joining) party = this.#joining(party);
      for (const listener of this.#listeners) this.#accept(listener, party, deadline);
      for (const [listener, link] of this.#accepted) {
        const agreement = await this.#agree(listener, link, party, deadline, wake);
        if (agreement === null) continue;
        for (const each of this.#listeners) each.stop();
        this.#closeAccepted();
        return { agreement, link, leave: () => this.leave() };
      }
      deadline.check(
        () => this.#noPeerText(party),
        () => this.#whyNoPeer(),
      );
      await this.#idle(deadline);
    }
  }

  /** Sleeps if the host's listener is the only source of events. The job, and a peer without a hello, have to be polled. */
  async #idle(deadline: Deadline): Promise<void> {
    const onlyHost = this.#job === null && !this.#joining && this.#accepted.size === 0;
    if (onlyHost && deadline.slow && (await this.#host?.sleep(deadline))) deadline.moved();
    else await deadline.pause();
  }

  #accept(listener: Listener, party: Party, deadline: Deadline): void {
    if (this.#accepted.has(listener)) return;
    const link = listener === this.#job ? this.#pollJob(this.#job, party) : listener.poll();
    if (link === null) return;
    this.#accepted.set(listener, link);
    sendHello(link, party);
    deadline.moved();
  }

  /** If MPI fails, the host's listener still serves. The rank that keeps the name may be unreachable for a while. */
  #pollJob(listener: JobListener, { pin }: Party): Link | null {
    try {
      const link = listener.poll();
      this.#unreachable = "";
      return link;
    } catch (error) {
      const needed = this.hostError !== null;
      if (!needed && isCode(error, "PEER_DIED")) {
        this.#unreachable = `; no peer can connect in the job: ${error.reason}`;
        return null;
      }
      if (needed || pin === "mpi" || !isCode(error, "MPI_FAILED")) throw error;
      this.#note += `; no peer can connect in the job: ${error.reason}`;
      this.#job = null;
      listener.close();
      return null;
    }
  }

  /** Null while the peer has sent no hello, and if it is the wrong peer. */
  async #agree(
    listener: Listener,
    link: Link,
    party: Party,
    deadline: Deadline,
    wake: () => void,
  ): Promise<Agreement | null> {
    try {
      const hello = receiveHello(link, party);
      if (hello === null) return null;
      deadline.moved();
      const agreement = await shakeHands(link, hello, party, deadline, wake);
      this.#accepted.delete(listener);
      return agreement;
    } catch (error) {
      this.#accepted.delete(listener);
      link.close();
      if (!concernsOnePeer(error)) throw error;
      if (this.#last === "" || error instanceof Mismatch) this.#last = error.message;
      deadline.slowDown();
      return null;
    }
  }

  #noPeerText({ name, role }: Party): string {
    const other = role === "producer" ? "consumer" : "producer";
    const where = this.#listeners.map((listener) => listener.describe()).join(" or ");
    const joining = this.#joining && `; no peer could connect in the job yet: ${joiningText()}`;
    const last = this.#last || (this.#accepted.size > 0 ? UNFINISHED : "");
    const note = `${joining ?? ""}${this.#note}${this.#unreachable}`;
    return `no ${other} opened "${name}" ${where}${note}${last && ` (the last peer: ${last})`}`;
  }

  /** Only the host's runtime directory can tell: one rank's silence says nothing of the other ranks. */
  #whyNoPeer(): Known {
    const came = this.#last !== "" || this.#accepted.size > 0;
    return this.#host?.whyNoPeer(came, this.#otherKey) ?? { why: "" };
  }

  #closeAccepted(): void {
    for (const link of this.#accepted.values()) link.close();
    this.#accepted.clear();
  }

  leave(): void {
    this.#closeAccepted();
    for (const listener of this.#listeners) listener.close();
  }
}

/** How many ranks the launcher started on this host; undefined if the launcher does not say. */
function ranksOfHost(): number | undefined {
  const { OMPI_COMM_WORLD_LOCAL_SIZE, MPI_LOCALNRANKS, SLURM_STEP_TASKS_PER_NODE } = process.env;
  const count = OMPI_COMM_WORLD_LOCAL_SIZE ?? MPI_LOCALNRANKS;
  if (count !== undefined) return Number(count);
  return /^1(\(x\d+\))?$/.test(SLURM_STEP_TASKS_PER_NODE ?? "") ? 1 : undefined;
}

/** The peer exited, was the wrong one or did not finish. The next peer may succeed. */
function concernsOnePeer(error: unknown): error is Error {
  return error instanceof Mismatch || isCode(error, "PEER_DIED", "TIMEOUT");
}
