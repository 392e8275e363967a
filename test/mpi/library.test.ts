/** Which MPI library is opened, what it is taken for, and what is said of one that can't be used. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import type { Topology } from "../../src/index.ts";
import { PATIENT } from "../channel/support.ts";
import { onLinux, requires } from "../requires.ts";
import { emptyMpi, libraryOf, zig } from "./empty-mpi.ts";
import { LAUNCHERS } from "./launchers.ts";

const isLinux = onLinux();
const hasZig = requires("zig", existsSync(zig), "no zig in node_modules");
/** MPI 5's ABI over MPICH (shim/test/support/mpi_abi.c). */
const ADAPTER = join(ROOT, "shim/zig-out/test-support/libmpi_abi.so");

const folder = mkdtempSync(join(tmpdir(), "lf-mpi-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Described {
  mpi: Topology["mpi"];
  kind: number;
  /** Of the error that lf_mpi_describe gives; "" when it gives none. */
  code: string;
  reason: string;
  remedy: string;
  /** What MemoryAllocator.unavailable says. */
  missing: string | undefined;
}

const SCRIPT = `
  import { MemoryAllocator } from "./src/index.ts";
  import { MPI_INFO } from "./src/native/layout.ts";
  import { native } from "./src/native/load.ts";
  import { check } from "./src/native/status.ts";
  const info = new Uint8Array(new ArrayBuffer(MPI_INFO.sizeof));
  const failure = () => {
    try {
      check(native(), native().lf_mpi_describe(info));
      return { code: "", reason: "", remedy: "" };
    } catch ({ code, reason, remedy }) {
      return { code, reason, remedy };
    }
  };
  const first = failure();
  if (!Bun.deepEquals(first, failure())) throw new Error("another answer the second time");
  using allocator = new MemoryAllocator({ devices: "none" });
  const missing = allocator.unavailable.find(({ feature }) => feature === "mpi")?.reason;
  const kind = new DataView(info.buffer).getInt32(MPI_INFO.kind, true);
  console.log(JSON.stringify({ mpi: allocator.topology.mpi, kind, missing, ...first }));
`;

/**
 * What a process with this environment finds, to which some files are empty. Variables of a launcher that started this
 * one are not passed on.
 */
async function describeWith(variables: Record<string, string>, hidden: string[] = []): Promise<Described> {
  const none = { LAVA_FLOW_MPI: "", OMPI_COMM_WORLD_SIZE: "", PMI_SIZE: "", PMI_RANK: "", PMIX_RANK: "" };
  const hide = hidden.map((file) => `mount --bind /dev/null '${file}' && `).join("");
  const through = hidden.length > 0 ? ["unshare", "--mount", "sh", "-c", `${hide}exec "$0" "$@"`] : [];
  await using child = Bun.spawn([...through, process.execPath, "-e", SCRIPT], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...none, ...variables },
    cwd: ROOT,
    timeout: 60_000,
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(err || out);
  return JSON.parse(out);
}

const abi = (version: number) => `int MPI_Abi_get_version(int *a, int *b) { *a = ${version}; *b = 0; return 0; }`;

/** Expects that the library which LAVA_FLOW_MPI names is refused with `words`. */
async function expectRefusal(named: string, words: string): Promise<void> {
  const { mpi, code, reason, remedy, missing } = await describeWith({ LAVA_FLOW_MPI: named });
  expect({ mpi, code }).toEqual({ mpi: null, code: "MPI_UNAVAILABLE" });
  expect(reason).toContain("LAVA_FLOW_MPI");
  expect(reason).toContain(words);
  expect(remedy).toContain("LAVA_FLOW_MPI");
  expect(missing).toBe(reason);
}

describe("a library that can't be used", () => {
  test("off", () => expectRefusal("off", 'LAVA_FLOW_MPI is "off"'));

  test("a path where nothing is", () => expectRefusal("/nowhere/libmpi.so", "/nowhere/libmpi.so"));

  test("a text file", async () => {
    const path = join(folder, "text.so");
    writeFileSync(path, "This is no library, though its name says so.\n".repeat(20));
    await expectRefusal(path, path);
  });

  test.skipIf(!isLinux)("a library that has nothing to do with MPI", () =>
    expectRefusal("libm.so.6", "libm.so.6 is no MPI library: it has no MPI_Init_thread"),
  );

  test.skipIf(!isLinux)("one for 32-bit programs", async () => {
    // A header is all that is read of it.
    const elf = new Uint8Array(4096);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    new DataView(elf.buffer).setUint16(16, 3, true); // a shared object
    new DataView(elf.buffer).setUint16(18, 3, true); // for i386
    new DataView(elf.buffer).setUint32(20, 1, true);
    const path = join(folder, "libmpi32.so");
    writeFileSync(path, elf);
    await expectRefusal(path, "ELFCLASS32");
  });

  const canHide =
    isLinux &&
    requires("root", process.getuid?.() === 0 && !!Bun.which("unshare"), "hiding a file takes root and unshare");
  test.skipIf(!canHide)(
    "none of the usual names",
    async () => {
      const hidden: string[] = [];
      let found = await describeWith({});
      for (; found.mpi; found = await describeWith({}, hidden)) {
        const file = realpathSync(found.mpi.library);
        expect(hidden).not.toContain(file);
        hidden.push(file);
      }
      expect(found.code).toBe("MPI_UNAVAILABLE");
      expect(found.reason).toStartWith("no MPI library can be opened: ");
      for (const name of ["libmpi_abi.so.1", "libmpi.so.40", "libmpich.so.12", "libmpi.so.12"]) {
        expect(found.reason).toContain(name);
      }
      expect(found.remedy).toContain("apt install openmpi-bin");
      const started = await describeWith({ PMI_SIZE: "2", PMI_RANK: "0" }, hidden);
      expect(started.reason).toStartWith("no MPI library for a launcher of MPICH's kind can be opened: ");
    },
    PATIENT,
  );

  describe.skipIf(!hasZig || !isLinux)("a library that", () => {
    test(
      "is of MPI 2",
      async () => {
        const path = libraryOf(folder, "old.so", [
          "int MPI_Init_thread(void) { return 0; }",
          "int MPI_Abort(void) { return 0; }",
        ]);
        await expectRefusal(path, "lacks MPI_Allgather: a library of MPI 3 or later is needed");
      },
      PATIENT,
    );

    test(
      "does not tell its version",
      async () => {
        const silent = emptyMpi("").filter((line) => !line.includes("MPI_Get_version"));
        const path = libraryOf(folder, "silent.so", [...silent, "int MPI_Get_version(void) { return 16; }"]);
        await expectRefusal(path, "does not tell its version");
      },
      PATIENT,
    );

    test(
      "is of an unknown kind",
      async () => {
        const path = libraryOf(folder, "nameless.so", emptyMpi("Nameless MPI 1.0, of 2026"));
        await expectRefusal(path, 'is of a kind that lava-flow does not know: "Nameless MPI 1.0, of 2026"');
      },
      PATIENT,
    );

    test(
      "is called Open MPI and has none of its symbols",
      async () => {
        const path = libraryOf(folder, "hollow.so", emptyMpi("Open MPI v4.1.4", "char ompi_mpi_comm_world[512];"));
        await expectRefusal(path, "lacks ompi_mpi_comm_self");
      },
      PATIENT,
    );

    test(
      "has a later ABI than MPI 5.0's",
      async () => {
        await expectRefusal(
          libraryOf(folder, "later.so", emptyMpi("MPICH Version: 9.0", abi(2))),
          "version 2 of MPI's ABI",
        );
      },
      PATIENT,
    );

    test(
      "has the ABI of a draft",
      async () => {
        const path = libraryOf(folder, "libmpi_abi_draft.so", emptyMpi("MPICH Version: 4.3.0", abi(-1)));
        await expectRefusal(path, "has the ABI of a draft of MPI 5: name the library of MPICH itself");
      },
      PATIENT,
    );

    test(
      "follows MPI 5.0's ABI is loaded, from any vendor",
      async () => {
        const path = libraryOf(folder, "newcomer.so", emptyMpi("Newcomer", abi(1)));
        const { mpi, kind } = await describeWith({ LAVA_FLOW_MPI: path });
        expect({ mpi, kind }).toEqual({ mpi: { implementation: "Newcomer", version: "", library: path }, kind: 0 });
      },
      PATIENT,
    );
  });
});

/** What the kinds are, with a launcher for each: lf_mpi_info.kind, and how it calls itself. */
const KINDS = {
  openmpi: { kind: 1, implementation: "Open MPI", names: ["libmpi.so.40"], started: { OMPI_COMM_WORLD_SIZE: "2" } },
  mpich: {
    kind: 2,
    implementation: "MPICH",
    names: ["libmpich.so.12", "libmpi.so.12"],
    started: { PMI_SIZE: "2", PMI_RANK: "0" },
  },
};

for (const { launcher, here } of LAUNCHERS) {
  const { kind, implementation, names, started } = KINDS[launcher.name];
  describe.skipIf(!here || !isLinux)(implementation, () => {
    test(
      "is the one for a process that its launcher started",
      async () => {
        const { mpi, kind: found, missing } = await describeWith(started);
        expect({ found, missing }).toEqual({ found: kind, missing: undefined });
        expect(mpi?.implementation).toBe(implementation);
        expect(mpi?.version).toMatch(/^\d+\.\d+/);
        expect(existsSync(mpi?.library ?? "")).toBe(true);
        expect(names.some((name) => mpi?.library.endsWith(`/${name}`))).toBe(true);
      },
      PATIENT,
    );

    test(
      "can be named for any launcher",
      async () => {
        const file = (await describeWith(started)).mpi?.library as string;
        const other = Object.values(KINDS).find((each) => each.kind !== kind);
        const { mpi } = await describeWith({ ...other?.started, LAVA_FLOW_MPI: file });
        expect(mpi).toMatchObject({ implementation, library: file });
      },
      PATIENT,
    );
  });
}

const adapted = hasZig && LAUNCHERS.some(({ launcher, here }) => here && launcher.name === "mpich");
test.skipIf(!adapted)(
  "the standard ABI goes before what else the library is",
  async () => {
    const { ok, output } = await build("test-support");
    if (!ok) throw new Error(output);
    const { mpi, kind } = await describeWith({ LAVA_FLOW_MPI: ADAPTER });
    expect({ kind, ...mpi }).toMatchObject({ kind: 0, implementation: "MPICH", library: ADAPTER });
  },
  PATIENT,
);
