/** A headless browser, controlled through https://www.w3.org/TR/webdriver2/. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "../requires.ts";

const driver = Bun.which("chromedriver");
const browser = Bun.which("chromium") ?? Bun.which("chromium-browser") ?? Bun.which("google-chrome");

export const chromium = requires(
  "chromium",
  driver !== null && browser !== null,
  `${driver === null ? "chromedriver" : "chromium"} is not on the path`,
);

/** The key of an element's id in a driver's answers. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

export class Browser implements AsyncDisposable {
  readonly #driver: Bun.Subprocess<"ignore", "pipe", "ignore">;
  readonly #folder: string;
  readonly #url: string;
  #session = "";

  private constructor(process: Bun.Subprocess<"ignore", "pipe", "ignore">, folder: string, url: string) {
    this.#driver = process;
    this.#folder = folder;
    this.#url = url;
  }

  static async open(): Promise<Browser> {
    const folder = mkdtempSync(join(tmpdir(), "browser-"));
    const child = Bun.spawn([driver as string, "--port=0"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TMPDIR: folder, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder },
    });
    const port = await portOf(child.stdout);
    const opened = new Browser(child, folder, `http://127.0.0.1:${port}`);
    try {
      const args = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1000,1100",
      ];
      const options = { binary: browser, args: [...args, `--user-data-dir=${folder}/profile`] };
      const { sessionId } = await opened.#ask("POST", "/session", {
        capabilities: { alwaysMatch: { browserName: "chrome", "goog:chromeOptions": options } },
      });
      opened.#session = `/session/${sessionId}`;
      return opened;
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  }

  async goTo(url: string): Promise<void> {
    await this.#ask("POST", `${this.#session}/url`, { url });
  }

  /** Runs the body of a function in the page and returns its result. */
  // biome-ignore lint/suspicious/noExplicitAny: the script may return any value
  run(script: string, ...args: unknown[]): Promise<any> {
    return this.#ask("POST", `${this.#session}/execute/sync`, { script, args });
  }

  /** Runs a script until its result is truthy; returns the result. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async until(script: string, ...args: unknown[]): Promise<any> {
    const limit = performance.now() + 30_000;
    for (;;) {
      const found = await this.run(script, ...args);
      if (found) return found;
      if (performance.now() > limit) throw new Error(`never: ${script}`);
    }
  }

  /** Clicks on an element, at an offset from its centre. */
  async click(selector: string, x: number, y: number): Promise<void> {
    const origin = await this.#ask("POST", `${this.#session}/element`, { using: "css selector", value: selector });
    const actions = [
      { type: "pointerMove", duration: 0, origin: { [ELEMENT]: origin[ELEMENT] }, x: Math.round(x), y: Math.round(y) },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ];
    await this.#ask("POST", `${this.#session}/actions`, { actions: [{ type: "pointer", id: "mouse", actions }] });
  }

  /** The screenshot, a PNG. */
  async screenshot(): Promise<Buffer> {
    return Buffer.from(await this.#ask("GET", `${this.#session}/screenshot`), "base64");
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async #ask(method: string, path: string, body?: object): Promise<any> {
    const answer = await fetch(this.#url + path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const { value } = (await answer.json()) as { value: { error?: string; message?: string } };
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session) await this.#ask("DELETE", this.#session).catch(() => {});
    this.#driver.kill();
    await this.#driver.exited;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** The port that the driver prints when it listens. */
async function portOf(output: ReadableStream<Uint8Array>): Promise<string> {
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    said += decoder.decode(chunk, { stream: true });
    const port = /successfully on port (\d+)/.exec(said)?.[1];
    if (port) return port;
  }
  throw new Error(`chromedriver ended: ${said}`);
}
