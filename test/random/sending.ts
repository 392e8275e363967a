/** The steps of senders. */
import type { Command, Tried } from "./agent.ts";
import { key, sizeFor } from "./content.ts";
import type { Step } from "./program.ts";
import { isError, type Loan, World } from "./world.ts";

export abstract class Sending extends World {
  protected send(step: Step & { do: "send" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { model, ends } = channel;
    const id = this.next++;
    const size = sizeFor(step.as, step.size);
    const limits = this.limits(ends.producer.agent, step);
    const sent = model.queue(id, size);
    const { state } = this.before(channel, "producer");
    const { as, spoil } = step;
    const command: Command = { op: "send", end: ends.producer.number, as, size, id, spoil, ...limits };
    const also = spoil ? ["INVALID_ARGUMENT"] : [];
    this.call(channel, "producer", "send", command, (answer) => {
      if (!isError(answer)) {
        if (state !== "open") this.fail("send resolved on a closed channel");
        if (limits.late) this.fail("send resolved though its signal was aborted before");
        return model.resolve(sent, "sent");
      }
      model.resolve(sent, answer.error === "GONE" ? "unsure" : "never");
      this.explain(channel, "producer", "send", answer, [...also, ...this.mayEnd(limits)]);
    });
  }

  protected async trySend(step: Step & { do: "trySend" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { model, ends } = channel;
    const size = sizeFor(step.as, step.size);
    const ids = Array.from({ length: step.times }, () => this.next++);
    const { idle, hasCredits, state } = this.before(channel, "producer");
    const answer = await ends.producer.agent.run({ op: "trySend", end: ends.producer.number, as: step.as, size, ids });
    if (isError(answer)) {
      for (const id of ids) model.direct(key(id, size), size, "unsure");
      return this.explain(channel, "producer", "trySend", answer);
    }
    const { count, failure } = answer.value as Tried;
    for (const id of ids.slice(0, count)) model.direct(key(id, size), size);
    if (failure) return this.explain(channel, "producer", "trySend", failure);
    if (state !== "open") this.fail(`trySend gave ${count} on a closed channel`);
    if (count < 1 && idle && hasCredits) this.fail("trySend was refused with credits left");
    if (model.inFlight + channel.loans.length > model.slots && model.bothOpen && this.quiet(channel, "consumer")) {
      this.fail(`${model.inFlight} frames are under way in ${model.slots} slots`);
    }
  }

  protected loan(step: Step & { do: "loan" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { agent, number: end } = channel.ends.producer;
    const loan = this.next++;
    const limits = this.limits(agent, step);
    this.call(channel, "producer", "loan", { op: "loan", end, loan, size: step.size, ...limits }, (answer) => {
      if (isError(answer)) return this.explain(channel, "producer", "loan", answer, this.mayEnd(limits));
      if (limits.late) this.fail("loan resolved though its signal was aborted before");
      channel.loans.push({ number: loan, size: step.size });
    });
  }

  protected async tryLoan(step: Step & { do: "tryLoan" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { agent, number: end } = channel.ends.producer;
    const loan = this.next++;
    const { idle, hasCredits } = this.before(channel, "producer");
    const answer = await agent.run({ op: "tryLoan", end, loan, size: step.size });
    if (isError(answer)) return this.explain(channel, "producer", "tryLoan", answer);
    if (answer.value) channel.loans.push({ number: loan, size: step.size });
    else if (idle && hasCredits) this.fail("tryLoan was refused with credits left");
  }

  protected async endLoan(step: Step & { do: "commit" | "abortLoan" }): Promise<void> {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { model, ends, loans } = channel;
    if (loans.length === 0) return;
    const [loan] = loans.splice(step.pick % loans.length, 1) as [Loan];
    const { agent } = ends.producer;
    if (step.do === "abortLoan") {
      const answer = await agent.run({ op: "abortLoan", loan: loan.number });
      if (isError(answer)) this.explain(channel, "producer", "abort of a loan", answer);
      return;
    }
    const id = this.next++;
    const size = Math.floor(loan.size * step.part);
    const { state } = this.before(channel, "producer");
    const answer = await agent.run({ op: "commit", loan: loan.number, size, id });
    if (!isError(answer)) {
      if (state !== "open") this.fail("a loan was committed on a closed channel");
      model.commit(key(id, size), size);
      return;
    }
    if (answer.error === "GONE") model.commit(key(id, size), size, "unsure");
    this.explain(channel, "producer", "commit", answer);
  }

  protected flush(step: Step & { do: "flush" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { agent, number: end } = channel.ends.producer;
    const { model } = channel;
    const { sent } = model;
    const limits = this.limits(agent, step);
    this.background(
      `step ${this.at}, flush on ${channel.name}`,
      agent.run({ op: "flush", end, ...limits }),
      (answer) => {
        if (isError(answer)) return this.explain(channel, "producer", "flush", answer, this.mayEnd(limits));
        if (limits.late) this.fail("flush resolved though its signal was aborted before");
        if (model.iterating || model.states.consumer !== "open") return;
        if (model.released < sent) this.fail(`flush resolved with ${model.released} of ${sent} frames released`);
      },
    );
  }

  protected giveWrong(step: Step & { do: "wrong" }): void {
    const channel = this.channel(step.c);
    if (!this.reachable(channel, "producer")) return;
    const { number: end } = channel.ends.producer;
    const sent = channel.model.queue(0, 0);
    sent.fate = "never";
    const command: Command = { op: "wrong", end, what: step.what };
    this.call(channel, "producer", `${step.what} as payload`, command, (answer) => {
      if (!isError(answer)) return this.fail(`${step.what} was taken`);
      const also = step.what === "detached" ? ["INVALID_ARGUMENT", "CLOSED"] : ["INVALID_ARGUMENT"];
      this.explain(channel, "producer", `${step.what} as payload`, answer, also);
    });
  }
}
