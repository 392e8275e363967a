/** Runs Windows programs under Wine, in a prefix of this run: the user's prefix is not changed. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PROGRAM_LIMIT_MS = 180_000;
/** Limit of the first program, milliseconds: Wine fills a new prefix, which takes seconds even on an idle machine. */
const SET_UP_LIMIT_MS = 300_000;
const STOP_LIMIT_MS = 10_000;

/** Debian's `wine64` package has no command on the PATH, only its library folder. */
const LIBRARY_FOLDERS = ["/usr/lib/wine", "/usr/lib64/wine"];

export type WineResult = { code: number; output: string } | { unavailable: string };

type Environment = Record<string, string | undefined>;

interface Wine {
  program: string;
  environment: Environment;
}

function findWine(): string | undefined {
  const inFolders = LIBRARY_FOLDERS.map((folder) => join(folder, "wine64")).find(existsSync);
  return inFolders ?? Bun.which("wine64") ?? Bun.which("wine") ?? undefined;
}

async function run(wine: Wine, args: string[], timeout: number, more: Environment = {}) {
  const child = Bun.spawn([wine.program, ...args], {
    env: { ...wine.environment, ...more },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout,
    killSignal: "SIGKILL",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  const killed = child.signalCode ? `\nended by ${child.signalCode}; the limit is ${timeout / 1000} s` : "";
  return { code: child.exitCode ?? -1, output: `${out}${err}${killed}`.replaceAll("\r\n", "\n") };
}

/** Stops the server, which outlives its programs for a while and writes to the prefix when it ends. */
function removePrefix(wine: Wine, prefix: string): void {
  const server = join(dirname(wine.program), "wineserver");
  const program = existsSync(server) ? server : Bun.which("wineserver");
  if (program) Bun.spawnSync([program, "-k"], { env: wine.environment, timeout: STOP_LIMIT_MS });
  rmSync(prefix, { recursive: true, force: true });
}

async function start(): Promise<Wine | { unavailable: string }> {
  if (process.arch !== "x64")
    return { unavailable: `the Windows programs are for x64, this machine is ${process.arch}` };
  const program = findWine();
  if (!program) return { unavailable: "Wine is not installed (Debian, Ubuntu: apt install wine64)" };
  const prefix = mkdtempSync(join(tmpdir(), "lava-flow-wine-"));
  const environment = {
    ...process.env,
    WINEPREFIX: prefix,
    WINEDEBUG: "-all",
    // Mono and Gecko are not installed, and the desktop's menus are not changed.
    WINEDLLOVERRIDES: "mscoree=;mshtml=;winemenubuilder.exe=d",
    DISPLAY: undefined,
  };
  const wine: Wine = { program, environment };
  process.once("exit", () => removePrefix(wine, prefix));
  const { code, output } = await run(wine, ["wineboot", "--init"], SET_UP_LIMIT_MS);
  if (code !== 0) return { unavailable: `${program} can't set up a prefix (exit code ${code}): ${output.trim()}` };
  return wine;
}

let started: ReturnType<typeof start> | undefined;

/**
 * Runs a Windows program with `more` in its environment. The output has both streams. Without Wine it is unavailable, with the
 * reason.
 */
export async function runUnderWine(program: string, more: Environment): Promise<WineResult> {
  started ??= start();
  const wine = await started;
  return "unavailable" in wine ? wine : run(wine, [program], PROGRAM_LIMIT_MS, more);
}
