/** Every number of src/native/layout.ts against what the C compiler made of the headers. */
import { describe, expect, test } from "bun:test";
import { ERROR_CODES } from "../../src/errors.ts";
import {
  BOX,
  CONSTANTS,
  FRAME,
  GPU_INFO,
  JOB_INFO,
  LINK_MESSAGE,
  LOAN,
  MEMORY_INFO,
  METAL_INFO,
  MPI_INFO,
  PORT_STATS,
  REGION_INFO,
  RENDEZVOUS_INFO,
  STAGED_READ,
  STATUS,
  STEP,
} from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";

type Numbers = Record<string, number>;

function shimLayout(): { structs: Record<string, Numbers>; constants: Numbers; status: Numbers } {
  const text = new Uint8Array(new ArrayBuffer(16384));
  const length = native().lf_layout_json(text.length, text);
  expect(length).toBeGreaterThan(0);
  const { constants, status, ...structs } = JSON.parse(new TextDecoder().decode(text.subarray(0, length)));
  return { structs, constants, status };
}

/** As the shim prints it: the struct's own size beside the offsets of its fields. */
function struct({ size, ...fields }: Numbers & { size: number }): Numbers {
  return { sizeof: size, ...fields };
}

function jobInfo(): Numbers {
  const { size, size_of_job, ...fields } = JOB_INFO;
  return { sizeof: size, size: size_of_job, ...fields };
}

/** Some structs have a field called `size`: layout.ts gives it another name or another level. */
const STRUCTS: Record<string, Numbers> = {
  lf_status: struct(STATUS),
  lf_memory_info: { sizeof: MEMORY_INFO.size, ...MEMORY_INFO.fields },
  lf_gpu_info: struct(GPU_INFO),
  lf_staged_read: struct(STAGED_READ),
  lf_step: struct(STEP),
  lf_rendezvous_info: struct(RENDEZVOUS_INFO),
  lf_mpi_info: struct(MPI_INFO),
  lf_job_info: jobInfo(),
  lf_link_message: struct(LINK_MESSAGE),
  lf_loan: struct(LOAN),
  lf_frame: struct(FRAME),
  lf_box: struct(BOX),
  lf_region_info: {
    sizeof: REGION_INFO.size,
    address: REGION_INFO.address,
    size: REGION_INFO.bytes,
    allocation: REGION_INFO.allocation,
    memory: REGION_INFO.memory,
    kind: REGION_INFO.kind,
    host_visible: REGION_INFO.host_visible,
  },
  lf_port_stats: struct(PORT_STATS),
  lf_metal_info: struct(METAL_INFO),
};

/** Structs of the shared segment: only C reads them. */
const ONLY_IN_C = ["lf_ring", "lf_slot"];

describe("layout", () => {
  test.each(Object.entries(STRUCTS))("%s has the same size and offsets in both languages", (name, fields) => {
    expect(shimLayout().structs[name]).toEqual(fields);
  });

  test("no struct that TypeScript reads is left out", () => {
    const names = Object.keys(shimLayout().structs).filter((name) => !ONLY_IN_C.includes(name));
    expect(names.sort()).toEqual(Object.keys(STRUCTS).sort());
  });

  test("constants are the same on both sides, none missing on either", () => {
    expect(shimLayout().constants).toEqual(CONSTANTS);
  });

  test("the error code at index i is status -(i + 1)", () => {
    const expected = Object.fromEntries(ERROR_CODES.map((code, index) => [code, -(index + 1)]));
    expect(shimLayout().status).toEqual(expected);
  });

  test("a buffer that is too small for the layout is refused, not overrun", () => {
    const text = new Uint8Array(new ArrayBuffer(64)).fill(0xaa);
    expect(native().lf_layout_json(32, text)).toBeLessThan(0);
    expect(text.subarray(32).every((byte) => byte === 0xaa)).toBe(true);
    expect(native().lf_layout_json(0, text)).toBeLessThan(0);
    expect(native().lf_layout_json(64, null)).toBeLessThan(0);
  });
});
