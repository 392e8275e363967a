/** What the shim for this machine is called. The names are those of shim/build.zig. */

/** Which C library this process runs on. Both can be installed: what counts is the loader that started it. */
function onMusl(): boolean {
  const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
  const loader = `/lib/ld-musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`;
  try {
    return existsSync(loader) && readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
  } catch {
    return true; // No /proc to ask: musl's loader is rarely there without its system.
  }
}

/** The folder under prebuilt/, e.g. "linux-x64-glibc". */
export function platformName(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${name}-${onMusl() ? "musl" : "glibc"}` : name;
}

/** The file in that folder. */
export function shimFileName(platform: string = process.platform): string {
  if (platform.startsWith("win32")) return "lavaflow.dll";
  return platform.startsWith("darwin") ? "liblavaflow.dylib" : "liblavaflow.so";
}
