/** The steps with pools of buffers. */
import { Buffers } from "./buffers.ts";
import type { Step } from "./program.ts";
import { type Buffer, isError, type Pool } from "./world.ts";

export abstract class Pools extends Buffers {
  protected async pool(step: Step & { do: "pool" }): Promise<void> {
    const agent = await this.agent(step.host);
    const number = this.next++;
    const { count, size, shared } = step;
    const answer = await agent.run({ op: "pool", pool: number, count, size, shared });
    if (isError(answer)) return this.fail(`a pool failed: ${answer.message}`);
    this.pools.push({ number, agent, count, size, shared, closed: false, waiting: 0, buffers: [] });
  }

  protected take(step: Step & { do: "take" }): void {
    const pool = this.pickPool(step.pick);
    if (!pool) return;
    const limits = this.limits(pool.agent, step);
    const [buffer, id] = [this.next++, this.next++];
    pool.waiting++;
    const answer = pool.agent.run({ op: "take", pool: pool.number, buffer, id, ...limits });
    this.background(`step ${this.at}, take`, answer, (answer) => {
      pool.waiting--;
      if (!isError(answer)) {
        if (limits.late) this.fail("take resolved though its signal was aborted before");
        return this.handedOut(pool, answer.value as number, id);
      }
      if (answer.error === "GONE" && !this.agents.has(pool.agent)) return;
      const codes = [...this.mayEnd(limits), ...(this.over(pool) ? ["CLOSED"] : [])];
      if (!codes.includes(answer.error)) this.fail(`take failed with ${answer.error}: ${answer.message}`);
    });
  }

  protected async tryTake(step: Step & { do: "tryTake" }): Promise<void> {
    const pool = this.pickPool(step.pick);
    if (!pool) return;
    const [buffer, id] = [this.next++, this.next++];
    const must = pool.waiting === 0 && this.hasFree(pool);
    const answer = await pool.agent.run({ op: "tryTake", pool: pool.number, buffer, id });
    if (isError(answer)) {
      if (answer.error !== "CLOSED" || !this.over(pool)) this.fail(`tryTake failed: ${answer.message}`);
    } else if (answer.value !== null) this.handedOut(pool, answer.value as number, id);
    else if (must) this.fail("tryTake found no buffer where one is free");
  }

  protected handedOut(pool: Pool, number: number, id: number): void {
    const { agent, size, shared } = pool;
    let buffer = pool.buffers.find((one) => one.number === number);
    if (buffer) {
      // The answer may have been on its way when the pool was closed.
      const closed = buffer.closed && !pool.closed;
      if (!buffer.resting || closed) this.fail("a pool handed out a buffer that it does not have");
      if (this.held(buffer)) this.fail("a pool handed out a buffer that a peer has not released");
      Object.assign(buffer, { id, resting: false });
    } else {
      buffer = this.newBuffer({ number, agent, id, size, shared, pool });
      buffer.closed = pool.closed;
      pool.buffers.push(buffer);
      if (pool.buffers.length > pool.count) this.fail(`a pool of ${pool.count} handed out more`);
    }
  }

  protected async put(step: Step & { do: "put" }): Promise<void> {
    const mine = this.buffers.filter(({ pool, resting }) => pool !== null && !resting);
    const buffer = mine[step.pick % mine.length];
    if (buffer) await this.putBack(buffer, step.twice);
  }

  protected async putBack(buffer: Buffer, twice: boolean): Promise<void> {
    const { pool, agent, number } = buffer;
    if (!pool || !this.agents.has(agent) || buffer.sending > 0 || buffer.busy > 0 || this.lost(buffer)) return;
    buffer.resting = true;
    const answer = await agent.run({ op: "put", pool: pool.number, buffer: number });
    const closed = pool.closed || buffer.closed;
    if (isError(answer) ? answer.error !== "CLOSED" || !closed : closed) {
      this.fail(isError(answer) ? `put failed: ${answer.message}` : "a buffer that is closed was put back");
    }
    // Who waits for one has it by now.
    if (!twice || pool.waiting > 0 || closed) return;
    const again = await agent.run({ op: "put", pool: pool.number, buffer: number });
    const code = isError(again) ? again.error : "nothing";
    if (code !== "INVALID_ARGUMENT") this.fail(`put of a buffer that the pool has gave ${code}`);
  }

  protected async closePool(pick: number): Promise<void> {
    const pool = this.pickPool(pick);
    if (!pool) return;
    pool.closed = true;
    for (const buffer of pool.buffers) buffer.closed = true;
    const answer = await pool.agent.run({ op: "closePool", pool: pool.number });
    if (isError(answer)) this.fail(`close of a pool: ${answer.message}`);
  }

  /** Every waiting call gets a buffer when all buffers are put back and released. */
  protected async finishPools(): Promise<void> {
    const waits = () => this.pools.some(({ waiting, agent }) => waiting > 0 && this.agents.has(agent));
    while (waits()) {
      for (const buffer of this.buffers) if (!buffer.resting) await this.putBack(buffer, false);
      this.check();
      await this.turn();
    }
  }

  protected pickPool(pick: number): Pool | undefined {
    const pools = this.pools.filter(({ agent }) => this.agents.has(agent));
    return pools[pick % pools.length];
  }

  /** No buffer will ever come of it. */
  protected over({ closed, buffers, count }: Pool): boolean {
    return closed || (buffers.length === count && buffers.every((buffer) => buffer.closed));
  }

  /** One of its buffers is there for certain. */
  protected hasFree(pool: Pool): boolean {
    if (pool.closed) return false;
    return pool.buffers.length < pool.count || pool.buffers.some((one) => one.resting && !one.closed && this.free(one));
  }
}
