/** What a program has by now, and how its calls are made: the ground for the steps. */
import type { Answer, Command, Failure, Got } from "./agent.ts";
import type { AgentHost, Hosts } from "./hosts.ts";
import type { ChannelModel } from "./model.ts";
import type { Host, Program, Role } from "./program.ts";

/** Frames and bytes that any queue and pool can hold. */
const BYTES_MAX = 8 << 20;

export interface End {
  number: number;
  agent: AgentHost;
  host: Host;
}

export interface Channel {
  name: string;
  model: ChannelModel;
  ends: Record<Role, End>;
  /** Those that the consumer holds. */
  frames: Frame[];
  /** Neither committed nor aborted. */
  loans: Loan[];
}

export interface Loan {
  number: number;
  size: number;
}

export interface Frame {
  number: number;
  of: Channel;
  got: Got;
  /** Its bytes are its holder's no longer. */
  transferred: boolean;
}

export interface Buffer {
  number: number;
  agent: AgentHost;
  id: number;
  size: number;
  shared: boolean;
  closed: boolean;
  /** Frames of it that were sent: where to look whether they were all released. */
  sentTo: Set<Channel>;
  forwarded: boolean;
  /** Calls of `send` that have not settled. */
  sending: number;
  /** Calls that wait for its release: it is not sent meanwhile. */
  busy: number;
  pool: Pool | null;
  /** Its pool has it. */
  resting: boolean;
}

export interface Pool {
  number: number;
  agent: AgentHost;
  count: number;
  size: number;
  shared: boolean;
  closed: boolean;
  /** Calls of `take` that have not settled. */
  waiting: number;
  /** Those that were handed out at least once. */
  buffers: Buffer[];
}

/** What a call is limited by; `late`: its signal was aborted before. */
export interface CallLimits {
  wait?: number;
  signal?: number;
  late?: boolean;
}

export class Wrongness extends Error {}

export const isError = (answer: Answer): answer is Failure => "error" in answer;

export abstract class World {
  protected readonly program: Program;
  protected readonly hosts: Hosts;
  protected readonly channels = new Map<number, Channel>();
  protected readonly buffers: Buffer[] = [];
  protected readonly pools: Pool[] = [];
  protected readonly agents = new Set<AgentHost>();

  /** Signals that end a call, and who has them. */
  protected readonly signals: { number: number; agent: AgentHost; fired: boolean }[] = [];

  /** Calls that have not settled, and what they are. */
  protected readonly pending = new Map<Promise<void>, string>();
  protected wrong: string | null = null;
  protected next = 1;
  protected at = -1;

  constructor(program: Program, hosts: Hosts) {
    this.program = program;
    this.hosts = hosts;
  }

  protected fail(what: string): void {
    this.wrong ??= `step ${this.at}: ${what}`;
  }

  protected check(): void {
    if (this.wrong !== null) throw new Wrongness(this.wrong);
  }

  protected async agent(host: Host): Promise<AgentHost> {
    const agent = await this.hosts.get(host);
    this.agents.add(agent);
    return agent;
  }

  /** The call runs on; `then` is told its answer. */
  protected background(what: string, answer: Answer | Promise<Answer>, then: (answer: Answer) => void): void {
    const settled = Promise.resolve(answer).then((answer) => {
      this.pending.delete(settled);
      then(answer);
    });
    this.pending.set(settled, what);
  }

  /** As `background`, for a call of one side of a channel. */
  protected call(channel: Channel, role: Role, what: string, command: Command, then: (answer: Answer) => void): void {
    channel.model.waiting[role]++;
    const { agent } = channel.ends[role];
    this.background(`step ${this.at}, ${what} on ${channel.name}`, agent.run(command), (answer) => {
      channel.model.waiting[role]--;
      then(answer);
    });
  }

  /** An error that nothing explains is wrong. `also`: codes that the call itself may bring about. */
  protected explain(channel: Channel, role: Role, what: string, answer: Failure, also: string[] = []) {
    const { model } = channel;
    const codes = model.allowed(role);
    for (const code of also) codes.add(code);
    const { error } = answer;
    if (error === "GONE" && !this.agents.has(channel.ends[role].agent)) return;
    if (error === "PEER_DIED" || error === "CHANNEL_CLOSED") model.told.add(role);
    if (!codes.has(error)) this.fail(`${what} failed with ${error}, which nothing explains: ${answer.message}`);
  }

  protected limits(agent: AgentHost, { wait, abort }: { wait?: number; abort?: boolean | "before" }): CallLimits {
    const limits: CallLimits = wait === undefined ? {} : { wait };
    if (!abort) return limits;
    const signal = { number: this.next++, agent, fired: abort === "before" };
    if (signal.fired) void agent.run({ op: "abort", signal: signal.number });
    this.signals.push(signal);
    return { ...limits, signal: signal.number, late: signal.fired };
  }

  protected mayEnd({ wait, signal }: CallLimits): string[] {
    const codes: string[] = [];
    if (wait !== undefined) codes.push("TIMEOUT");
    if (signal !== undefined && this.signals.some(({ number, fired }) => number === signal && fired)) {
      codes.push("ABORTED");
    }
    return codes;
  }

  protected channel(c: number): Channel | undefined {
    return this.channels.get(c);
  }

  /** A call on an end that can't be asked any more is no call. */
  protected reachable(channel: Channel | undefined, role: Role): channel is Channel {
    if (channel === undefined || !this.agents.has(channel.ends[role].agent)) return false;
    return !["dying", "dead"].includes(channel.model.states[role]);
  }

  /** What is known when a call is made. */
  protected before({ model, loans }: Channel, role: Role) {
    const idle = model.waiting[role] === 0;
    const bytes = model.sentBytes - model.releasedBytes + loans.reduce((sum, { size }) => sum + size, 0);
    const hasCredits = model.sent - model.released + loans.length < model.slots / 2 && bytes < BYTES_MAX;
    return { idle, hasCredits, state: model.states[role], inFlight: model.inFlight };
  }

  protected quiet({ model }: Channel, role: Role): boolean {
    return model.waiting[role] === 0;
  }

  protected async abort(pick: number): Promise<void> {
    const left = this.signals.filter(({ fired }) => !fired);
    const signal = left[pick % left.length];
    if (!signal) return;
    signal.fired = true;
    await signal.agent.run({ op: "abort", signal: signal.number });
  }

  protected nameOf(name: number): string {
    return `random-${process.pid}-${name}`;
  }

  protected turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  protected async end(host: Host): Promise<End> {
    return { number: this.next++, agent: await this.agent(host), host };
  }
}
