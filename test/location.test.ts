import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { LavaFlowError } from "../src/errors.ts";
import { detectScope, ProcessLocation, type ScopeDecision, validateLocation } from "../src/location.ts";

type Case = [
  what: string,
  mine: Partial<ProcessLocation>,
  peer: Partial<ProcessLocation>,
  scope: ScopeDecision["scope"],
  strategy: ScopeDecision["strategy"],
  named: string[],
];

const CASES: Case[] = [
  // The host id decides, whatever the hostnames say.
  ["one process", { hostname: "a", hostId: "k1" }, { hostname: "a", hostId: "k1" }, "local", "host-id", ["k1"]],
  [
    "equal hostnames",
    { hostname: "gpu", hostId: "k1" },
    { hostname: "gpu", hostId: "k2" },
    "remote",
    "host-id",
    ["k1", "k2"],
  ],
  ["two containers", { hostname: "c1", hostId: "k1" }, { hostname: "c2", hostId: "k1" }, "local", "host-id", ["k1"]],
  [
    "one node id on two hosts",
    { hostname: "a", hostId: "k1", nodeId: "n" },
    { hostname: "a", hostId: "k2", nodeId: "n" },
    "remote",
    "host-id",
    ["k1", "k2"],
  ],
  [
    "host ids that differ in case",
    { hostname: "a", hostId: "K1" },
    { hostname: "a", hostId: "k1" },
    "remote",
    "host-id",
    ["K1", "k1"],
  ],
  // A host id set by a user decides before that.
  [
    "override on both sides",
    { hostname: "a", hostId: "u", hostIdOverridden: true },
    { hostname: "b", hostId: "u", hostIdOverridden: true },
    "local",
    "override",
    ["u"],
  ],
  [
    "override here",
    { hostname: "a", hostId: "u", hostIdOverridden: true },
    { hostname: "a", hostId: "k1" },
    "remote",
    "override",
    ["u", "k1"],
  ],
  [
    "override there",
    { hostname: "a", hostId: "k1" },
    { hostname: "a", hostId: "k1", hostIdOverridden: true },
    "local",
    "override",
    ["k1"],
  ],
  [
    "override of an empty id",
    { hostname: "a", hostId: "", hostIdOverridden: true },
    { hostname: "a", hostId: "k1" },
    "remote",
    "conservative",
    ["k1"],
  ],
  // The scheduler's name, where a host id is missing.
  ["one node", { hostname: "a", nodeId: "n1" }, { hostname: "b", nodeId: "n1" }, "local", "node-id", ["n1"]],
  ["two nodes", { hostname: "a", nodeId: "n1" }, { hostname: "a", nodeId: "n2" }, "remote", "node-id", ["n1", "n2"]],
  [
    "one node, one host id known",
    { hostname: "a", hostId: "k1", nodeId: "n1" },
    { hostname: "b", nodeId: "n1" },
    "local",
    "node-id",
    ["n1"],
  ],
  ["node id on one side", { hostname: "a", nodeId: "n1" }, { hostname: "a" }, "local", "hostname", ["a"]],
  // Hostnames, where there is nothing else: whole, never cut at a dot.
  ["equal hostnames only", { hostname: "a" }, { hostname: "a" }, "local", "hostname", ["a"]],
  ["different hostnames only", { hostname: "a" }, { hostname: "b" }, "remote", "hostname", ["a", "b"]],
  ["equal names with dots", { hostname: "a.x.org" }, { hostname: "a.x.org" }, "local", "hostname", ["a.x.org"]],
  [
    "one first label, two domains",
    { hostname: "a.x.org" },
    { hostname: "a.y.org" },
    "remote",
    "hostname",
    ["a.x.org", "a.y.org"],
  ],
  ["short against whole", { hostname: "a" }, { hostname: "a.x.org" }, "remote", "hostname", ["a", "a.x.org"]],
  // Names that prove nothing.
  ["localhost", { hostname: "localhost" }, { hostname: "localhost" }, "remote", "conservative", ["localhost"]],
  [
    "localhost.localdomain",
    { hostname: "localhost.localdomain" },
    { hostname: "localhost.localdomain" },
    "remote",
    "conservative",
    ["localhost.localdomain"],
  ],
  [
    "localhost against a name",
    { hostname: "localhost" },
    { hostname: "a" },
    "remote",
    "conservative",
    ["localhost", "a"],
  ],
  [
    "equal hostnames, host id here",
    { hostname: "a", hostId: "k1" },
    { hostname: "a" },
    "remote",
    "conservative",
    ["k1", "a"],
  ],
  [
    "equal hostnames, host id there",
    { hostname: "a" },
    { hostname: "a", hostId: "k1" },
    "remote",
    "conservative",
    ["k1", "a"],
  ],
  // Empty and missing fields.
  ["empty host ids", { hostname: "a", hostId: "" }, { hostname: "a", hostId: "" }, "local", "hostname", ["a"]],
  ["empty node ids", { hostname: "a", nodeId: "" }, { hostname: "b", nodeId: "" }, "remote", "hostname", ["a", "b"]],
  ["empty hostnames", { hostname: "" }, { hostname: "" }, "remote", "conservative", ["unknown"]],
  ["nothing known here", {}, { hostname: "a", hostId: "k1" }, "remote", "conservative", ["k1", "unknown"]],
  ["nothing known at all", {}, {}, "remote", "conservative", ["unknown"]],
];

