/** The runtime directory: the rule for each kind of environment, and opens that follow it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtimeDirectory } from "../../src/channel/wire/runtime-directory.ts";
import { onPosix, requires } from "../requires.ts";

const posix = onPosix();
const me = process.geteuid?.() as number;
const able = me === 0 && Bun.which("setpriv") !== null;
const isRoot = requires("root", able, "only root, with setpriv, can start a process of another user");
const OTHER = 65534;

const VARIABLES = ["LAVA_FLOW_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR"];
const before = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
let folder: string;
let session: string;

function set(values: Record<string, string | undefined>): void {
  for (const name of VARIABLES) {
    if (values[name] === undefined) delete process.env[name];
    else process.env[name] = values[name];
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lf-dir-"));
  chmodSync(folder, 0o755);
});
afterAll(() => {
  set(before);
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  session = mkdtempSync(join(folder, "session-"));
});

const path = (values: Record<string, string | undefined>) => {
  set(values);
  return runtimeDirectory();
};

describe.skipIf(!posix)("the rule", () => {
  test("LAVA_FLOW_RUNTIME_DIR decides alone", () => {
    const own = { LAVA_FLOW_RUNTIME_DIR: "/some/folder", XDG_RUNTIME_DIR: session };
    expect(path(own)).toEqual({ path: "/some/folder", passedOver: [] });
  });

  test("a folder of this user in XDG_RUNTIME_DIR, whether it is there already or not", () => {
    const expected = { path: join(session, "lava-flow"), passedOver: [] };
    expect(path({ XDG_RUNTIME_DIR: session })).toEqual(expected);
    mkdirSync(expected.path);
    expect(path({ XDG_RUNTIME_DIR: session })).toEqual(expected);
  });

  test("without XDG_RUNTIME_DIR a folder for this user in the temporary one", () => {
    expect(path({ TMPDIR: folder })).toEqual({ path: join(folder, `lava-flow-${me}`), passedOver: [] });
  });

  test.each([
    ["does not exist", () => join(session, "none")],
    ["is no directory", () => join(session, "file")],
    ["can't be looked at (ENAMETOOLONG)", () => `/${"x".repeat(300)}`],
    ["can't be looked at (ENAMETOOLONG)", () => `/${"long/".repeat(1000)}`],
  ])("an XDG_RUNTIME_DIR that %s is passed over, and that is said", (reason, at) => {
    writeFileSync(join(session, "file"), "");
    const found = path({ XDG_RUNTIME_DIR: at(), TMPDIR: folder });
    expect(found.path).toBe(join(folder, `lava-flow-${me}`));
    expect(found.passedOver).toHaveLength(1);
    expect(found.passedOver[0]).toStartWith("XDG_RUNTIME_DIR is passed over: /");
    expect(found.passedOver[0]).toEndWith(reason);
  });

  test("a temporary folder that does not exist is passed over too", () => {
    const found = path({ TMPDIR: join(folder, "none") });
    expect(found).toEqual({
      path: `/tmp/lava-flow-${me}`,
      passedOver: [`the temporary folder is passed over: ${join(folder, "none")} does not exist`],
    });
  });

  test.skipIf(!isRoot)("a folder of another user is passed over, and named", () => {
    chownSync(session, OTHER, OTHER);
    expect(path({ XDG_RUNTIME_DIR: session, TMPDIR: folder }).passedOver).toEqual([
      `XDG_RUNTIME_DIR is passed over: ${session} belongs to user ${OTHER}, not to this one (0)`,
    ]);
    chownSync(session, 0, 0);
    mkdirSync(join(session, "lava-flow"));
    chownSync(join(session, "lava-flow"), OTHER, OTHER);
    expect(path({ XDG_RUNTIME_DIR: session, TMPDIR: folder }).passedOver).toEqual([
      `XDG_RUNTIME_DIR is passed over: ${session}/lava-flow belongs to user ${OTHER}, not to this one (0)`,
    ]);
  });
});

/** Opens a channel without a peer in a new process, and returns the error that it prints. */
function openAlone(env: Record<string, string | undefined>, as: number | null = null): string {
  const program = `
    import { Channel } from ${JSON.stringify(join(import.meta.dir, "../../src/index.ts"))};
    await Channel.open("alone", { role: "producer", timeoutMs: 50 }).catch((error) => console.log(error.message));`;
  const user = as === null ? [] : ["setpriv", `--reuid=${as}`, `--regid=${as}`, "--clear-groups"];
  const cleared = Object.fromEntries(VARIABLES.map((name) => [name, undefined]));
  const child = Bun.spawnSync([...user, process.execPath, "-e", program], {
    env: { ...process.env, ...cleared, HOME: "/nonexistent", ...env },
    cwd: "/",
    timeout: 60_000,
  });
  return `${child.stdout}${child.stderr}`.trim();
}

describe.skipIf(!posix)("opens", () => {
  test.skipIf(!isRoot)("root does not use another user's XDG_RUNTIME_DIR, and names it in the error", () => {
    chownSync(session, OTHER, OTHER);
    chmodSync(session, 0o700);
    const asRoot = openAlone({ XDG_RUNTIME_DIR: session, TMPDIR: folder });
    expect(asRoot).toContain("TIMEOUT");
    expect(asRoot).toContain(join(folder, "lava-flow-0"));
    expect(asRoot).toContain(`${session} belongs to user ${OTHER}, not to this one (0)`);
    expect(existsSync(join(session, "lava-flow"))).toBe(false);
    const asUser = openAlone({ XDG_RUNTIME_DIR: session }, OTHER);
    expect(asUser).toContain("TIMEOUT");
    expect(statSync(join(session, "lava-flow")).uid).toBe(OTHER);
  });

  test("a folder that can't be made is an error with the cause and the remedy", () => {
    const error = openAlone({ LAVA_FLOW_RUNTIME_DIR: join(folder, "no/such/folder") });
    expect(error).toContain(join(folder, "no/such/folder"));
    expect(error).toContain("No such file or directory");
    expect(error).toContain("LAVA_FLOW_RUNTIME_DIR");
    const long = openAlone({ LAVA_FLOW_RUNTIME_DIR: `${folder}/${"x".repeat(300)}` });
    expect(long).toContain("File name too long");
    expect(long).toContain("Set LAVA_FLOW_RUNTIME_DIR to");
    const longer = openAlone({ LAVA_FLOW_RUNTIME_DIR: `${folder}/${"x/".repeat(3000)}` });
    expect(longer).toContain("runtime directory");
    expect(longer).toContain("Set LAVA_FLOW_RUNTIME_DIR to");
  });

  test("a path too long for a socket works if the system has a shorter one", () => {
    const deep = join(folder, "x".repeat(200), "y".repeat(200));
    mkdirSync(deep, { recursive: true });
    const error = openAlone({ LAVA_FLOW_RUNTIME_DIR: join(deep, "run") });
    expect(error).toContain(process.platform === "linux" ? "TIMEOUT" : "Set LAVA_FLOW_RUNTIME_DIR to");
  });

  test.skipIf(!isRoot)("a folder of another user is refused with its owner", () => {
    const taken = join(session, "taken");
    mkdirSync(taken, { mode: 0o700 });
    chmodSync(session, 0o755);
    const error = openAlone({ LAVA_FLOW_RUNTIME_DIR: taken }, OTHER);
    expect(error).toContain("PERMISSION_DENIED");
    expect(error).toContain(`belongs to user 0, not to this one (${OTHER})`);
  });
});
