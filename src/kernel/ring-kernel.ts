/** The kernel behind the interface: states, who waits for what, and the correlation of replies with calls. */
import { type Call, invalidArgument, LavaFlowError } from "../errors.ts";
import { Fifo } from "../native/fifo.ts";
import { checkDrain, checkTimeout, DEFAULT_TIMEOUT_MS, timedOut } from "../native/limits.ts";
import { inTurn, nextTurn, turnDue } from "../native/turn.ts";
import { HOST } from "./addresses.ts";
import type { BackendKernel, KernelPort, Message } from "./backend/backend.ts";
import { checkPayload, compose, OWN_CORRELATIONS } from "./compose.ts";
import { Counts } from "./counts.ts";
import { type Envelope, type EnvelopeInit, toEnvelope } from "./envelope.ts";
import type { Home } from "./home.ts";
import type { Kernel, KernelMetrics, KernelState, Remains } from "./kernel.ts";
import type { LaunchPlan } from "./launch.ts";
import { changeOf, type MessageBytes } from "./payload.ts";
import type { Struct } from "./struct.ts";
import { give, withValue } from "./values.ts";
import { Origin, type Sender, Waiter, within } from "./waiter.ts";

const DONE = Promise.resolve();
const nothing = () => {};
const first = <T>(set: Set<T>): T | undefined => set.values().next().value;

/** What many messages have in common. */
type Alike = Omit<EnvelopeInit, "payload">;

export class RingKernel implements Kernel {
  readonly id: string;
  readonly number: number;
  readonly payloadBytes: number;
  readonly request: Struct | null;
  /** For its backend. */
  readonly port: KernelPort;
  readonly #home: Home;
  readonly #outputCapacity: number;
  readonly #reply: Struct | null;
  readonly #senders = new Set<Sender>();
  readonly #receivers = new Set<Waiter<Envelope>>();
  readonly #output = new Fifo<Envelope>();
  readonly #drains = new Set<() => void>();
  #state: KernelState = "created";
  #backend: BackendKernel | null = null;
  /** The end of what the states' changes have to do: in the order in which they were asked for. */
  #transition: Promise<unknown> = DONE;
  #closing: Promise<number> | null = null;
  #failure: LavaFlowError | null = null;
  /** How many waited for room in the input when it ended. */
  #turnedAway = 0;
  readonly #origin: Origin;
  readonly #closed = Promise.withResolvers<LavaFlowError | null>();
  readonly #counts: Counts;

  constructor(id: string, number: number, plan: LaunchPlan, home: Home, launch: Call) {
    this.id = id;
    this.number = number;
    this.payloadBytes = plan.payloadBytes;
    this.request = plan.request;
    this.#reply = plan.reply;
    this.#outputCapacity = plan.outputCapacity;
    this.#home = home;
    this.#origin = new Origin(launch);
    this.#counts = new Counts(id);
    const room = () => this.#outputCapacity - this.#output.length;
    this.port = {
      deliver: (message) => this.#deliver(message),
      get room() {
        return room();
      },
      taken: () => this.#roomInInput(),
      handled: (count) => this.#handled(count),
      counted: (delivered, rejected) => this.#home.counted(delivered, rejected),
      dropped: (message, reason) => this.#dropped(message, reason),
      threw: (message, cause) => this.#threw(message, cause),
      silent: (correlationId, sent) => this.#home.calls.unanswered(correlationId, sent),
      failed: (error) => this.#end(error),
    };
  }

  /** Its backend has it now. Throws what it has failed of by then. */
  launched(backend: BackendKernel): void {
    this.#backend = backend;
    this.#state = "launched";
    if (this.#failure === null) return;
    this.#end(this.#failure);
    throw this.#failure;
  }

  get closed(): Promise<LavaFlowError | null> {
    return this.#closed.promise;
  }

  get state(): KernelState {
    return this.#state;
  }

  /** Messages that it has not handled, in the input and waiting for room in it. */
  get pending(): number {
    return this.#closing ? 0 : (this.#backend?.pending ?? 0) + this.#senders.size;
  }

  get metrics(): KernelMetrics {
    const { handled, expired, corrupt, errors, lastError } = this.#counts;
    const { pending } = this;
    return { pending, replies: this.#output.length, handled, expired, corrupt, errors, lastError };
  }

  // ───────────── states ─────────────

  activate(): Promise<void> {
    return this.#change("active", ["launched", "deactivated"], (backend) => {
      backend.activate();
      this.#home.activated();
    });
  }

  deactivate(): Promise<void> {
    return this.#change("deactivated", ["active"], (backend) => backend.deactivate());
  }

