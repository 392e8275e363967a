/** A kernel between its users and its backend: states, sends, calls and replies. */
import { type Call, invalidArgument, type LavaFlowError } from "../errors.ts";
import {
  checkAborted,
  checkDrain,
  checkLimits,
  DEFAULT_TIMEOUT_MS,
  type Limits,
  limitedWork,
} from "../native/limits.ts";
import { inTurn, nextTurn, turnDue } from "../native/turn.ts";
import type { BackendKernel, KernelPort } from "./backend/backend.ts";
import { HOST } from "./base/addresses.ts";
import { checkPayload, compose, OWN_CORRELATIONS } from "./base/compose.ts";
import { type Envelope, type EnvelopeInit, toEnvelope } from "./base/envelope.ts";
import type { LaunchPlan } from "./base/launch.ts";
import type { Message } from "./base/message.ts";
import type { MessageBytes } from "./base/payload.ts";
import { give, withValue } from "./base/values.ts";
import { type Limit, Origin, Waiter, within } from "./base/waiter.ts";
import { Counts } from "./counts.ts";
import type { Kernel, KernelMetrics, KernelState, Remains } from "./kernel.ts";
import type { KernelOwner } from "./kernel-owner.ts";
import { Lifecycle } from "./lifecycle.ts";
import { Replies } from "./replies.ts";
import { SendQueue } from "./send-queue.ts";
import type { Struct } from "./struct/struct.ts";

const DONE = Promise.resolve();
const nothing = () => {};

/** The properties that the messages of a `sendMany` have in common. */
type Alike = Omit<EnvelopeInit, "payload">;

export class RingKernel implements Kernel {
  readonly id: string;
  readonly number: number;
  readonly payloadBytes: number;
  readonly request: Struct | null;
  /** The events that its backend reports. */
  readonly port: KernelPort;
  readonly #owner: KernelOwner;
  readonly #reply: Struct | null;
  readonly #lifecycle: Lifecycle;
  readonly #sends: SendQueue;
  readonly #replies: Replies;
  readonly #drains = new Set<() => void>();
  #backend: BackendKernel | null = null;
  #closing: Promise<number> | null = null;
  /** Messages that waited for the input when the kernel ended. */
  #unsent = 0;
  readonly #origin: Origin;
  readonly #closed = Promise.withResolvers<LavaFlowError | null>();
  readonly #counts: Counts;

  constructor(id: string, number: number, plan: LaunchPlan, owner: KernelOwner, launch: Call) {
    this.id = id;
    this.number = number;
    this.payloadBytes = plan.payloadBytes;
    this.request = plan.request;
    this.#reply = plan.reply;
    this.#owner = owner;
    this.#origin = new Origin(launch);
    this.#counts = new Counts(id);
    this.#lifecycle = new Lifecycle(id);
    this.#sends = new SendQueue(id, this.#origin, (message) => (this.#backend as BackendKernel).trySend(message));
    const replies = new Replies(id, plan.outputCapacity, plan.reply, this.#origin);
    this.#replies = replies;
    this.port = {
      deliver: (message) => this.#deliver(message),
      get credits() {
        return replies.free;
      },
      taken: () => {
        this.#sends.progress();
        this.#checkDrained();
      },
      handled: (count) => this.#handled(count),
      counted: (delivered, rejected) => this.#owner.counted(delivered, rejected),
      dropped: (message, reason) => this.#dropped(message, reason),
      threw: (message, cause) => this.#threw(message, cause),
      silent: (correlationId, sent) => this.#owner.calls.unanswered(correlationId, sent),
      failed: (error) => this.#end(error),
    };
  }

  /** The backend has launched the kernel. Throws the error where the kernel has failed meanwhile. */
  launched(backend: BackendKernel): void {
    this.#backend = backend;
    this.#lifecycle.state = "launched";
    const { failure } = this.#lifecycle;
    if (failure === null) return;
    this.#end(failure);
    throw failure;
  }

  get closed(): Promise<LavaFlowError | null> {
    return this.#closed.promise;
  }

  get state(): KernelState {
    return this.#lifecycle.state;
  }

  /** Messages that are not handled: in the input or the body, and those that wait for the input. */
  get pending(): number {
    return this.#closing ? 0 : (this.#backend?.pending ?? 0) + this.#sends.size;
  }

  get metrics(): KernelMetrics {
    const { handled, expired, corrupt, errors, lastError } = this.#counts;
    const { pending } = this;
    return { pending, replies: this.#replies.length, handled, expired, corrupt, errors, lastError };
  }

  // ───────────── states ─────────────

  async activate(limits?: Limits): Promise<void> {
    checkLimits("activate", limits);
    return limitedWork(`kernel "${this.id}" was not activated`, limits, () =>
      this.#lifecycle.change("active", ["launched", "deactivated"], () => {
        this.#backend?.activate();
        this.#owner.activated();
      }),
    );
  }

