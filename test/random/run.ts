/** Runs one program: does its steps, and compares what is seen with the model. Throws what is wrong. */
import type { ConsumerStats, ProducerStats } from "../../src/index.ts";
import type { Opened, Tried } from "./agent.ts";
import { ChannelModel, SLOTS } from "./model.ts";
import { Pools } from "./pools.ts";
import type { Role, Step } from "./program.ts";
import { type Channel, isError, Wrongness } from "./world.ts";

/** A program whose calls do not settle within this many milliseconds hangs. Most take 10; a busy machine takes its time. */
const PATIENCE_MS = 60_000;

export class Run extends Pools {
  async run(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const left = [...this.pending.values()].slice(0, 5).join("; ");
        reject(new Wrongness(`hangs at step ${this.at}, unsettled: ${left || "nothing"}`));
      }, PATIENCE_MS);
    });
    try {
      await Promise.race([this.all(), patience]);
    } finally {
      clearTimeout(timer);
    }
  }

  protected async all(): Promise<void> {
    for (const [at, step] of this.program.steps.entries()) {
      this.at = at;
      await this.do(step);
      // Most calls have settled by the next step; others find them unsettled.
      if (at % 4 !== 0) for (let i = 0; i < 4; i++) await null;
      this.check();
    }
    this.at = this.program.steps.length;
    await this.finish();
  }

  protected async do(step: Step): Promise<void> {
    switch (step.do) {
      case "open":
        return this.open(step);
      case "taken":
        return this.taken(step);
      case "alone":
        return this.alone(step);
      case "send":
        return this.send(step);
      case "trySend":
        return this.trySend(step);
      case "loan":
        return this.loan(step);
      case "tryLoan":
        return this.tryLoan(step);
      case "commit":
      case "abortLoan":
        return this.endLoan(step);
      case "recv":
        return this.recv(step);
      case "tryRecv":
        for (let i = 0; i < step.times; i++) if (!(await this.tryRecv(this.channel(step.c)))) return;
        return;
      case "recvSync":
        return this.recvSync(step);
      case "block":
        return this.block(this.channel(step.c));
      case "iterate":
        return this.iterate(step);
      case "check":
      case "release":
        return this.useFrame(step);
      case "flush":
        return this.flush(step);
      case "abort":
        return this.abort(step.pick);
      case "allocate":
        return this.allocate(step);
      case "sendBuffer":
        return this.sendBuffer(step);
      case "forward":
        return this.forward(step);
      case "rewrite":
        return this.rewrite(step);
      case "write":
        return this.write(step);
      case "released":
        return this.released(step);
      case "inspect":
        return this.inspect(step);
      case "closeBuffer":
        return this.closeBuffer(step.pick);
      case "pool":
        return this.pool(step);
      case "take":
        return this.take(step);
      case "tryTake":
        return this.tryTake(step);
      case "put":
        return this.put(step);
      case "closePool":
        return this.closePool(step.pick);
      case "hand":
        return this.hand(step);
      case "transfer":
        return this.transfer(step);
      case "touch":
        for (const agent of this.agents) await agent.run({ op: "touch" });
        return;
      case "wrong":
        return this.giveWrong(step);
      case "stats":
        return this.stats(this.channel(step.c));
      case "close": {
        const channel = this.channel(step.c);
        // What is written then would come as part of what was sent before.
        if (channel && step.role === "producer" && this.writing(channel)) return;
        return this.close(channel, step.role);
      }
      case "kill":
        return this.kill(step);
      case "turn":
        for (let i = 0; i < step.turns; i++) await this.turn();
        return;
      case "quiesce":
        return this.quiesce();
    }
  }

  protected async open(step: Step & { do: "open" }): Promise<void> {
    if (this.channels.has(step.c)) return;
    const name = this.nameOf(step.name);
    // A name that was used is free as soon as both ends are gone.
    const former = [...this.channels.values()].filter((channel) => channel.name === name);
    // So it is where who is left was told of the other's end.
    const gone = ({ states, told }: ChannelModel, role: Role) =>
      ["closed", "dead"].includes(states[role]) || told.has(role);
    if (!former.every(({ model }) => gone(model, "producer") && gone(model, "consumer"))) return;
    const [producer, consumer] = [await this.end(step.producer), await this.end(step.consumer)];
    const { profile } = step;
    const answers = await Promise.all([
      producer.agent.run({ op: "open", end: producer.number, name, role: "producer", profile }),
      consumer.agent.run({ op: "open", end: consumer.number, name, role: "consumer", profile }),
    ]);
    for (const [i, answer] of answers.entries()) {
      if (isError(answer)) return this.fail(`open failed: ${answer.message}`);
      const opened = answer.value as Opened;
      const expected: Opened = { name, role: i === 0 ? "producer" : "consumer", transport: "shm" };
      if (!Bun.deepEquals(opened, expected)) this.fail(`open gave ${JSON.stringify(opened)}`);
    }
    this.channels.set(step.c, {
      name,
      ends: { producer, consumer },
      model: new ChannelModel(SLOTS[profile]),
      frames: [],
      loans: [],
    });
  }

  protected async taken(step: Step & { do: "taken" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!channel?.model.bothOpen) return; // An end whose peer is gone gives its role back.
    const { agent, number } = await this.end(step.host);
    const { name } = channel;
    const answer = await agent.run({ op: "open", end: number, name, role: step.role, wait: 1000 });
    if (!isError(answer)) this.fail(`the role of ${step.role} was given away twice`);
    else if (answer.error !== "NAME_IN_USE") this.fail(`open of a role that is taken: ${answer.message}`);
  }

  protected async alone(step: Step & { do: "alone" }): Promise<void> {
    const { agent, number } = await this.end(step.host);
    const name = `${this.nameOf(0)}-alone-${step.role}`;
    const limits = this.limits(agent, step);
    const open = agent.run({ op: "open", end: number, name, role: step.role, ...limits });
    if (limits.signal !== undefined) await this.abort(this.signals.length - 1);
    const answer = await open;
    if (!isError(answer)) this.fail("open met a peer that there is not");
    else if (!this.mayEnd(limits).includes(answer.error)) this.fail(`open alone: ${answer.message}`);
  }

  protected async stats(channel: Channel | undefined): Promise<void> {
    if (!channel) return;
    const { model, ends } = channel;
    for (const role of ["producer", "consumer"] as const) {
      if (model.states[role] !== "open" || !this.quiet(channel, role)) continue;
      const { agent, number: end } = ends[role];
      const answer = await agent.run({ op: "stats", end });
      if (isError(answer)) return this.explain(channel, role, "stats", answer);
      if (role === "producer") {
        const { framesSent, bytesSent } = answer.value as ProducerStats;
        // One that finds the consumer gone may have been counted before.
        const exact = model.unsure > 0 || model.states.consumer !== "open" || framesSent === model.sent;
        if (!exact || framesSent < model.sent || bytesSent < model.sentBytes) {
          this.fail(`stats count ${framesSent} frames sent, ${bytesSent} bytes: ${model.sent}, ${model.sentBytes}`);
        }
        continue;
      }
      const { framesReceived, bytesReceived, held } = answer.value as ConsumerStats;
      const [told, known] = [
        { framesReceived, bytesReceived, held },
        { framesReceived: model.received, bytesReceived: model.receivedBytes, held: model.held },
      ];
      if (!Bun.deepEquals(told, known)) this.fail(`stats say ${JSON.stringify(told)}, not ${JSON.stringify(known)}`);
    }
  }

  protected async close(channel: Channel | undefined, role: Role): Promise<void> {
    if (!this.reachable(channel, role)) return;
    const { model, ends } = channel;
    const { agent, number: end } = ends[role];
    if (model.states[role] === "open") model.states[role] = "closing";
    const answer = await agent.run({ op: "close", end });
    if (isError(answer)) {
      if (answer.error !== "GONE") this.fail(`close failed: ${answer.message}`);
      return;
    }
    model.states[role] = "closed";
  }

  /** Ends the Worker or the process of an end, and with it all other ends there. */
  protected async kill(step: Step & { do: "kill" }): Promise<void> {
    const channel = this.channel(step.c);
    const end = channel?.ends[step.role];
    if (!end?.host.startsWith("mortal-") || !this.agents.has(end.agent)) return;
    const ends = [...this.channels.values()].flatMap(({ model, ends }) =>
      (["producer", "consumer"] as const)
        .filter((role) => ends[role].agent === end.agent)
        .map((role) => ({ model, role })),
    );
    for (const { model, role } of ends) if (model.states[role] !== "closed") model.states[role] = "dying";
    this.agents.delete(end.agent);
    await this.hosts.end(end.host);
    for (const { model, role } of ends) if (model.states[role] === "dying") model.states[role] = "dead";
  }

  /** All that must come by now has come. */
  protected async quiesce(): Promise<void> {
    const late = () =>
      [...this.channels.values()].some((channel) => {
        const { model } = channel;
        if (!model.bothOpen) return false;
        if (model.waiting.consumer > 0 && model.inFlight > 0) return !model.iterating;
        return model.waiting.producer > 0 && this.before(channel, "producer").hasCredits;
      });
    while (late()) await this.turn();
  }

  /** Everything comes to its end, and is as it was before. */
  protected async finish(): Promise<void> {
    for (const channel of this.channels.values()) await this.finishChannel(channel);
    await this.finishPools();
    while (this.pending.size > 0) await Promise.all(this.pending.keys());
    this.check();
    for (const { model, name } of this.channels.values()) {
      const wrong = model.verdict();
      if (wrong !== null) throw new Wrongness(`${name}: ${wrong}`);
    }
    for (const agent of this.agents) await agent.run({ op: "end" });
  }

  protected async finishChannel(channel: Channel): Promise<void> {
    const { model } = channel;
    const c = [...this.channels].find(([, other]) => other === channel)![0];
    const open = (role: Role) => model.states[role] === "open";
    for (const frame of channel.frames.toReversed()) {
      if (this.reachable(channel, "consumer")) await this.checkFrame(frame);
      if (open("consumer") && frame.number % 4 > 0) await this.release(frame, false);
    }
    this.check();
    // What waits for room finds it.
    for (let i = 0; open("consumer") && open("producer") && model.waiting.producer > 0; i++) {
      if (await this.tryRecv(channel)) await this.release(channel.frames.at(-1)!, false);
      else await this.endLoan({ do: i % 2 ? "abortLoan" : "commit", c, pick: i, part: 1 });
      this.check();
      await this.turn();
    }
    if (c % 2 === 0 && open("consumer") && open("producer")) await this.giveAllBack(channel);
    if (open("producer") && model.states.consumer === "dead") {
      await this.expectDeath(channel);
    }
    // What waits for a buffer's release has to have it first.
    if (this.writing(channel)) await this.giveAllBack(channel);
    await this.close(channel, "producer");
    if (open("consumer")) {
      const before = model.received;
      if (before % 2 === 0) {
        this.iterate({ do: "iterate", c, frames: Number.POSITIVE_INFINITY });
        while (model.waiting.consumer > 0) await this.turn();
      } else {
        // A death is noticed by and by, an end at once.
        while (!model.drained && open("consumer")) {
          if (!(await this.tryRecv(channel))) await this.turn();
          this.check();
        }
      }
    }
    this.check();
    await this.close(channel, "consumer");
  }

  /** The producer is told of its consumer's death long before its queue is full. A Worker's thread ends after its "close". */
  protected async expectDeath(channel: Channel): Promise<void> {
    const { agent, number: end } = channel.ends.producer;
    for (let tries = 0; tries < 100; tries++) {
      const answer = await agent.run({ op: "trySend", end, as: "Uint8Array", size: 1, ids: [this.next++] });
      const failure = isError(answer) ? answer : (answer.value as Tried).failure;
      if (failure?.error === "PEER_DIED") return;
      await Bun.sleep(5);
    }
    this.fail("trySend does not say PEER_DIED of a consumer that is dead");
  }

  /** With everything received and released, `flush` resolves, and nothing counts as under way. */
  protected async giveAllBack(channel: Channel): Promise<void> {
    const { model, ends } = channel;
    const releaseAll = async () => {
      while (await this.tryRecv(channel));
      for (const frame of channel.frames.toReversed()) await this.release(frame, false);
      this.check();
    };
    await releaseAll();
    const { agent, number: end } = ends.producer;
    this.background(`the last flush on ${channel.name}`, agent.run({ op: "flush", end }), (answer) => {
      if (isError(answer)) this.fail(`flush failed with everything released: ${answer.message}`);
    });
    while (
      this.pending.size > 0 &&
      model.bothOpen &&
      [...this.pending.values()].some((what) => what.startsWith("the last"))
    ) {
      await this.turn();
      // A call that waited may have had a frame when `tryRecv` found none.
      await releaseAll();
    }
    const stats = await agent.run({ op: "stats", end });
    if (!isError(stats) && (stats.value as { queued: number }).queued !== 0)
      this.fail("released frames count as queued");
  }
}
