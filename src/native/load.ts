/** Finds the shim and opens it once, on first use. */
import { dlopen, FFIType } from "bun:ffi";
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS } from "./layout.ts";
import { platformName, shimFileName } from "./platform.ts";
import { type Shim, SYMBOLS } from "./symbols.ts";

/**
 * The shim in a bundle; undefined outside of one. The bundler evaluates these conditions and embeds only its target's file.
 * The calls are in one `try`, so a file that this copy of the package lacks does not fail the build.
 */
function embedded(platform: string): string | undefined {
  const musl = platform.endsWith("-musl");
  try {
    if (process.platform === "linux" && process.arch === "x64")
      return musl
        ? require("../../prebuilt/linux-x64-musl/liblavaflow.so")
        : require("../../prebuilt/linux-x64-glibc/liblavaflow.so");
    if (process.platform === "linux" && process.arch === "arm64")
      return musl
        ? require("../../prebuilt/linux-arm64-musl/liblavaflow.so")
        : require("../../prebuilt/linux-arm64-glibc/liblavaflow.so");
    if (process.platform === "darwin" && process.arch === "x64")
      return require("../../prebuilt/darwin-x64/liblavaflow.dylib");
    if (process.platform === "darwin" && process.arch === "arm64")
      return require("../../prebuilt/darwin-arm64/liblavaflow.dylib");
    if (process.platform === "win32" && process.arch === "x64") return require("../../prebuilt/win32-x64/lavaflow.dll");
  } catch {
    // no bundle, or a bundle of a package without this file: open() lists the paths that it tried
  }
  return undefined;
}

/** The paths at which the shim may be, the likeliest first. */
function candidates(): string[] {
  const { existsSync } = process.getBuiltinModule("node:fs");
  const { resolve } = process.getBuiltinModule("node:path");
  const override = process.env.LAVA_FLOW_SHIM;
  if (override) return [resolve(override)];
  const platform = platformName();
  const root = resolve(import.meta.dir, "../..");
  const prebuilt = resolve(root, "prebuilt", platform, shimFileName());
  // In a bundle `require` returns a path. Outside of one it would run the library as a program.
  const bundled = import.meta.file !== "load.ts";
  const carried = bundled || !existsSync(prebuilt) ? embedded(platform) : undefined;
  if (carried) return [resolve(import.meta.dir, carried)];
  if (bundled) return [];
  return [prebuilt, resolve(root, "shim/zig-out/lib", shimFileName())];
}

interface Loaded {
  symbols: Shim;
  path: string;
}

/** The shim's path, as the first copy or evaluation of this package in this thread found it. */
const SHIM_PATH = Symbol.for(`lava-flow.shim.${CONSTANTS.LF_ABI_VERSION}`);
const shared = globalThis as { [SHIM_PATH]?: string };

/**
 * The paths of shims that other copies of this package have loaded, in this thread or a Worker. A second shim would have its
 * own handles and a second MPI state. Only Linux shows the libraries of other threads.
 */
function loadedElsewhere(): string[] {
  if (process.env.LAVA_FLOW_SHIM) return [];
  if (shared[SHIM_PATH]) return [shared[SHIM_PATH]];
  if (process.platform !== "linux") return [];
  try {
    const maps = process.getBuiltinModule("node:fs").readFileSync("/proc/self/maps", "utf8");
    const file = new RegExp(`/.*/${RegExp.escape(shimFileName())}$`, "gm");
    return [...new Set(maps.match(file))].filter((each) => abiOf(each) === CONSTANTS.LF_ABI_VERSION);
  } catch {
    return []; // no /proc
  }
}

function abiOf(path: string): number {
  return dlopen(path, { lf_abi_version: { args: [], returns: FFIType.i32 } }).symbols.lf_abi_version();
}

function open(): Loaded {
  const tried: string[] = [];
  for (const candidate of [...loadedElsewhere(), ...candidates()]) {
    let version: number;
    try {
      // The version comes first: the error for another version must not be a missing symbol.
      version = abiOf(candidate);
      if (version === CONSTANTS.LF_ABI_VERSION) return { symbols: dlopen(candidate, SYMBOLS).symbols, path: candidate };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      tried.push(message.includes(candidate) ? message : `${candidate}: ${message}`);
      continue;
    }
    throw new LavaFlowError(
      "SHIM_VERSION_MISMATCH",
      `${candidate} has ABI version ${version}, this package needs ${CONSTANTS.LF_ABI_VERSION}`,
      { remedy: "Run `bun run build`, or unset LAVA_FLOW_SHIM" },
    );
  }
  if (tried.length === 0) {
    throw new LavaFlowError("SHIM_NOT_FOUND", `this bundle carries no native part for ${platformName()}`, {
      remedy: "Bundle it with a copy of lava-flow whose folder prebuilt/ has one, or set LAVA_FLOW_SHIM",
    });
  }
  throw new LavaFlowError("SHIM_NOT_FOUND", `no native part for ${platformName()}; tried: ${tried.join("; ")}`, {
    remedy: remedy(),
  });
}

/** The remedy depends on how this copy of the package was installed. */
function remedy(): string {
  if (process.env.LAVA_FLOW_SHIM) return "Correct or unset LAVA_FLOW_SHIM";
  if (import.meta.file !== "load.ts") {
    return "A compiled executable unpacks it into the temporary folder, which may be mounted noexec: set BUN_TMPDIR to a folder in which this user may write and execute; keep the files of any other bundle together";
  }
  const { existsSync } = process.getBuiltinModule("node:fs");
  const { resolve } = process.getBuiltinModule("node:path");
  const root = resolve(import.meta.dir, "../..");
  const installed = /[\\/]node_modules[\\/]/.test(root);
  if (!installed) return "Run `bun install` and `bun run build` in this checkout";
  if (existsSync(resolve(root, "prebuilt", platformName()))) {
    return "Install the package again, in a folder that may be executed from; on Linux it needs glibc 2.28 or newer, or musl";
  }
  if (existsSync(resolve(root, "prebuilt"))) return "The package has no native part for this platform";
  return "Only the published package carries it: install that (`bun add lava-flow`), or build this copy (`bun pm trust lava-flow`)";
}

let shim: Shim | undefined;
let path: string;

/** The shim. The first call loads it. It is never closed, because any thread may be running its code. */
export function native(): Shim {
  if (shim === undefined) {
    ({ symbols: shim, path } = open());
    shared[SHIM_PATH] ??= path;
  }
  return shim;
}

/** The path of the loaded shim. */
export function shimPath(): string {
  native();
  return path;
}
