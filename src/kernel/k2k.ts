/** Messages between kernels by way of the host: in this runtime, and to runtimes of other processes and hosts. */
import { invalidArgument, LavaFlowError } from "../errors.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import { nextTurn, turnDue } from "../native/turn.ts";
import { type Addresses, checkRuntimeName, HOST, parseAddress } from "./addresses.ts";
import { Answers } from "./answers.ts";
import type { BodyContext, Message } from "./backend/backend.ts";
import type { Calls } from "./calls.ts";
import type { HybridLogicalClock } from "./clock.ts";
import { checkPriority, checkType, deadlineOf } from "./compose.ts";
import type { K2kConfig } from "./k2k-config.ts";
import type { SendOptions } from "./launch.ts";
import { type DeliveryStatus, type Outcome, Parcel, throwUnlessDelivered } from "./parcel.ts";
import { type MessageBytes, messageBytes } from "./payload.ts";
import { type Answer, type Arrival, type ConnectOptions, connectPeer, type Peer } from "./peer.ts";
import type { RingKernel } from "./ring-kernel.ts";

/** "kernel" in this runtime, "runtime/kernel" in another one. */
export interface K2kBroker {
  /**
   * Sends from a kernel, or "host", to a kernel. What it resolves with is true when it says so:
   * - "delivered": it is in the input of the destination;
   * - "queue-full": there was no room for it there, on the way, or among those that wait; send again later;
   * - "not-found": there was no such kernel within `deliveryTimeoutMs`;
   * - "timeout": there was, and it was not active within that time;
   * - "max-hops-exceeded": the routes go round in a ring, or too far;
   * - "pending": it was handed to another runtime, which has not said within that time, and 2 s more, what became of it.
   * Rejects with PEER_DIED or CHANNEL_CLOSED (a runtime on the way is gone, and did not say what became of it), CLOCK_DRIFT
   * (this clock is too far ahead for a runtime on the way), KERNEL_NOT_ACTIVE (the sender is no kernel here),
   * INVALID_ARGUMENT, CLOSED.
   */
  send(from: string, to: string, payload: MessageBytes, options?: SendOptions): Promise<DeliveryStatus>;
  /**
   * Messages for a destination that is neither here nor in a connected runtime go to `nextHop`: to a connected runtime of
   * that name, which takes them on, or to another kernel, which is given them instead. The destination may be a kernel, or
   * a runtime: then for all of its kernels. INVALID_ARGUMENT.
   */
  addRoute(destination: string, nextHop: string): void;
  /**
   * Meets another runtime, of this or another process or host: each calls this with the other's name. From then on its
   * kernels are "runtime/kernel" here, and the process stays alive until the shutdown. Errors as for `Channel.open`.
   */
  connect(runtime: string, options?: ConnectOptions): Promise<void>;
  /** Names of the runtimes that are connected. */
  readonly connected: readonly string[];
  /**
   * Messages that came into the input of a kernel, that wait for one or are on their way, and that were not delivered: those that
   * `send` sends, those from other runtimes, and all that kernels send, whatever they run on.
   */
  readonly metrics: { delivered: number; pending: number; rejected: number };
}

/** What the broker needs of its runtime. */
interface Place {
  readonly name: string;
  readonly clock: HybridLogicalClock;
  readonly addresses: Addresses;
  readonly calls: Calls;
  kernel(id: string): RingKernel | null;
}

/** A word about a message that waited to the end of its time is on its way a while. */
const WORD_MS = 2000;

const CONNECT: OptionNames<ConnectOptions> = {
  timeoutMs: true,
  signal: true,
  location: true,
  peer: true,
  transport: true,
  scope: true,
  allocator: true,
};
const SEND: OptionNames<SendOptions> = { priority: true, type: true, deadlineMs: true };

export class Broker implements K2kBroker {
  readonly #config: K2kConfig;
  readonly #place: Place;
  readonly #answers: Answers;
  readonly #routes = new Map<string, string>();
  readonly #peers = new Map<string, Peer>();
  readonly #connecting = new Set<string>();
  /** For kernels that are not there or not active yet, the oldest first. */
  readonly #waiting = new Set<Parcel>();
  readonly #closed = new AbortController();
  #delivered = 0;
  #rejected = 0;
  /** Parcels of which nobody knows yet what becomes of them. */
  #pending = 0;

  constructor(config: K2kConfig, place: Place) {
    this.#config = config;
    this.#place = place;
    this.#answers = new Answers(place.calls);
  }

