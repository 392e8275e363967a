/** The steps with MemoryBuffers. */
import { Agent, type Command } from "./agent.ts";
import { key, NAMED } from "./content.ts";
import type { AgentHost } from "./hosts.ts";
import type { Step } from "./program.ts";
import { Receiving } from "./receiving.ts";
import { type Buffer, type CallLimits, type Channel, isError } from "./world.ts";

export abstract class Buffers extends Receiving {
  protected async allocate(step: Step & { do: "allocate" }): Promise<void> {
    const agent = await this.agent(step.host);
    const [number, id] = [this.next++, this.next++];
    const { size, shared } = step;
    const answer = await agent.run({ op: "allocate", buffer: number, size, id, shared });
    if (isError(answer)) return this.fail(`allocate failed: ${answer.message}`);
    this.newBuffer({ number, agent, id, size, shared, pool: null });
  }

  protected newBuffer(of: Pick<Buffer, "number" | "agent" | "id" | "size" | "shared" | "pool">): Buffer {
    const fresh = { closed: false, sentTo: new Set<Channel>(), forwarded: false, sending: 0, busy: 0, resting: false };
    const buffer: Buffer = { ...of, ...fresh };
    this.buffers.push(buffer);
    return buffer;
  }

  /** A peer has a frame of it for certain that it has not released. */
  protected held({ id, size, shared, sentTo }: Buffer): boolean {
    if (!shared || size < NAMED) return false;
    return [...sentTo].some(({ model }) => model.bothOpen && !model.iterating && model.unreleased(key(id, size)) > 0);
  }

  /** No peer has a frame of it for certain. */
  protected free({ id, size, sentTo }: Buffer): boolean {
    const surely = ({ model }: Channel) =>
      model.bothOpen && model.unsure === 0 && model.unreleased(key(id, size)) === 0;
    return size >= NAMED && [...sentTo].every(surely);
  }

  /** A buffer that is where the channel's producer is. */
  protected pickBuffer(channel: Channel, pick: number): Buffer | undefined {
    const { agent } = channel.ends.producer;
    // Both module graphs of this thread take the other one's.
    const local = (one: AgentHost) => one instanceof Agent;
    const near = this.buffers.filter(
      (buffer) => !buffer.resting && (buffer.agent === agent || (local(agent) && local(buffer.agent))),
    );
    return near[pick % near.length];
  }

