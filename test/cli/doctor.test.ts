import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { version } from "../../package.json";
import { CONSTANTS } from "../../src/native/layout.ts";
import { device, gpu, vulkan } from "../gpu/support.ts";
import { PATIENT, Scratch } from "./cli.ts";

const scratch = new Scratch();

describe("doctor", () => {
  test(
    "--json prints one object with every feature",
    async () => {
      const env = { LAVA_FLOW_HOST_ID: "here", LAVA_FLOW_MPI: "off", LAVA_FLOW_VULKAN: "off" };
      const { code, text, errors } = await scratch.run(["doctor", "--json"], { env });
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      const machine = JSON.parse(text);
      expect(machine).toMatchObject({
        version,
        platform: { os: process.platform, arch: process.arch, bun: Bun.version },
        shim: { abiVersion: CONSTANTS.LF_ABI_VERSION },
        sharedMemory: { works: true },
        runtimeDirectory: { path: scratch.runtimeDirectory, usable: true },
        location: { hostname: hostname(), hostId: "here", hostIdOverridden: true },
        gpus: [],
        mpi: null,
      });
      expect(await Bun.file(machine.shim.path).exists()).toBe(true);
      expect(machine.memory.availableBytes).toBeGreaterThan(0);
      if (process.platform === "linux") {
        expect(machine.runtimeDirectory).toMatchObject({ mode: "0700", ownerUid: process.getuid?.() });
        expect(machine.sharedMemory.openFiles.soft).toBeGreaterThan(0);
        expect(machine.hugepages.map((size: { sizeBytes: number }) => size.sizeBytes)).toContain(2 * 1024 * 1024);
      }
      const features = machine.missing.map((missing: { feature: string }) => missing.feature);
      expect(features).toContain("gpu");
      expect(features).toContain("mpi");
      expect(machine.interop.map(({ api }: { api: string }) => api)).toEqual(["cuda", "opencl", "opengl"]);
      for (const { reason } of machine.interop) expect(reason).not.toBe("");
      const mac = process.platform === "darwin";
      expect(machine.kernels).toEqual([
        { backend: "metal", viable: mac, reason: expect.stringMatching(mac ? /GPU/ : /macOS|Metal/) },
        { backend: "vulkan", viable: false, reason: expect.stringContaining("LAVA_FLOW_VULKAN") },
        { backend: "cpu", viable: true, reason: "handlers in TypeScript" },
      ]);
      for (const { reason, remedy } of machine.missing) {
        expect(reason).not.toBe("");
        expect(remedy).not.toBe("");
      }
    },
    PATIENT,
  );

  test(
    "without --json the report fits 80 columns",
    async () => {
      const { code, text } = await scratch.run(["doctor"], { env: { LAVA_FLOW_VULKAN: "off" } });
      expect(code).toBe(0);
      for (const label of [
        "platform",
        "shim",
        "memory",
        "numa",
        "huge pages",
        "shared",
        "runtime dir",
        "membarrier",
        "host",
        "cuda",
        "opencl",
        "opengl",
        "kernels",
        "mpi",
      ]) {
        expect(text).toMatch(new RegExp(`^${label} `, "m"));
      }
      expect(text).toMatch(/^gpus {8}none$/m);
      expect(text).toContain("apt install");
      expect(text.replace(/\s+/g, " ")).toContain("mesa-vulkan-drivers");
      for (const line of text.split("\n")) {
        // Only a line without a space may be longer.
        if (line.trim().includes(" ")) expect(line.length).toBeLessThanOrEqual(80);
      }
    },
    PATIENT,
  );

  test.skipIf(!vulkan)(
    "each GPU has its type, its memory and its sharing",
    async () => {
      const { code, text } = await scratch.run(["doctor", "--json"]);
      expect(code).toBe(0);
      const { gpus, kernels, missing } = JSON.parse(text);
      const chosen = kernels.find(({ backend }: { backend: string }) => backend === "vulkan");
      expect(chosen).toMatchObject({ viable: true, reason: expect.stringContaining(gpu.name) });
      expect(gpus[device]).toEqual({ ...gpu, freeBytes: gpus[device].freeBytes });
      expect([null, "number"]).toContain(gpus[device].freeBytes === null ? null : typeof gpus[device].freeBytes);
      const reason = missing.find(({ feature }: { feature: string }) => feature === "gpu")?.reason;
      if (gpu.type === "cpu") expect(reason).toContain(gpu.name);
      else expect(reason).toBeUndefined();
      const people = (await scratch.run(["doctor"])).text;
      expect(people).toMatch(new RegExp(`^gpu ${device} `, "m"));
      const words = people.replace(/\s+/g, " ");
      for (const word of [gpu.name, gpu.driver, `Vulkan ${gpu.apiVersion}`, "exports and imports: "]) {
        expect(words).toContain(word.replace(/\s+/g, " "));
      }
    },
    PATIENT,
  );

  test(
    "without a shim the exit code is 1 and the rest is still reported",
    async () => {
      const env = { LAVA_FLOW_SHIM: scratch.file("none") };
      const { code, text } = await scratch.run(["doctor", "--json"], { env });
      expect(code).toBe(1);
      const machine = JSON.parse(text);
      expect(machine.kernels).toEqual([]);
      expect(machine).toMatchObject({ shim: null, membarrier: null, sharedMemory: { works: null } });
      expect(machine.missing[0]).toMatchObject({ feature: "shim", remedy: "Correct or unset LAVA_FLOW_SHIM" });
      expect(machine.missing[0].reason).toContain(scratch.file("none"));
      const people = await scratch.run(["doctor"], { env });
      expect(people.code).toBe(1);
      expect(people.text).toContain("shim        can't be loaded");
    },
    PATIENT,
  );

  test(
    "a runtime directory that others can write to is a missing feature",
    async () => {
      const open = new Scratch();
      mkdirSync(open.runtimeDirectory);
      chmodSync(open.runtimeDirectory, 0o777);
      const { code, text } = await open.run(["doctor", "--json"]);
      expect(code).toBe(0);
      const machine = JSON.parse(text);
      expect(machine.runtimeDirectory).toMatchObject({ usable: false, mode: "0777" });
      const missing = machine.missing.find((one: { feature: string }) => one.feature === "runtime directory");
      expect(missing.reason).toStartWith("PERMISSION_DENIED: ");
      expect(missing.remedy).toContain("LAVA_FLOW_RUNTIME_DIR");
    },
    PATIENT,
  );
});