  async deactivate(limits?: Limits): Promise<void> {
    checkLimits("deactivate", limits);
    return limitedWork(`kernel "${this.id}" did not stop`, limits, () =>
      this.#lifecycle.change("deactivated", ["active"], () => this.#backend?.deactivate()),
    );
  }

  async terminate(options: { drainMs?: number } & Limits = {}): Promise<Remains> {
    const drainMs = checkDrain("terminate", options, 0);
    return limitedWork(`kernel "${this.id}" did not end`, options, () => {
      const limit = performance.now() + drainMs;
      return this.end(limit, this.state === "active" ? this.drained(drainMs) : DONE);
    });
  }

  /**
   * Ends the kernel when `quiet` has resolved. A running body gets time until `limit`. Rejects with INVALID_TRANSITION.
   */
  end(limit: number, quiet: Promise<void>): Promise<Remains> {
    return this.#lifecycle.change("terminating", ["launched", "active", "deactivated"], async () => {
      const before = this.pending;
      await quiet;
      const stopped = (this.#backend as BackendKernel).deactivate().catch(nothing);
      await within(limit - performance.now(), stopped);
      const unhandled = await this.#close();
      this.#end(null);
      const rejected = this.#unsent + unhandled;
      return { drained: Math.max(0, before - rejected), rejected };
    });
  }

  /** Resolves when no message is pending, and after `timeoutMs` at the latest. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.pending === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drains.add(resolve);
    await within(timeoutMs, promise);
    this.#drains.delete(resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.state !== "terminating" && this.state !== "terminated") await this.terminate();
    else await this.#lifecycle.settled;
  }

  #close(): Promise<number> {
    return (this.#closing ??= (this.#backend as BackendKernel).close());
  }

  /** Ends the kernel: with `failure`, or, with null, because that was requested. */
  #end(failure: LavaFlowError | null): void {
    const lifecycle = this.#lifecycle;
    if (lifecycle.state === "terminated") return;
    lifecycle.failure ??= failure;
    if (lifecycle.state === "created") return; // `launched` ends it
    lifecycle.state = "terminated";
    this.#unsent = this.#sends.size;
    this.#close().catch(nothing);
    const error = lifecycle.failure ?? lifecycle.notActive("was terminated");
    this.#sends.fail(error);
    for (const call of this.#owner.calls.of(this)) call.failed(error);
    this.#replies.fail(error);
    for (const done of this.#drains) done();
    this.#owner.ended(this.number);
    this.#closed.resolve(lifecycle.failure);
  }

  // ───────────── to the kernel ─────────────

  trySend(init: EnvelopeInit): boolean {
    return this.#sends.offer(this.#compose(init));
  }

  send(init: EnvelopeInit, limits?: Limits): Promise<void> {
    try {
      const timeoutMs = this.#begin("send", limits);
      const message = this.#compose(init);
      if (this.#sends.offer(message)) return turnDue() ? nextTurn() : DONE;
      return this.#sends.wait(message, { ...limits, timeoutMs: Math.min(timeoutMs, init.deadlineMs ?? timeoutMs) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async sendMany(payloads: readonly MessageBytes[], options: Alike & Limits = {}): Promise<void> {
    if (typeof options !== "object" || options === null)
      throw invalidArgument("options of sendMany", options, "{ type, priority, ... }");
    const { timeoutMs, signal, ...alike } = options;
    const limits = { timeoutMs, signal };
    if (!Array.isArray(payloads)) throw invalidArgument("payloads", payloads, "a list of payloads");
    const all = payloads.map((payload) => checkPayload(payload, this));
    this.#begin("sendMany", limits);
    for (let sent = 0, waited = false; sent < all.length; waited = true) {
      if (turnDue()) {
        await nextTurn(); // before a send: a submission after one message of each caller would be small
        waited = true; // payloads that were checked before the turn may have changed
      } else if (waited) await this.send({ ...alike, payload: all[sent++] as Uint8Array }, limits); // the input is full
      if (waited && sent < all.length) this.#begin("sendMany", limits);
      sent += this.#offerMany(all, sent, alike, waited);
    }
  }

  call(init: EnvelopeInit, limits?: Limits): Promise<Envelope> {
    try {
      const timeoutMs = this.#begin("call", limits);
      const message = this.#compose(init);
      if (message.correlationId === 0) message.correlationId = this.#owner.calls.next();
      return this.#callFor(message, { ...limits, timeoutMs: Math.min(timeoutMs, init.deadlineMs ?? timeoutMs) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * A message from another kernel; false where the input is full, null where the kernel is not active. Throws
   * INVALID_ARGUMENT.
   */
  accept(message: Message): boolean | null {
    if (this.state !== "active") return null;
    checkPayload(message.payload, this);
    return this.#sends.offer(message);
  }

  /** Sets the destination of a route of its body; 0: none. */
  setRoute(route: number, destination: number): void {
    if (!this.#closing) this.#backend?.setRoute(route, destination);
  }

  /** Sends payloads from index `from` on until the input is full. Returns their number. They have one timestamp. */
  #offerMany(payloads: readonly Uint8Array[], from: number, options: Alike, again: boolean): number {
    if (from === payloads.length) return 0;
    const message = this.#compose({ ...options, payload: payloads[from] as Uint8Array });
    let at = from;
    while (this.#sends.offer(message)) {
      if (++at === payloads.length || turnDue()) break;
      message.payload = again ? checkPayload(payloads[at], this) : (payloads[at] as Uint8Array);
      message.id = this.#owner.nextId();
    }
    return at - from;
  }

  #callFor(message: Message, limit: Limit): Promise<Envelope> {
    const { correlationId } = message;
    let withdraw = nothing;
    const waiter = new Waiter<Envelope>(
      limit,
      () => `no reply from kernel "${this.id}"${this.#blocked()}`,
      () => {
        this.#owner.calls.delete(correlationId);
        withdraw();
      },
      this.#origin,
    );
    waiter.owner = this;
    waiter.struct = this.#reply;
    this.#owner.calls.set(correlationId, waiter);
    if (!this.#sends.offer(message)) withdraw = this.#sends.add(message, nothing, (error) => waiter.failed(error));
    return waiter.promise;
  }

  /** The timeout of a call. Throws INVALID_ARGUMENT, and ABORTED where the signal has aborted. */
  #begin(call: string, limits: Limits | undefined): number {
    if (limits === undefined) return DEFAULT_TIMEOUT_MS;
    const timeoutMs = checkLimits(call, limits);
    checkAborted(`${call} of kernel "${this.id}" was not begun`, limits);
    return timeoutMs;
  }

  /** Why an active kernel may not answer, for errors. */
  #blocked(): string {
    if (this.#replies.free > 0) return "";
    return `, which handles nothing while ${this.#replies.capacity} replies wait for receive(),`;
  }

  #compose(init: EnvelopeInit): Message {
    if (this.state !== "active") throw this.#lifecycle.notActive();
    const message = compose(init, this, this.#owner);
    if (this.#owner.calls.has(message.correlationId))
      throw invalidArgument("correlationId", message.correlationId, "one that no call waits for now");
    return message;
  }

  // ───────────── from the kernel ─────────────

  tryReceive(): Envelope | null {
    const reply = this.#replies.take();
    if (reply === undefined) {
      if (this.state === "terminated") throw this.#lifecycle.notActive();
      return null;
    }
    if (this.#replies.free === 1 && !this.#closing) this.#backend?.resume();
    return this.#reply === null ? reply : withValue(reply, this.#reply);
  }

  receive(limits?: Limits): Promise<Envelope> {
    try {
      const timeoutMs = this.#begin("receive", limits);
      const reply = this.tryReceive();
      return reply ? inTurn(reply) : this.#replies.next({ ...limits, timeoutMs });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #deliver(message: Message): void {
    if (message.destination === 0) this.#answer(message);
    else if (this.state !== "terminated") this.#owner.carry(message, this.id);
  }

  #answer(message: Message): void {
    const reply = toEnvelope(message, this.id, HOST);
    reply.id = this.#owner.nextId();
    const call = this.#owner.calls.get(message.correlationId);
    if (call) give(call, reply, call.struct);
    // A correlation id of the library belongs to a call that is over: the reply is dropped.
    else if (message.correlationId < OWN_CORRELATIONS) this.#replies.add(reply);
  }

  #handled(count: number): void {
    this.#counts.handled += count;
    this.#owner.handled(count);
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#drains.size > 0 && this.pending === 0) for (const done of this.#drains) done();
  }

  #dropped({ id, correlationId }: Pick<Message, "id" | "correlationId">, reason: "deadline" | "checksum"): void {
    const error = this.#counts.dropped(id, reason);
    this.#owner.calls.get(correlationId)?.failed(error);
    this.#checkDrained();
  }

  #threw({ id, correlationId }: Pick<Message, "id" | "correlationId">, cause: unknown): void {
    const error = this.#counts.threw(id, cause);
    this.#owner.calls.get(correlationId)?.failed(error);
  }
}