  protected async sendBuffer(step: Step & { do: "sendBuffer" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const buffer = this.pickBuffer(channel, step.pick);
    if (!buffer || buffer.busy > 0) return;
    const { model, ends } = channel;
    const { id, size } = buffer;
    const { agent, number: end } = ends.producer;
    const limits = this.limits(agent, step.now ? {} : step);
    const command: Command = { op: "sendBuffer", end, buffer: buffer.number, now: step.now, ...limits };
    const also = () => (buffer.closed ? ["CLOSED"] : []);
    buffer.sentTo.add(channel);
    if (!step.now) {
      const sent = model.queue(id, size);
      buffer.sending++;
      return this.call(channel, "producer", "send of a buffer", command, (answer) => {
        buffer.sending--;
        if (!isError(answer)) {
          if (limits.late) this.fail("send of a buffer resolved though its signal was aborted before");
          return model.resolve(sent, "sent");
        }
        model.resolve(sent, answer.error === "GONE" ? "unsure" : "never");
        this.explain(channel, "producer", "send of a buffer", answer, [...also(), ...this.mayEnd(limits)]);
      });
    }
    const { idle, hasCredits, state } = this.before(channel, "producer");
    const answer = await agent.run(command);
    if (isError(answer)) {
      if (answer.error === "GONE") model.direct(key(id, size), size, "unsure");
      return this.explain(channel, "producer", "trySend of a buffer", answer, also());
    }
    if (state !== "open" || (buffer.closed && answer.value))
      this.fail("a closed buffer, or on a closed channel, was sent");
    if (answer.value) model.direct(key(id, size), size);
    else if (idle && hasCredits) this.fail("trySend of a buffer was refused with credits left");
  }

  /** Passes on what came as a MemoryBuffer. */
  protected async forward(step: Step & { do: "forward" }): Promise<void> {
    const [from, to] = [this.channel(step.c), this.channel(step.to)];
    if (!this.reachable(from, "consumer") || !this.reachable(to, "producer")) return;
    const { agent, number: end } = to.ends.producer;
    if (from.ends.consumer.agent !== agent) return;
    const frames = from.frames.filter(({ got, transferred }) => got.memory && !transferred);
    const frame = frames[step.pick % frames.length];
    if (!frame) return;
    const same = this.buffers.filter(({ id, size }) => frame.got.key === key(id, size));
    // Its owner does not know of those who have it from others, and may write as soon as this frame is released.
    if (same.some(({ busy, pool }) => busy > 0 || pool !== null)) return;
    for (const buffer of same) buffer.forwarded = true;
    const answer = await agent.run({ op: "forward", end, frame: frame.number });
    if (isError(answer)) {
      const closed = from.model.states.consumer === "open" ? [] : ["CLOSED"];
      return this.explain(to, "producer", "trySend of a frame's buffer", answer, closed);
    }
    if (answer.value) to.model.direct(frame.got.key, frame.got.size);
  }

  /** Writes anew to a buffer whose frames were all released. */
  protected async rewrite(step: Step & { do: "rewrite" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const buffer = this.pickBuffer(channel, step.pick);
    if (!buffer || buffer.closed || buffer.forwarded || buffer.busy > 0) return;
    for (const { model } of buffer.sentTo) {
      const quiet = model.waiting.producer === 0 && model.waiting.consumer === 0 && !model.iterating;
      if (!quiet || model.released < model.sent || model.unsure > 0) return;
    }
    buffer.id = this.next++;
    const answer = await buffer.agent.run({ op: "rewrite", buffer: buffer.number, id: buffer.id });
    if (isError(answer)) this.fail(`writing to a buffer without unreleased frames: ${answer.message}`);
  }

  /** Writes to a buffer, which waits until no peer has a frame of it that it has not released. */
  protected write(step: Step & { do: "write" }): void {
    const buffer = this.waitable(step);
    if (!buffer || buffer.busy > 0) return;
    const id = this.next++;
    this.untilReleased(buffer, "write", { op: "write", buffer: buffer.number, id }, {}, () => {
      buffer.id = id;
    });
  }

  protected released(step: Step & { do: "released" }): void {
    const buffer = this.waitable(step);
    if (!buffer) return;
    const limits = this.limits(buffer.agent, step);
    this.untilReleased(buffer, "released", { op: "released", buffer: buffer.number, ...limits }, limits);
  }

  /** One whose release can be waited for: what is passed on, or sent later, its owner does not know of. */
  protected waitable({ c, pick }: { c: number; pick: number }): Buffer | undefined {
    const channel = this.channel(c);
    if (!this.reachable(channel, "producer")) return;
    const buffer = this.pickBuffer(channel, pick);
    if (!buffer || buffer.forwarded || buffer.sending > 0 || buffer.size < NAMED) return;
    return this.agents.has(buffer.agent) && !this.lost(buffer) ? buffer : undefined;
  }

  /**
   * A closed producer no longer counts its frames, so that a write changes those that its consumer has. While calls of it are
   * not settled, `sent` lacks frames that the consumer may have released already.
   */
  protected lost({ sentTo }: Buffer): boolean {
    return [...sentTo].some(({ model }) => {
      const { producer, consumer } = model.states;
      if (producer === "open" || consumer !== "open") return false;
      return model.waiting.producer > 0 || model.released < model.sent;
    });
  }

  /** Whether a call waits for a release by the consumer, now or later, or by a pool. */
  protected writing(channel: Channel): boolean {
    const { model } = channel;
    if (!model.bothOpen || model.released === model.sent) return false;
    return this.buffers.some(({ busy, resting, sentTo }) => (busy > 0 || resting) && sentTo.has(channel));
  }

  protected untilReleased(
    buffer: Buffer,
    what: string,
    command: Command,
    limits: CallLimits,
    done: () => void = () => {},
  ): void {
    buffer.busy++;
    this.background(`step ${this.at}, ${what} of a buffer`, buffer.agent.run(command), (answer) => {
      buffer.busy--;
      if (!isError(answer)) {
        if (this.held(buffer)) this.fail(`${what} of a buffer resolved before its frames were released`);
        return done();
      }
      if (answer.error === "GONE" && !this.agents.has(buffer.agent)) return;
      const codes = [...this.mayEnd(limits), ...(buffer.closed ? ["CLOSED"] : [])];
      if (!codes.includes(answer.error))
        this.fail(`${what} of a buffer failed with ${answer.error}: ${answer.message}`);
    });
  }

  /** Reads a buffer in one of the paths that there are. */
  protected async inspect(step: Step & { do: "inspect" }): Promise<void> {
    const near = this.buffers.filter(({ agent, resting }) => !resting && this.agents.has(agent));
    const buffer = near[step.pick % near.length];
    if (!buffer || buffer.busy > 0) return;
    const { how } = step;
    const answer = await buffer.agent.run({ op: "inspect", buffer: buffer.number, how });
    if (isError(answer)) {
      const unsharable = how === "import" && !buffer.shared ? "EXTERNAL_MEMORY_UNSUPPORTED" : null;
      if (answer.error !== (buffer.closed ? "CLOSED" : unsharable) && answer.error !== unsharable) {
        this.fail(`${how} of a buffer failed with ${answer.error}: ${answer.message}`);
      }
      return;
    }
    const expected = key(buffer.id, buffer.size);
    if (buffer.closed) this.fail(`${how} of a closed buffer gave ${answer.value}`);
    else if (answer.value !== expected) this.fail(`${how} of a buffer gave ${answer.value}, expected ${expected}`);
  }

  protected async closeBuffer(pick: number): Promise<void> {
    // Those that rest are their pool's.
    const mine = this.buffers.filter(({ resting }) => !resting);
    const buffer = mine[pick % mine.length];
    if (!buffer) return;
    buffer.closed = true;
    if (!this.agents.has(buffer.agent)) return;
    const answer = await buffer.agent.run({ op: "closeBuffer", buffer: buffer.number });
    if (isError(answer)) this.fail(`close of a buffer: ${answer.message}`);
  }
}
