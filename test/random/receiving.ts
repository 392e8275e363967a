/** The steps of receivers. */
import type { Answer, Command, Failure, Got, Iterated } from "./agent.ts";
import type { Step } from "./program.ts";
import { Sending } from "./sending.ts";
import { type Channel, type Frame, isError } from "./world.ts";

export abstract class Receiving extends Sending {
  protected got(channel: Channel, number: number, got: Got): void {
    channel.model.take(got);
    channel.frames.push({ number, of: channel, got, transferred: false });
  }

  protected recv(step: Step & { do: "recv" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const { agent, number: end } = channel.ends.consumer;
    const frame = this.next++;
    const limits = this.limits(agent, step);
    const { state } = this.before(channel, "consumer");
    this.call(channel, "consumer", "recv", { op: "recv", end, frame, ...limits }, (answer) => {
      if (!isError(answer)) {
        if (state !== "open") this.fail("recv resolved on a closed channel");
        if (limits.late) this.fail("recv resolved though its signal was aborted before");
        return this.got(channel, frame, answer.value as Got);
      }
      this.ended(channel, "recv", answer, this.mayEnd(limits));
    });
  }

  /** A receiving call failed: the end of the stream comes after all that was sent. */
  protected ended(channel: Channel, what: string, answer: Failure, also: string[] = []): void {
    const { model } = channel;
    this.explain(channel, "consumer", what, answer, also);
    if (answer.error === "GONE") model.unanswered++;
    if (!["CHANNEL_CLOSED", "PEER_DIED"].includes(answer.error)) return;
    model.drained = true;
    if (model.inFlight > 0 && model.waiting.consumer === 0) {
      this.fail(`${what} gave ${answer.error} with ${model.inFlight} frames not received`);
    }
  }

  /** True when a frame came. */
  protected async tryRecv(channel: Channel | undefined): Promise<boolean> {
    if (!this.reachable(channel, "consumer")) return false;
    const { agent, number: end } = channel.ends.consumer;
    const frame = this.next++;
    const { inFlight, state } = this.before(channel, "consumer");
    const quiet = this.quiet(channel, "consumer");
    const producer = channel.model.states.producer;
    const answer = await agent.run({ op: "tryRecv", end, frame });
    return this.tried(channel, "tryRecv", frame, answer, { must: quiet && inFlight > 0, state, producer });
  }

  protected tried(
    channel: Channel,
    what: string,
    frame: number,
    answer: Answer,
    { must, state, producer }: { must: boolean; state: string; producer: string },
  ): boolean {
    if (isError(answer)) {
      this.ended(channel, what, answer);
      return false;
    }
    if (state !== "open") this.fail(`${what} gave something on a closed channel`);
    if (answer.value !== null) {
      this.got(channel, frame, answer.value as Got);
      return true;
    }
    if (must) this.fail(`${what} found nothing, though ${channel.model.inFlight} frames are there`);
    if (producer === "closed") this.fail(`${what} gave null after the producer's end`);
    return false;
  }

  protected async recvSync(step: Step & { do: "recvSync" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const { agent, number: end } = channel.ends.consumer;
    const frame = this.next++;
    const { inFlight, state } = this.before(channel, "consumer");
    const quiet = this.quiet(channel, "consumer");
    const producer = channel.model.states.producer;
    const answer = await agent.run({ op: "recvSync", end, frame, wait: step.wait, spin: step.spin });
    this.tried(channel, "recvSync", frame, answer, { must: quiet && inFlight > 0, state, producer });
  }

  protected block(channel: Channel | undefined): void {
    if (!this.reachable(channel, "consumer") || channel.ends.consumer.host !== "mortal-worker") return;
    const { number: end } = channel.ends.consumer;
    const frame = this.next++;
    const command: Command = { op: "recvSync", end, frame, wait: Number.POSITIVE_INFINITY, spin: 0 };
    this.call(channel, "consumer", "recvSync for ever", command, (answer) => {
      this.tried(channel, "recvSync for ever", frame, answer, { must: false, state: "open", producer: "open" });
    });
  }

  protected iterate(step: Step & { do: "iterate" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const { number: end } = channel.ends.consumer;
    const { model } = channel;
    model.iterating = true;
    this.call(channel, "consumer", "for await", { op: "iterate", end, frames: step.frames }, (answer) => {
      if (isError(answer)) {
        // The loop may have had frames, and a call beside it then finds the end.
        model.unanswered += step.frames;
        return this.explain(channel, "consumer", "for await", answer);
      }
      const { got, failure } = answer.value as Iterated;
      for (const one of got) {
        model.take(one);
        model.release(one);
      }
      if (failure) return this.ended(channel, "for await", failure);
      if (got.length === step.frames || model.states.consumer !== "open") return;
      // It ended by itself: the producer did.
      this.ended(channel, "for await", { error: "CHANNEL_CLOSED", message: `it ended after ${got.length} frames` });
    });
  }

  protected async useFrame(step: Step & { do: "check" | "release" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const frame = this.pickFrame(channel, step.pick);
    if (!frame) return;
    if (step.do === "check") await this.checkFrame(frame);
    else await this.release(frame, step.twice);
  }

  protected pickFrame(channel: Channel, pick: number): Frame | undefined {
    return channel.frames[pick % channel.frames.length];
  }

  protected async checkFrame(frame: Frame): Promise<void> {
    if (frame.transferred) return;
    const { of, got, number } = frame;
    const { state } = this.before(of, "consumer");
    const answer = await of.ends.consumer.agent.run({ op: "check", frame: number });
    if (isError(answer)) return this.explain(of, "consumer", "bytes of a held frame", answer);
    if (state !== "open") this.fail("a frame of a closed channel still has bytes");
    if (answer.value !== got.key) this.fail(`a held frame was ${got.key} and is ${answer.value}`);
  }

  protected async release(frame: Frame, twice: boolean): Promise<void> {
    const { of, number } = frame;
    of.frames.splice(of.frames.indexOf(frame), 1);
    of.model.release(frame.got);
    const answer = await of.ends.consumer.agent.run({ op: "release", frame: number, twice });
    if (isError(answer)) this.explain(of, "consumer", "release", answer);
    else if (answer.value !== "CLOSED") this.fail(`a second release gave ${answer.value}`);
  }

  protected hand(step: Step & { do: "hand" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const frame = this.pickFrame(channel, step.pick);
    if (!frame || frame.transferred || channel.model.states.consumer !== "open") return;
    const { agent } = channel.ends.consumer;
    const command: Command = { op: "hand", frame: frame.number, api: step.api };
    this.background(`step ${this.at}, ${step.api}`, agent.run(command), (answer) => {
      const held = channel.frames.includes(frame) && !frame.transferred && channel.model.states.consumer === "open";
      if (!held) return; // The bytes were given back meanwhile.
      if (isError(answer)) this.fail(`${step.api}: ${answer.message}`);
      else if (answer.value !== frame.got.key) this.fail(`${step.api} saw ${answer.value} in ${frame.got.key}`);
    });
  }

  protected async transfer(step: Step & { do: "transfer" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "consumer")) return;
    const frame = this.pickFrame(channel, step.pick);
    if (!frame || frame.transferred) return;
    const answer = await channel.ends.consumer.agent.run({ op: "transfer", frame: frame.number });
    if (isError(answer)) return this.explain(channel, "consumer", "bytes of a frame that is transferred", answer);
    frame.transferred = true;
  }
}
