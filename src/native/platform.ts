/** The folder and the file of the shim for this machine, as shim/build.zig names them. */

/** Whether this process runs on musl. Both C libraries can be installed: the loader that started the process decides. */
function onMusl(): boolean {
  const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
  const loader = `/lib/ld-musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`;
  try {
    return existsSync(loader) && readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
  } catch {
    return true; // no /proc: musl's loader is rarely installed on another system
  }
}

/** The folder in prebuilt/, e.g. "linux-x64-glibc". */
export function platformName(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${name}-${onMusl() ? "musl" : "glibc"}` : name;
}

/** The file in that folder. */
export function shimFileName(platform: string = process.platform): string {
  if (platform.startsWith("win32")) return "lavaflow.dll";
  return platform.startsWith("darwin") ? "liblavaflow.dylib" : "liblavaflow.so";
}
