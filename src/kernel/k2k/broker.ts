/** Messages between kernels through the host: in this runtime, and to runtimes of other processes and hosts. */
import { invalidArgument, LavaFlowError } from "../../errors.ts";
import { checkAborted, type Limits, limited, timeoutOf } from "../../native/limits.ts";
import { checkNames, type OptionNames } from "../../native/options.ts";
import { nextTurn, turnDue } from "../../native/turn.ts";
import type { BodyContext } from "../backend/backend.ts";
import { checkRuntimeName, HOST, parseAddress } from "../base/addresses.ts";
import { checkPriority, checkType, deadlineOf } from "../base/compose.ts";
import type { SendOptions } from "../base/launch.ts";
import type { Message } from "../base/message.ts";
import { type MessageBytes, messageBytes } from "../base/payload.ts";
import { Answers } from "./answers.ts";
import type { K2kConfig } from "./config.ts";
import { type DeliveryStatus, type Outcome, throwUnlessDelivered } from "./delivery.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { LocalRuntime } from "./kernels.ts";
import { type Answer, type Arrival, type ConnectOptions, connectPeer } from "./peer.ts";
import { Router } from "./router.ts";

/** Sends messages between kernels. Addresses: "kernel" in this runtime, "runtime/kernel" in another one. */
export interface K2kBroker {
  /**
   * Sends from a kernel, or "host", to a kernel. Resolves with the outcome:
   * - "delivered": the message is in the input of the destination;
   * - "queue-full": the input, a runtime on the way, or this broker (`maxPending`) was full; send again later;
   * - "not-found": there was no such kernel within `deliveryTimeoutMs`;
   * - "timeout": the kernel was not active within `deliveryTimeoutMs`;
   * - "max-hops-exceeded": the routes form a ring, or have more than `maxHops` hops;
   * - "pending": another runtime took the message and reported no outcome within `deliveryTimeoutMs` + 2 s. Rejects
   * with PEER_DIED or CHANNEL_CLOSED (a runtime on the way ended without a report), CLOCK_DRIFT (this clock is too far
   * ahead for a runtime on the way), KERNEL_NOT_ACTIVE (the sender is no kernel here), INVALID_ARGUMENT, CLOSED, and
   * TIMEOUT or ABORTED. `timeoutMs` limits the caller's wait; default Infinity. After TIMEOUT or ABORTED a message that
   * waits here is not delivered, and counts as rejected. A message that another runtime took may be delivered: the
   * metrics count it when its outcome is known.
   */
  send(from: string, to: string, payload: MessageBytes, options?: SendOptions & Limits): Promise<DeliveryStatus>;
  /**
   * Messages for a destination that is neither here nor in a connected runtime go to `nextHop`: to a connected runtime
   * of that name, which forwards them, or to another kernel, which gets them instead. The destination is a kernel, or a
   * runtime with all of its kernels. Throws INVALID_ARGUMENT.
   */
  addRoute(destination: string, nextHop: string): void;
  /**
   * Connects with another runtime, of this or another process or host: each calls this with the other's name. Its
   * kernels are "runtime/kernel" here from then on. The connection keeps the process alive until the shutdown. Errors
   * as for `Channel.open`.
   */
  connect(runtime: string, options?: ConnectOptions): Promise<void>;
  /** Names of the runtimes that are connected. */
  readonly connected: readonly string[];
  /**
   * Counts of messages from `send`, from other runtimes, and from kernels of every backend. `delivered`: in the input
   * of a kernel. `pending`: the outcome is not known. `rejected`: not delivered.
   */
  readonly metrics: { delivered: number; pending: number; rejected: number };
}

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
const HOST_SEND: OptionNames<SendOptions & Limits> = { ...SEND, timeoutMs: true, signal: true };

export class Broker implements K2kBroker {
  readonly #runtime: LocalRuntime;
  readonly #answers: Answers;
  readonly #router: Router;
  readonly #dispatcher: Dispatcher;
  readonly #connecting = new Set<string>();
  readonly #closed = new AbortController();

  constructor(config: K2kConfig, runtime: LocalRuntime) {
    this.#runtime = runtime;
    this.#answers = new Answers(runtime.calls);
    this.#router = new Router(runtime, config.maxHops);
    this.#dispatcher = new Dispatcher(config, runtime, this.#router);
  }

  get metrics() {
    return this.#dispatcher.metrics;
  }

