/** Finds the shim and opens it, once, on first use. */
import { dlopen } from "bun:ffi";
import { existsSync } from "node:fs";
import { LavaFlowError } from "../errors.ts";
import { CONSTANTS } from "./layout.ts";
import { type Shim, SYMBOLS } from "./symbols.ts";

/**
 * The prebuilt shim of this platform. Each file is imported by a module of its own, behind conditions that the bundler
 * knows: so a compiled executable embeds only its own platform's, and a package without one fails only when it is used.
 */
function prebuilt(): string[] {
  const found: string[] = [];
  const take = (load: () => { default: string }) => {
    try {
      found.push(load().default);
    } catch {
      // This build of the package does not carry it: the places tried are listed when none is left.
    }
  };
  if (process.platform === "linux") {
    const musl = existsSync(process.arch === "x64" ? "/lib/ld-musl-x86_64.so.1" : "/lib/ld-musl-aarch64.so.1");
    if (process.arch === "x64") {
      if (musl) take(() => require("./prebuilt/linux-x64-musl.ts"));
      take(() => require("./prebuilt/linux-x64-glibc.ts"));
    }
    if (process.arch === "arm64") {
      if (musl) take(() => require("./prebuilt/linux-arm64-musl.ts"));
      take(() => require("./prebuilt/linux-arm64-glibc.ts"));
    }
  }
  if (process.platform === "darwin" && process.arch === "x64") take(() => require("./prebuilt/darwin-x64.ts"));
  if (process.platform === "darwin" && process.arch === "arm64") take(() => require("./prebuilt/darwin-arm64.ts"));
  if (process.platform === "win32" && process.arch === "x64") take(() => require("./prebuilt/win32-x64.ts"));
  return found;
}

/** What `bun run build` leaves in a checkout. */
function localBuild(): string {
  const name = { linux: "liblavaflow.so", darwin: "liblavaflow.dylib" }[process.platform as string] ?? "lavaflow.dll";
  return `${import.meta.dir}/../../shim/zig-out/lib/${name}`;
}

function open(): Shim {
  const tried: string[] = [];
  const override = process.env.LAVA_FLOW_SHIM;
  const places = override ? [override] : [...prebuilt(), localBuild()];
  for (const place of places) {
    try {
      const { symbols } = dlopen(place, SYMBOLS);
      const version = symbols.lf_abi_version();
      if (version === CONSTANTS.LF_ABI_VERSION) return symbols;
      throw new LavaFlowError(
        "SHIM_VERSION_MISMATCH",
        `${place} has ABI version ${version}, this package needs ${CONSTANTS.LF_ABI_VERSION}`,
        { remedy: "Run `bun run build`, or unset LAVA_FLOW_SHIM" },
      );
    } catch (error) {
      if (error instanceof LavaFlowError) throw error;
      tried.push(`${place}: ${error instanceof Error ? error.message : error}`);
    }
  }
  const platform = `${process.platform}-${process.arch}`;
  throw new LavaFlowError("SHIM_NOT_FOUND", `no native part for ${platform}; tried ${tried.join("; ")}`, {
    remedy: override ? "Correct or unset LAVA_FLOW_SHIM" : "Run `bun run build` in a checkout, or install the package again",
  });
}

let shim: Shim | undefined;

/** The shim. Loaded by the first call, never closed: its code may be running in any thread. */
export function native(): Shim {
  shim ??= open();
  return shim;
}
