/** A page on this machine that shows the pool, and reports clicks. */
import type { Stone } from "./pool.ts";

/** Most bytes that wait for a page before a frame is skipped. */
const BACKLOG_BYTES = 8 << 20;

export class Watch implements Disposable {
  readonly #server: Bun.Server<undefined>;
  readonly #pages = new Set<Bun.ServerWebSocket<undefined>>();
  #stones: Stone[] = [];

  private constructor(port: number) {
    const pages = this.#pages;
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/live") return server.upgrade(request) ? undefined : new Response(null, { status: 400 });
        if (pathname !== "/") return new Response(null, { status: 404 });
        return new Response(Bun.file(new URL("./page.html", import.meta.url)));
      },
      websocket: {
        open: (page) => void pages.add(page),
        close: (page) => void pages.delete(page),
        message: (_, text) => {
          const stone = stoneOf(String(text));
          if (stone) this.#stones.push(stone);
        },
        maxPayloadLength: 1024,
      },
    });
  }

  static open(port: number): Watch {
    return new Watch(port);
  }

  get url(): string {
    return this.#server.url.href;
  }

  /** The clicks since the last call. */
  takeStones(): Stone[] {
    return this.#stones.splice(0);
  }

  show(pixels: Uint8ClampedArray<ArrayBuffer>, side: number, text: string): void {
    for (const page of this.#pages) {
      if (page.getBufferedAmount() > BACKLOG_BYTES) continue;
      page.send(JSON.stringify({ side, text }));
      page.send(new Uint8Array(pixels.buffer));
    }
  }

  [Symbol.dispose](): void {
    this.#server.stop(true);
  }
}

/** Checks a message: any program of this machine can send one. */
function stoneOf(text: string): Stone | null {
  try {
    const { x, y } = JSON.parse(text);
    return [x, y].every((share) => typeof share === "number" && share >= 0 && share <= 1) ? { x, y } : null;
  } catch {
    return null;
  }
}
