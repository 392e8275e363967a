/** A negative status becomes a LavaFlowError with the code, the failed call, its text, and a remedy. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { LavaFlowError } from "../../src/errors.ts";
import { CONSTANTS, MEMORY_INFO } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";
import { check, lastError } from "../../src/native/status.ts";

function caught(action: () => unknown): LavaFlowError {
  try {
    action();
  } catch (error) {
    if (error instanceof LavaFlowError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const info = () => new Uint8Array(new ArrayBuffer(MEMORY_INFO.sizeof));

describe("status", () => {
  test("a result that is not negative is returned", () => {
    const shim = native();
    expect(check(shim, 0)).toBe(0);
    expect(check(shim, 7)).toBe(7);
    expect(check(shim, CONSTANTS.LF_FULL)).toBe(CONSTANTS.LF_FULL);
  });

  test("a refusal of the shim itself has its text and no native call", () => {
    const shim = native();
    const error = caught(() => check(shim, shim.lf_memory_allocate(CONSTANTS.LF_MEMORY_STANDARD, -1, -1, info())));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.native).toBeUndefined();
    expect(error.message).toStartWith("INVALID_ARGUMENT: ");
    expect(error.message.length).toBeGreaterThan("INVALID_ARGUMENT: ".length);
  });

  test("a stale handle is CLOSED", () => {
    const shim = native();
    const out = info();
    check(shim, shim.lf_memory_allocate(CONSTANTS.LF_MEMORY_STANDARD, 64, -1, out));
    const handle = new DataView(out.buffer).getInt32(MEMORY_INFO.handle, true);
    check(shim, shim.lf_memory_close(handle));
    expect(caught(() => check(shim, shim.lf_memory_close(handle))).code).toBe("CLOSED");
  });

  test("a failed system call is named, with its status and its text", () => {
    const shim = native();
    const error = caught(() => check(shim, shim.lf_os_handle_close(0x7fff0000), "a test's descriptor"));
    expect(error.code).toBe("SYSTEM");
    expect(error.message).toStartWith("SYSTEM: a test's descriptor: ");
    expect(error.native).toEqual({ api: "close", status: constants.errno.EBADF, text: expect.any(String) });
    expect(error.message).toContain(error.native?.text as string);
  });

  test("a known remedy is in the error and in its message", () => {
    const shim = native();
    const folder = mkdtempSync(join(tmpdir(), "lava-flow-status-"));
    try {
      chmodSync(folder, 0o777);
      const [path, name] = [new TextEncoder().encode(folder), new TextEncoder().encode("a-name")];
      const error = caught(() =>
        check(shim, shim.lf_rendezvous_open(path, path.length, name, name.length, CONSTANTS.LF_ROLE_PRODUCER, null, 0)),
      );
      expect(error.code).toBe("PERMISSION_DENIED");
      expect(error.remedy).toContain("LAVA_FLOW_RUNTIME_DIR");
      expect(error.message).toEndWith(error.remedy as string);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("the last failure stays until the next one", () => {
    const shim = native();
    expect(shim.lf_memory_close(0)).toBeLessThan(0);
    const first = lastError(shim);
    check(shim, shim.lf_abi_version());
    expect(lastError(shim).message).toBe(first.message);
  });
});