  async terminate(options: { drainMs?: number } = {}): Promise<Remains> {
    const drainMs = checkDrain("terminate", options, 0);
    const limit = performance.now() + drainMs;
    return this.end(limit, this.#state === "active" ? this.drained(drainMs) : DONE);
  }

  /** Ends it once `quiet` has resolved; what it handles then may take until `limit`. INVALID_TRANSITION. */
  end(limit: number, quiet: Promise<void>): Promise<Remains> {
    return this.#change("terminating", ["launched", "active", "deactivated"], async (backend) => {
      const before = this.pending;
      await quiet;
      const resting = backend.deactivate().catch(nothing);
      await within(limit - performance.now(), resting);
      const unhandled = await this.#close();
      this.#end(null);
      const rejected = this.#turnedAway + unhandled;
      return { drained: Math.max(0, before - rejected), rejected };
    });
  }

  /** Resolves when no message waits, after `timeoutMs` at the latest. */
  async drained(timeoutMs: number): Promise<void> {
    if (this.pending === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drains.add(resolve);
    await within(timeoutMs, promise);
    this.#drains.delete(resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== "terminating" && this.#state !== "terminated") await this.terminate();
    else await this.#transition;
  }

  /** What is allowed is decided now; what it takes is done when the changes before it are. */
  #change<T>(to: KernelState, from: KernelState[], act: (backend: BackendKernel) => T | Promise<T>): Promise<T> {
    if (!from.includes(this.#state)) return Promise.reject(this.#illegal(to));
    this.#state = to;
    const done = this.#transition.then(() => {
      if (this.#failure) throw this.#notActive("has ended");
      return act(this.#backend as BackendKernel);
    });
    this.#transition = done.catch(nothing);
    return done;
  }

  #illegal(to: KernelState): LavaFlowError {
    return new LavaFlowError("INVALID_TRANSITION", `kernel "${this.id}" is ${this.#state} and can't become ${to}`, {
      remedy: "A kernel goes created, launched, active, then deactivated and active at will, terminating, terminated",
      cause: this.#failure ?? undefined,
    });
  }

  #close(): Promise<number> {
    return (this.#closing ??= (this.#backend as BackendKernel).close());
  }

  /** Nothing of it runs any more: because of `failure`, or because it was asked to end. */
  #end(failure: LavaFlowError | null): void {
    if (this.#state === "terminated") return;
    this.#failure ??= failure;
    if (this.#state === "created") return; // nobody has it yet
    this.#state = "terminated";
    this.#turnedAway = this.#senders.size;
    this.#close().catch(nothing);
    const error = this.#failure ?? this.#notActive("was terminated");
    for (const waiting of [this.#senders, this.#home.calls.of(this), this.#receivers]) {
      for (const each of [...waiting]) each.failed(error);
    }
    for (const done of this.#drains) done();
    this.#home.ended(this.number);
    this.#closed.resolve(this.#failure);
  }

  #notActive(what = `is ${this.#state}`): LavaFlowError {
    const cause = this.#failure ?? undefined;
    const reason = cause ? `: ${cause.reason}` : "";
    return new LavaFlowError("KERNEL_NOT_ACTIVE", `kernel "${this.id}" ${what}${reason}`, {
      remedy: this.#state === "terminated" ? "Launch it again" : "Activate it first",
      cause,
    });
  }

  // ───────────── to the kernel ─────────────

  trySend(init: EnvelopeInit): boolean {
    return this.#offer(this.#compose(init));
  }

  send(init: EnvelopeInit): Promise<void> {
    try {
      const message = this.#compose(init);
      return this.#offer(message) ? (turnDue() ? nextTurn() : DONE) : this.#waitForRoom(message, init.deadlineMs);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async sendMany(payloads: readonly MessageBytes[], options: Alike = {}): Promise<void> {
    if (!Array.isArray(payloads)) throw invalidArgument("payloads", payloads, "a list of payloads");
    const all = payloads.map((payload) => checkPayload(payload, this));
    for (let sent = 0, waited = false; sent < all.length; waited = true) {
      if (turnDue()) {
        await nextTurn(); // before: many who send a message each when a turn is due make small submissions
        waited = true; // what was looked at before it may have gone
      } else if (waited) await this.send({ ...options, payload: all[sent++] as Uint8Array }); // no room: as any other
      sent += this.#offerMany(all, sent, options, waited);
    }
  }

  call(init: EnvelopeInit, options?: { timeoutMs?: number }): Promise<Envelope> {
    try {
      const timeoutMs = checkTimeout("call", options);
      const message = this.#compose(init);
      if (message.correlationId === 0) message.correlationId = this.#home.calls.next();
      return this.#callFor(message, Math.min(timeoutMs, init.deadlineMs ?? timeoutMs));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A message from another kernel; false where the input is full, null where it can't be sent any now. INVALID_ARGUMENT. */
  accept(message: Message): boolean | null {
    if (this.#state !== "active") return null;
    checkPayload(message.payload, this);
    return this.#offer(message);
  }

  /** Where a route of its body leads; 0: nowhere. */
  setRoute(route: number, destination: number): void {
    if (!this.#closing) this.#backend?.setRoute(route, destination);
  }

  /** Nobody overtakes those who wait for room. */
  #offer(message: Message): boolean {
    return this.#senders.size === 0 && (this.#backend as BackendKernel).trySend(message);
  }

  /** How many of them there was room for. They are one event: they have one stamp. */
  #offerMany(payloads: readonly Uint8Array[], from: number, options: Alike, again: boolean): number {
    if (from === payloads.length) return 0;
    const message = this.#compose({ ...options, payload: payloads[from] as Uint8Array });
    let at = from;
    while (this.#offer(message)) {
      if (++at === payloads.length || turnDue()) break;
      message.payload = again ? checkPayload(payloads[at], this) : (payloads[at] as Uint8Array);
      message.id = this.#home.nextId();
    }
    return at - from;
  }

  #waitForRoom(message: Message, deadlineMs = Number.POSITIVE_INFINITY): Promise<void> {
    const limit = Math.min(DEFAULT_TIMEOUT_MS, deadlineMs);
    const late = () => timedOut(`no room in the input of "${this.id}"`, limit);
    const waiter = new Waiter<void>(limit, late, () => this.#senders.delete(sender), this.#origin);
    const sizeBytes = message.payload.byteLength;
    const sender: Sender = { message, sizeBytes, sent: () => waiter.got(), failed: (error) => waiter.failed(error) };
    this.#senders.add(sender);
    return waiter.promise;
  }

  #callFor(message: Message, limit: number): Promise<Envelope> {
    const { correlationId } = message;
    let sender: Sender | null = null;
    const waiter = new Waiter<Envelope>(
      limit,
      () => timedOut(`no reply from kernel "${this.id}"${this.#blocked()}`, limit),
      () => {
        this.#home.calls.delete(correlationId);
        if (sender) this.#senders.delete(sender);
      },
      this.#origin,
    );
    waiter.owner = this;
    waiter.struct = this.#reply;
    this.#home.calls.set(correlationId, waiter);
    if (!this.#offer(message)) {
      const sizeBytes = message.payload.byteLength;
      sender = { message, sizeBytes, sent: nothing, failed: (error) => waiter.failed(error) };
      this.#senders.add(sender);
    }
    return waiter.promise;
  }

  /** Why a kernel that is well may not answer. */
  #blocked(): string {
    if (this.#output.length < this.#outputCapacity) return "";
    return `, which handles nothing while ${this.#outputCapacity} replies wait for receive(),`;
  }

  #compose(init: EnvelopeInit): Message {
    if (this.#state !== "active") throw this.#notActive();
    const message = compose(init, this, this.#home);
    if (this.#home.calls.has(message.correlationId))
      throw invalidArgument("correlationId", message.correlationId, "one that no call waits for now");
    return message;
  }

  // ───────────── from the kernel ─────────────

  tryReceive(): Envelope | null {
    const reply = this.#output.shift();
    if (reply === undefined) {
      if (this.#state === "terminated") throw this.#notActive();
      return null;
    }
    if (this.#output.length === this.#outputCapacity - 1 && !this.#closing) this.#backend?.resume();
    return this.#reply === null ? reply : withValue(reply, this.#reply);
  }

  receive(options?: { timeoutMs?: number }): Promise<Envelope> {
    try {
      const timeoutMs = checkTimeout("receive", options);
      const reply = this.tryReceive();
      return reply ? inTurn(reply) : this.#nextReply(timeoutMs);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #nextReply(timeoutMs: number): Promise<Envelope> {
    const late = () => timedOut(`no reply from kernel "${this.id}"`, timeoutMs);
    const waiter = new Waiter<Envelope>(timeoutMs, late, () => this.#receivers.delete(waiter), this.#origin);
    this.#receivers.add(waiter);
    return waiter.promise;
  }

  #deliver(message: Message): void {
    if (message.destination === 0) this.#answer(message);
    else if (this.#state !== "terminated") this.#home.carry(message, this.id);
  }

  #answer(message: Message): void {
    const reply = toEnvelope(message, this.id, HOST);
    reply.id = this.#home.nextId();
    const call = this.#home.calls.get(message.correlationId);
    // Without a call, its own ids belong to one that has given up.
    const receiver = call ?? (message.correlationId < OWN_CORRELATIONS ? first(this.#receivers) : null);
    if (receiver) give(receiver, reply, call ? call.struct : this.#reply);
    else if (receiver === undefined) this.#output.push(reply);
  }

  /** Messages were taken from the input. */
  #roomInInput(): void {
    for (const sender of this.#senders) {
      const error = changeOf(sender.message.payload, sender.sizeBytes);
      if (!error && !this.#backend?.trySend(sender.message)) return;
      this.#senders.delete(sender);
      if (error) sender.failed(error);
      else sender.sent();
    }
    this.#settle();
  }

  #handled(count: number): void {
    this.#counts.handled += count;
    this.#home.handled(count);
    this.#settle();
  }

  #settle(): void {
    if (this.#drains.size > 0 && this.pending === 0) for (const done of this.#drains) done();
  }

  #dropped({ id, correlationId }: Pick<Message, "id" | "correlationId">, reason: "deadline" | "checksum"): void {
    const error = this.#counts.dropped(id, reason);
    this.#home.calls.get(correlationId)?.failed(error);
    this.#settle();
  }

  #threw({ id, correlationId }: Pick<Message, "id" | "correlationId">, cause: unknown): void {
    const error = this.#counts.threw(id, cause);
    this.#home.calls.get(correlationId)?.failed(error);
  }
}