  get connected(): readonly string[] {
    return [...this.#router.peers.keys()];
  }

  async send(
    from: string,
    to: string,
    payload: MessageBytes,
    options: SendOptions & Limits = {},
  ): Promise<DeliveryStatus> {
    this.#checkOpen();
    checkNames("sending to a kernel", options, HOST_SEND);
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
    timeoutOf({ timeoutMs, signal });
    const what = `${JSON.stringify(to)} was not given the message`;
    checkAborted(what, { signal });
    const source = from === HOST ? 0 : this.#runtime.kernel(from)?.number;
    if (source === undefined) {
      const remedy = 'Name a kernel of this runtime, or "host"';
      throw new LavaFlowError("KERNEL_NOT_ACTIVE", `there is no kernel ${JSON.stringify(from)} to send from`, {
        remedy,
      });
    }
    const { promise, resolve: report } = Promise.withResolvers<Outcome>();
    const message = this.#compose(source, to, payload, options, 0);
    const delivery = this.#dispatcher.send({ from, to, message, report }, true);
    const outcome = await limited(what, promise, { timeoutMs, signal }, undefined, (error) =>
      this.#dispatcher.withdraw(delivery, error),
    );
    if (turnDue()) await nextTurn();
    if (outcome instanceof LavaFlowError) throw outcome;
    return outcome;
  }

  addRoute(destination: string, nextHop: string): void {
    this.#router.addRoute(destination, nextHop);
    this.changed();
  }

  async connect(runtime: string, options: ConnectOptions = {}): Promise<void> {
    this.#checkOpen();
    const { name } = this.#runtime;
    checkNames("connect", options, CONNECT);
    checkRuntimeName(runtime, "runtime");
    if (runtime === name) throw invalidArgument("runtime", runtime, "the name of another runtime");
    if (this.#router.peers.has(runtime) || this.#connecting.has(runtime))
      throw new LavaFlowError("NAME_IN_USE", `"${name}" is connected with "${runtime}" already`);
    this.#connecting.add(runtime);
    try {
      const peer = await connectPeer(name, runtime, options, this.#closed.signal, {
        arrived: (arrival) => this.#arrived(arrival),
        answered: (correlationId, answer, code) => this.#answered(correlationId, answer, code),
        callFailed: (correlationId, error) => this.#runtime.calls.get(correlationId)?.failed(error),
        ended: () => this.#router.peers.delete(runtime),
      });
      if (this.#closed.signal.aborted) {
        await peer.close();
        throw this.#closedError();
      }
      if (peer.open) this.#router.peers.set(runtime, peer);
      this.changed();
    } finally {
      this.#connecting.delete(runtime);
    }
  }

  // ───────────── from kernels ─────────────

  /**
   * A message from a handler. `inner` reaches the kernels of the handler's backend. Throws KERNEL_NOT_ACTIVE where
   * there is no such kernel now, QUEUE_FULL, MAX_HOPS_EXCEEDED, INVALID_ARGUMENT. After an error the message is not
   * delivered.
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
    const report = (known: Outcome) => {
      outcome = known;
    };
    try {
      checkNames("sending to a kernel", options, SEND);
      const here = this.#runtime.kernel(to);
      if (here) {
        const { priority = 1, type = 0, deadlineMs } = options;
        const sending = { priority: checkPriority(priority), type: checkType(type), correlationId, deadlineMs };
        inner.sendTo(here.number, messageBytes("payload", payload), sending);
        this.#dispatcher.count(1, 0);
        return;
      }
      const message = this.#compose(this.#runtime.kernel(from)?.number ?? 0, to, payload, options, correlationId);
      this.#runtime.calls.passedOn(correlationId);
      this.#dispatcher.send({ from, to, message, report }, false);
    } catch (error) {
      this.#dispatcher.count(0, 1);
      throw error;
    }
    if (outcome !== null) throwUnlessDelivered(outcome, from, to);
  }

  /** A message from the handler of a Worker, which can't get an error. */
  postLater(
    source: number,
    to: string,
    payload: Uint8Array,
    options: SendOptions,
    inner: Pick<BodyContext, "sendTo">,
    correlationId: number,
  ): void {
    try {
      this.post(this.#runtime.addresses.nameOf(source), to, payload, options, inner, correlationId);
    } catch {
      // The message counts as rejected.
    }
  }

  /** Counts messages between kernels of a device, which do not pass through the host. */
  counted(delivered: number, rejected: number): void {
    this.#dispatcher.count(delivered, rejected);
  }

  /**
   * A message from a body on a device to a kernel that is not on the device. The device's number may be of no kernel.
   */
  carry(message: Message, from: string): void {
    const { addresses } = this.#runtime;
    if (addresses.has(message.destination)) {
      this.#dispatcher.send({ from, to: addresses.nameOf(message.destination), message, report: () => {} }, false);
    } else {
      this.#dispatcher.count(0, 1);
      this.#runtime.calls.unanswered(message.correlationId);
    }
  }

  /** A kernel was activated. */
  changed(): void {
    this.#dispatcher.retry();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    // Peers are closed first: they send no reports on the messages that fail here.
    const closing = [...this.#router.peers.values()].map((peer) => peer.close());
    this.#dispatcher.fail(this.#closedError());
    await Promise.all(closing);
  }

  #compose(source: number, to: string, payload: MessageBytes, options: SendOptions, correlationId: number): Message {
    const { priority = 1, type = 0, deadlineMs = Number.POSITIVE_INFINITY } = options;
    parseAddress(to, "to");
    const { addresses, clock } = this.#runtime;
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

  /** A message from another runtime: updates the clock, and gives the message an id and a source of this runtime. */
  #arrived(arrival: Arrival): void {
    const { from, to, message, report } = arrival;
    const { addresses, clock } = this.#runtime;
    message.id = addresses.nextId();
    message.source = addresses.addRemote(from);
    // Correlation ids are of one runtime: a call gets one of this runtime.
    message.correlationId = arrival.answer ? this.#answers.expect(arrival.answer) : 0;
    const delivery = this.#dispatcher.open({ from, to, message, report, arrival });
    try {
      clock.update(message.timestamp);
      this.#dispatcher.dispatch(delivery, true);
    } catch (error) {
      delivery.finish(error as LavaFlowError);
    }
  }

  #answered(correlationId: number, answer: Answer, code: number): void {
    try {
      this.#runtime.clock.update(answer.message.timestamp);
      this.#answers.arrived(correlationId, answer, code);
    } catch (error) {
      this.#runtime.calls.get(correlationId)?.failed(error as LavaFlowError);
    }
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw this.#closedError();
  }

  #closedError(): LavaFlowError {
    const what = `the runtime "${this.#runtime.name}" was shut down`;
    return new LavaFlowError("CLOSED", what, { remedy: "Create another one" });
  }
}