  get metrics() {
    return { delivered: this.#delivered, pending: this.#pending, rejected: this.#rejected };
  }

  get connected(): readonly string[] {
    return [...this.#peers.keys()];
  }

  async send(from: string, to: string, payload: MessageBytes, options?: SendOptions): Promise<DeliveryStatus> {
    this.#checkOpen();
    const source = from === HOST ? 0 : this.#place.kernel(from)?.number;
    if (source === undefined) {
      const remedy = 'Name a kernel of this runtime, or "host"';
      throw new LavaFlowError("KERNEL_NOT_ACTIVE", `there is no kernel ${JSON.stringify(from)} to send from`, {
        remedy,
      });
    }
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#dispatch(this.#parcel(from, to, this.#compose(source, to, payload, options, 0), resolve), true);
    const outcome = await promise;
    if (turnDue()) await nextTurn();
    if (outcome instanceof LavaFlowError) throw outcome;
    return outcome;
  }

  addRoute(destination: string, nextHop: string): void {
    parseAddress(destination, "destination");
    parseAddress(nextHop, "nextHop");
    this.#routes.set(destination, nextHop);
    this.changed();
  }

  async connect(runtime: string, options: ConnectOptions = {}): Promise<void> {
    this.#checkOpen();
    const { name } = this.#place;
    checkNames("connect", options, CONNECT);
    checkRuntimeName(runtime, "runtime");
    if (runtime === name) throw invalidArgument("runtime", runtime, "the name of another runtime");
    if (this.#peers.has(runtime) || this.#connecting.has(runtime))
      throw new LavaFlowError("NAME_IN_USE", `"${name}" is connected with "${runtime}" already`);
    this.#connecting.add(runtime);
    try {
      const peer = await connectPeer(name, runtime, options, this.#closed.signal, {
        arrived: (arrival) => this.#arrived(arrival),
        answered: (correlationId, answer, code) => this.#answered(correlationId, answer, code),
        left: (correlationId, error) => this.#place.calls.get(correlationId)?.failed(error),
        ended: () => this.#peers.delete(runtime),
      });
      if (this.#closed.signal.aborted) {
        await peer.close();
        throw this.#closedError();
      }
      if (peer.open) this.#peers.set(runtime, peer);
      this.changed();
    } finally {
      this.#connecting.delete(runtime);
    }
  }

  // ───────────── from kernels ─────────────

  /**
   * From a handler, whose backend has `inner` to reach its own kernels. Throws KERNEL_NOT_ACTIVE where there is no such
   * kernel now, QUEUE_FULL, MAX_HOPS_EXCEEDED, INVALID_ARGUMENT: each of them is a message that was not delivered.
   */
  post(
    from: string,
    to: string,
    payload: MessageBytes,
    options: SendOptions,
    inner: Pick<BodyContext, "sendTo">,
    correlationId: number,
  ): void {
    let outcome: Outcome | null = null;
    const told = (settled: Outcome) => {
      outcome = settled;
    };
    try {
      const here = this.#place.kernel(to);
      if (here) {
        checkNames("sending to a kernel", options, SEND);
        const { priority = 1, type = 0, deadlineMs } = options;
        const sending = { priority: checkPriority(priority), type: checkType(type), correlationId, deadlineMs };
        inner.sendTo(here.number, messageBytes("payload", payload), sending);
        this.#delivered++;
        return;
      }
      const message = this.#compose(this.#place.kernel(from)?.number ?? 0, to, payload, options, correlationId);
      this.#place.calls.passedOn(correlationId);
      this.#dispatch(this.#parcel(from, to, message, told), false);
    } catch (error) {
      this.#rejected++;
      throw error;
    }
    if (outcome !== null) throwUnlessDelivered(outcome, from, to);
  }

  /** From the handler of a Worker, whom nothing can be told any more. */
  postLater(
    source: number,
    to: string,
    payload: Uint8Array,
    options: SendOptions,
    inner: Pick<BodyContext, "sendTo">,
    correlationId: number,
  ): void {
    try {
      this.post(this.#place.addresses.nameOf(source), to, payload, options, inner, correlationId);
    } catch {
      // It counts as rejected.
    }
  }

  /** Messages between kernels of a device, which did not pass here. */
  counted(delivered: number, rejected: number): void {
    this.#delivered += delivered;
    this.#rejected += rejected;
  }

  /** From a body on a device, for a kernel that is not there: whose number it is, is the device's word. */
  carry(message: Message, from: string): void {
    const { addresses } = this.#place;
    if (addresses.has(message.destination)) {
      const to = addresses.nameOf(message.destination);
      this.#dispatch(this.#parcel(from, to, message, nothing), false);
    } else {
      this.#rejected++;
      this.#place.calls.unanswered(message.correlationId);
    }
  }

  // ───────────── delivery ─────────────

  /** A kernel was activated, a runtime connected, a route added: those that wait try again, in order. */
  changed(): void {
    for (const parcel of this.#waiting) {
      const outcome = this.#try(parcel);
      if (outcome === "absent") continue;
      this.#waiting.delete(parcel);
      if (outcome === "gone") parcel.waits(() => "pending", WORD_MS);
      else parcel.settle(outcome);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    // First: of those that wait here, other runtimes are told of no more than the end.
    const closing = [...this.#peers.values()].map((peer) => peer.close());
    for (const parcel of this.#waiting) parcel.settle(this.#closedError());
    await Promise.all(closing);
  }

  #compose(
    source: number,
    to: string,
    payload: MessageBytes,
    options: SendOptions = {},
    correlationId: number,
  ): Message {
    checkNames("sending to a kernel", options, SEND);
    const { priority = 1, type = 0, deadlineMs = Number.POSITIVE_INFINITY } = options;
    parseAddress(to, "to");
    const { addresses, clock } = this.#place;
    const timestamp = clock.tick();
    return {
      id: addresses.nextId(),
      type: checkType(type),
      priority: checkPriority(priority),
      correlationId,
      payload: messageBytes("payload", payload),
      timestamp,
      deadlineMicros: deadlineOf(deadlineMs, timestamp),
      source,
      destination: 0,
    };
  }

  #parcel(from: string, to: string, message: Message, told: (outcome: Outcome) => void, arrival?: Arrival): Parcel {
    const { deliveryTimeoutMs } = this.#config;
    const withinMs = Math.min(deliveryTimeoutMs, arrival?.withinMs ?? deliveryTimeoutMs);
    const hops = arrival?.hops ?? 0;
    this.#pending++;
    const parcel: Parcel = new Parcel(
      { from: addressFrom(from, this.#place.name), to, hops, message },
      withinMs,
      (outcome) => {
        this.#waiting.delete(parcel);
        this.#pending--;
        if (outcome === "delivered") this.#delivered++;
        else this.#rejected++;
        // Of one that is "pending" an answer may still come.
        if (outcome !== "delivered" && outcome !== "pending") this.#place.calls.unanswered(message.correlationId);
        told(outcome);
      },
    );
    return parcel;
  }

  /** `patient`: it may wait for its kernel. */
  #dispatch(parcel: Parcel, patient: boolean): void {
    const room = this.#pending <= this.#config.maxPending;
    const outcome = this.#try(parcel, room);
    if (outcome === "gone") {
      parcel.waits(() => "pending", WORD_MS);
    } else if (outcome !== "absent") {
      parcel.settle(outcome);
    } else if (!patient || !room) {
      parcel.settle(patient ? "queue-full" : "not-found");
    } else {
      // Its sender may use the payload again.
      parcel.message.payload = parcel.message.payload.slice();
      this.#waiting.add(parcel);
      parcel.waits(() => this.#absence(parcel.to));
    }
  }

  /** "gone": to another runtime, which will tell. "absent": there is nobody to give it to now. */
  #try(parcel: Parcel, room = true): Outcome | "gone" | "absent" {
    const { maxHops } = this.#config;
    const { calls } = this.#place;
    let at = parcel.to;
    for (let { hops } = parcel; hops <= maxHops; hops++) {
      const { runtime, kernel: id } = this.#parse(at);
      const kernel = runtime === null ? this.#place.kernel(id) : null;
      if (kernel) return give(kernel, parcel.message);
      const next = this.#routes.get(runtime === null ? id : at) ?? this.#routes.get(runtime ?? "");
      const peer = this.#peers.get(runtime ?? "") ?? this.#peers.get(next ?? "");
      if (peer) {
        if (room && peer.send(parcel, at, hops + 1, calls.has(parcel.message.correlationId))) return "gone";
        return peer.open ? "queue-full" : "absent";
      }
      if (next === undefined) return "absent";
      at = next;
    }
    return "max-hops-exceeded";
  }

  /** What is true of a kernel that did not come to be active in time. */
  #absence(to: string): DeliveryStatus {
    const { runtime, kernel } = this.#parse(to);
    return runtime === null && this.#place.kernel(kernel) ? "timeout" : "not-found";
  }

  /** This runtime's own name before a kernel's says nothing. */
  #parse(address: string): { runtime: string | null; kernel: string } {
    const { runtime, kernel } = parseAddress(address, "to");
    return { runtime: runtime === this.#place.name ? null : runtime, kernel };
  }

  /** From another runtime: its stamp is heeded, and it gets a number and a source of this one. */
  #arrived(arrival: Arrival): void {
    const { from, to, message, told } = arrival;
    const { addresses, clock } = this.#place;
    message.id = addresses.nextId();
    message.source = addresses.stranger(from);
    // Its correlation is that of the other runtime's calls: here it has another one, or none.
    message.correlationId = arrival.answer ? this.#answers.expect(arrival.answer) : 0;
    const parcel = this.#parcel(from, to, message, told, arrival);
    try {
      clock.update(message.timestamp);
      this.#dispatch(parcel, true);
    } catch (error) {
      parcel.settle(error as LavaFlowError);
    }
  }

  #answered(correlationId: number, answer: Answer, code: number): void {
    try {
      this.#place.clock.update(answer.message.timestamp);
      this.#answers.came(correlationId, answer, code);
    } catch (error) {
      this.#place.calls.get(correlationId)?.failed(error as LavaFlowError);
    }
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw this.#closedError();
  }

  #closedError(): LavaFlowError {
    const what = `the runtime "${this.#place.name}" was shut down`;
    return new LavaFlowError("CLOSED", what, { remedy: "Create another one" });
  }
}

function nothing(): void {}

/** As others know it. */
function addressFrom(from: string, runtime: string): string {
  return from.includes("/") ? from : `${runtime}/${from}`;
}

function give(kernel: RingKernel, message: Message): Outcome | "absent" {
  message.destination = kernel.number;
  try {
    const accepted = kernel.accept(message);
    return accepted === null ? "absent" : accepted ? "delivered" : "queue-full";
  } catch (error) {
    return error as LavaFlowError;
  }
}
