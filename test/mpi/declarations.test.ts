/** The shim's own numbers and function types of MPI against the headers of Open MPI and of MPICH. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { compile, constants, hasZig, preprocess, SAME, SOURCE } from "../declarations.ts";
import { type Feature, requires } from "../requires.ts";

/** Debian's path of it; "" when it is not there. */
function headerOf(feature: Feature, path: string, packageName: string): string {
  const header = [...new Glob(path).scanSync({ cwd: "/usr", absolute: true })].sort()[0] ?? "";
  requires(feature, header !== "", `no /usr/${path} (${packageName})`);
  return header;
}

/** The official name, but of what is no constant of the standard. */
function official(prefix: string, count: string): (name: string) => string {
  const special: Record<string, string> = {
    STATUS_SOURCE: "offsetof(MPI_Status, MPI_SOURCE)",
    STATUS_TAG: "offsetof(MPI_Status, MPI_TAG)",
    STATUS_ERROR: "offsetof(MPI_Status, MPI_ERROR)",
    STATUS_COUNT: `offsetof(MPI_Status, ${count})`,
    STATUS_SIZE: "sizeof(MPI_Status)",
  };
  return (name) => special[name.slice(prefix.length)] ?? name.replace(prefix, "MPI_");
}

describe.skipIf(!hasZig)("declarations", () => {
  const openMpi = headerOf("openmpi", "lib/*/openmpi/include/mpi.h", "libopenmpi-dev");
  describe.skipIf(openMpi === "")("of Open MPI", () => {
    const start = [`#include "${openMpi}"\n#include <stddef.h>`, '#include "mpi/mpi_kinds.h"', SAME];
    const folders = [dirname(openMpi)];

    test("constants and MPI_Status", async () => {
      const prefix = "LF_OPEN_MPI_";
      const lines = [...start, ...constants("mpi/mpi_kinds.h", prefix, official(prefix, "_ucount"))];
      expect(await compile(lines, folders)).toBe("");
      // Proof that such a program finds what is wrong.
      const wrong = "SAME(LF_OPEN_MPI_ERR_TRUNCATE, MPI_ERR_OTHER);";
      expect(await compile([...lines, wrong], folders)).toContain("LF_OPEN_MPI_ERR_TRUNCATE");
    });

    test("what its handles point to", async () => {
      const source = readFileSync(join(SOURCE, "mpi/mpi.c"), "utf8");
      const handles = [...source.matchAll(/\{"(ompi_\w+)", &out->(\w+)\}/g)].map(([, symbol, field]) => ({
        symbol,
        name: `MPI_${(field as string).toUpperCase()}`,
      }));
      expect(handles.length).toBe(8);
      const text = await preprocess([...start, ...handles.map(({ name }, i) => `handle ${i}: ${name}`)], folders);
      const found = handles.map(({ name }, i) => ({
        symbol: new RegExp(`handle ${i}: .*\\b(ompi_\\w+)\\b(?!\\s*\\*)`).exec(text)?.[1],
        name,
      }));
      expect(found).toEqual(handles as typeof found);
    });
  });

  const mpich = headerOf("mpich", "include/*/mpich/mpi.h", "libmpich-dev");
  describe.skipIf(mpich === "")("of MPICH", () => {
    const folders = [dirname(mpich)];

    test("constants and MPI_Status", async () => {
      const prefix = "LF_MPICH_";
      const lines = [
        `#include "${mpich}"\n#include <stddef.h>`,
        '#include "mpi/mpi_kinds.h"',
        SAME,
        ...constants("mpi/mpi_kinds.h", prefix, official(prefix, "count_lo")),
        "SAME(offsetof(MPI_Status, count_hi_and_cancelled), LF_MPICH_STATUS_COUNT + 4);",
      ];
      expect(await compile(lines, folders)).toBe("");
      expect(await compile([...lines, "SAME(LF_MPICH_BAND, MPI_BOR);"], folders)).toContain("LF_MPICH_BAND");
    });

    // Its handles are ints. With those, the shim's types are those of the standard, but where they say "any".
    test("the functions", async () => {
      const names = [...readFileSync(join(SOURCE, "mpi/mpi.h"), "utf8").matchAll(/^ {2}F\((\w+),/gm)].map(
        ([, name]) => name as string,
      );
      expect(names.length).toBeGreaterThan(25);
      const any = ["Comm_create_keyval", "Get_count", "Test"];
      const lines = (handle: string) => [
        `#include "${mpich}"\n#include "${join(SOURCE, "mpi/mpi.h")}"`,
        handle,
        ...names.map((name) => `#define IS_ANY_${name} ${any.includes(name) ? 1 : 0}`),
        "#define SAME_TYPE(name, arguments) _Static_assert(IS_ANY_##name || __builtin_types_compatible_p(" +
          "int(*) arguments, __typeof__(&MPI_##name)), #name);",
        "LF_MPI_FUNCTIONS(SAME_TYPE)",
      ];
      expect(await compile(lines("#define lf_mpi_handle int\n#define lf_mpi_request int"), folders)).toBe("");
      expect(await compile(lines(""), folders)).toContain("Isend");
    });
  });
});
