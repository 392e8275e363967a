/**
 * Where the ranks of a job get their orders: a Unix socket, so that nothing of it goes through MPI, and a rank that
 * waits for orders costs no processor time. On the other end is test/process/rank.ts.
 */
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { Mailbox, type OtherProcess, quiet } from "../channel/peers.ts";
import type { Order, Report } from "../process/rank.ts";

/** A rank, as the test that gives it orders sees it. */
class Agent {
  readonly rank: number;
  readonly pid: number;
  /** The scenario that it is busy with. */
  busy: RankPeer | null = null;
  /** Resolves when its process has gone; by then it has said what it had to say. */
  readonly gone: Promise<void>;
  /** The status that it said it would exit with: set once it is about to. */
  exiting: number | undefined;
  ended = false;
  readonly #socket: Socket;
  readonly #gone = Promise.withResolvers<void>();

  constructor(socket: Socket, rank: number, pid: number) {
    this.#socket = socket;
    this.rank = rank;
    this.pid = pid;
    this.gone = this.#gone.promise;
  }

  get free(): boolean {
    return !this.busy && !this.ended && this.exiting === undefined;
  }

  order(order: Order): void {
    this.#socket.write(`${JSON.stringify(order)}\n`);
  }

  report(report: Report): void {
    if ("said" in report) this.busy?.said(report.said);
    else if ("exiting" in report) {
      this.exiting = report.exiting;
      this.busy?.finish(report.exiting === 0 ? null : `exits with ${report.exiting}`);
    } else if ("finished" in report) {
      const peer = this.busy;
      this.busy = null;
      peer?.finish(report.finished);
    }
  }

  end(): void {
    this.ended = true;
    this.busy?.finish(this.exiting === undefined ? "was killed" : null);
    this.#gone.resolve();
  }
}

/** A scenario that a rank runs. The rank can run another one afterwards, unless this one ended its process. */
export class RankPeer implements OtherProcess {
  readonly done: Promise<void>;
  readonly pid: number;
  readonly rank: number;
  readonly #name: string;
  readonly #agent: Agent;
  readonly #said = new Mailbox();
  readonly #ended = Promise.withResolvers<void>();
  #over = false;

  constructor(agent: Agent, name: string, args: object) {
    this.#agent = agent;
    this.#name = name;
    this.pid = agent.pid;
    this.rank = agent.rank;
    this.done = quiet(this.#ended.promise);
    agent.busy = this;
    agent.order({ run: [name, args] });
  }

  heard() {
    return this.#said.take();
  }

  tell(value: unknown): void {
    this.#agent.order({ told: value });
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    process.kill(this.pid, signal);
  }

  async kill(): Promise<void> {
    if (!this.#agent.ended) this.signal("SIGKILL");
    await this.#agent.gone;
  }

  said(value: unknown): void {
    this.#said.put(value);
  }

  finish(failure: string | null): void {
    if (this.#over) return;
    this.#over = true;
    const error = new Error(`${this.#name} at rank ${this.rank}: ${failure ?? "has ended"}`);
    this.#said.close(error);
    if (failure === null) this.#ended.resolve();
    else this.#ended.reject(error);
  }

  /** Lets it end by itself, as it does when its channels are closed: a rank that is killed serves no other test. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) this.#agent.order({ over: true });
    await this.done.catch(() => {});
  }
}

export class Coordinator implements AsyncDisposable {
  readonly #agents: Agent[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #awaited: { count: number; resolve: () => void } | null = null;

  /** Of its socket: the argument of its ranks. */
  readonly path: string;

  constructor(directory: string) {
    this.path = Coordinator.socket(directory);
    this.#server = createServer((socket) => this.#onConnection(socket)).listen(this.path);
  }

  /** Where ranks find the coordinator. */
  static socket(directory: string): string {
    return join(directory, "coordinator");
  }

  /** Resolves when this many ranks have come. */
  async ranks(count: number): Promise<void> {
    const come = Promise.withResolvers<void>();
    this.#awaited = { count, resolve: come.resolve };
    this.#count();
    await come.promise;
  }

  /** Starts a scenario of test/process at a rank; at the first that has nothing to do where none is named. */
  start(scenario: string, args: object, rank?: number): RankPeer {
    const agent = this.#agents.find((each) => each.free && (rank === undefined || each.rank === rank));
    if (!agent) throw new Error(rank === undefined ? "no rank is free" : `rank ${rank} is not free`);
    return new RankPeer(agent, scenario, args);
  }

  /** Tells all ranks to exit, as programs that are through. */
  dismiss(): void {
    for (const agent of this.#agents) if (!agent.ended && agent.exiting === undefined) agent.order({ quit: true });
  }

  /** The same; resolves when the last one has gone. */
  async quit(): Promise<void> {
    this.dismiss();
    await this.gone();
  }

  /** Resolves when no rank's process is left. */
  async gone(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.gone));
  }

  /** Ranks that are still there exit: no more orders come. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #onConnection(socket: Socket): void {
    let agent: Agent | null = null;
    let rest = "";
    this.#sockets.add(socket);
    socket.setEncoding("utf8");
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      this.#sockets.delete(socket);
      agent?.end();
    });
    socket.on("data", (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) {
        const report: Report = JSON.parse(line);
        if (!("here" in report)) {
          agent?.report(report);
          continue;
        }
        agent = new Agent(socket, report.here.rank, report.here.pid);
        this.#agents.push(agent);
        this.#agents.sort((one, other) => one.rank - other.rank);
        this.#count();
      }
    });
  }

  #count(): void {
    if (this.#awaited && this.#agents.length >= this.#awaited.count) this.#awaited.resolve();
  }
}