describe("detectScope", () => {
  test.each(CASES)("%s", (_what, mine, peer, scope, strategy, named) => {
    const here = mine as ProcessLocation;
    const there = peer as ProcessLocation;
    const decision = detectScope(here, there);
    expect(decision).toMatchObject({ scope, strategy });
    for (const value of named) expect(decision.reason).toContain(value);
    // Both sides of a channel come to the same conclusion.
    expect(detectScope(there, here)).toMatchObject({ scope, strategy });
  });
});

describe("detect", () => {
  const VARIABLES = ["LAVA_FLOW_HOST_ID", "LAVA_FLOW_NODE_ID", "SLURMD_NODENAME", "KUBERNETES_NODE_NAME"];
  const before = new Map(VARIABLES.map((name) => [name, process.env[name]]));
  beforeEach(() => {
    for (const name of VARIABLES) delete process.env[name];
  });
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  test("tells this process", () => {
    const location = ProcessLocation.detect();
    expect(location).toMatchObject({ hostname: hostname(), pid: process.pid });
    expect(location.hostIdOverridden).toBeUndefined();
    if (process.platform === "linux") {
      expect(location.hostId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    }
    expect(detectScope(location, ProcessLocation.detect())).toMatchObject({ scope: "local" });
  });

  test("LAVA_FLOW_HOST_ID wins over the kernel, an override over both", () => {
    process.env.LAVA_FLOW_HOST_ID = "from-env";
    expect(ProcessLocation.detect()).toMatchObject({ hostId: "from-env", hostIdOverridden: true });
    expect(ProcessLocation.detect({ hostId: "given" })).toMatchObject({ hostId: "given", hostIdOverridden: true });
    process.env.LAVA_FLOW_HOST_ID = "";
    expect(ProcessLocation.detect().hostIdOverridden).toBeUndefined();
  });

  test("the node id comes from the scheduler", () => {
    process.env.KUBERNETES_NODE_NAME = "k8s";
    expect(ProcessLocation.detect().nodeId).toBe("k8s");
    process.env.SLURMD_NODENAME = "slurm";
    expect(ProcessLocation.detect().nodeId).toBe("slurm");
    process.env.LAVA_FLOW_NODE_ID = "own";
    expect(ProcessLocation.detect().nodeId).toBe("own");
    expect(ProcessLocation.detect({ nodeId: "given" }).nodeId).toBe("given");
  });

  test("overrides that are undefined change nothing, wrong ones are refused", () => {
    expect(ProcessLocation.detect({ hostname: undefined, pid: undefined })).toEqual(ProcessLocation.detect());
    expect(() => ProcessLocation.detect({ pid: -1 })).toThrow("location.pid is -1");
    process.env.LAVA_FLOW_HOST_ID = "x".repeat(256);
    expect(() => ProcessLocation.detect()).toThrow("location.hostId is a string of 256 characters");
  });
});

describe("fromJSON", () => {
  const whole: ProcessLocation = {
    hostname: "a.example.org",
    hostId: "k1",
    hostIdOverridden: true,
    nodeId: "n1",
    deviceId: 0,
    pid: 4_194_304,
    mpiRank: 3,
  };

  test("reads back what JSON.stringify wrote", () => {
    expect(ProcessLocation.fromJSON(JSON.stringify(whole))).toEqual(whole);
    const detected = ProcessLocation.detect();
    expect(ProcessLocation.fromJSON(JSON.stringify(detected))).toEqual(detected);
  });

  test("ignores unknown fields and leaves out what is not there", () => {
    const read = ProcessLocation.fromJSON(
      '{"hostname":"a","later":{"x":1},"__proto__":{"hostId":"k1"},"hostIdOverridden":false}',
    );
    expect(Object.keys(read)).toEqual(["hostname"]);
    expect(read.hostId).toBeUndefined();
  });

  test("takes the longest names and the largest numbers", () => {
    const most = { hostname: "h".repeat(255), hostId: "i".repeat(255), nodeId: "n".repeat(255), pid: 0xffffffff };
    expect(validateLocation(most)).toEqual(most);
  });

  test.each([
    ["not JSON", "{", "location is not JSON"],
    ["too long", " ".repeat(65_537), "location is a string of 65537 characters"],
    ["null", "null", "location is null"],
    ["an array", "[]", "location is"],
    ["a string", '"a"', "location is"],
    ["no hostname", "{}", "location.hostname is undefined"],
    ["hostname of another type", '{"hostname":1}', "location.hostname is 1"],
    ["hostname null", '{"hostname":null}', "location.hostname is null"],
    [
      "hostname too long",
      JSON.stringify({ hostname: "h".repeat(256) }),
      "location.hostname is a string of 256 characters",
    ],
    ["hostname with an escape sequence", JSON.stringify({ hostname: "\u001b[2J" }), "location.hostname"],
    ["host id with NUL", JSON.stringify({ hostname: "a", hostId: "k\0" }), "location.hostId"],
    ["host id of another type", '{"hostname":"a","hostId":["k1"]}', "location.hostId is a Array"],
    ["node id too long", JSON.stringify({ hostname: "a", nodeId: "n".repeat(300) }), "location.nodeId"],
    ["pid as text", '{"hostname":"a","pid":"1"}', 'location.pid is "1"'],
    ["pid with a fraction", '{"hostname":"a","pid":1.5}', "location.pid is 1.5"],
    ["pid too large", '{"hostname":"a","pid":4294967296}', "location.pid is 4294967296"],
    ["pid infinite", '{"hostname":"a","pid":1e999}', "location.pid is Infinity"],
    ["device below 0", '{"hostname":"a","deviceId":-1}', "location.deviceId is -1"],
    ["rank of another type", '{"hostname":"a","mpiRank":{}}', "location.mpiRank is a Object"],
    ["override of another type", '{"hostname":"a","hostIdOverridden":"yes"}', "location.hostIdOverridden"],
  ])("refuses %s", (_what, text, message) => {
    let thrown: unknown;
    try {
      ProcessLocation.fromJSON(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(LavaFlowError);
    expect((thrown as LavaFlowError).code).toBe("INVALID_ARGUMENT");
    expect((thrown as LavaFlowError).message).toContain(message);
  });
});
