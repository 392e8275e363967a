/** MPI libraries that tests make: shared libraries with the functions that the shim looks for. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../scripts/run.ts";

export const zig = join(ROOT, "node_modules/.bin/zig");

/** Builds a shared library of these lines of C in a folder: its path. */
export function libraryOf(folder: string, name: string, lines: string[]): string {
  const path = join(folder, name);
  const source = `${path}.c`;
  writeFileSync(source, `${lines.join("\n")}\n`);
  const ran = Bun.spawnSync([zig, "cc", "-shared", "-fPIC", source, "-o", path], {
    env: { ...process.env, ZIG_LOCAL_CACHE_DIR: join(folder, "zig") },
  });
  if (ran.exitCode !== 0) throw new Error(ran.stderr.toString());
  return path;
}

const FUNCTIONS = [...readFileSync(join(ROOT, "shim/src/mpi/mpi.h"), "utf8").matchAll(/^ {2}F\((\w+),/gm)].map(
  ([, name]) => `MPI_${name}`,
);

/** All the functions that the shim needs, none of which does anything but those in `more`; it calls itself `says`. */
export function emptyMpi(says: string, ...more: string[]): string[] {
  const telling = [
    "MPI_Get_library_version",
    "MPI_Get_version",
    ...more.map((line) => /int (MPI_\w+)/.exec(line)?.[1]),
  ];
  return [
    "#include <string.h>",
    ...FUNCTIONS.filter((name) => !telling.includes(name)).map((name) => `int ${name}(void) { return 0; }`),
    `int MPI_Get_library_version(char *to, int *n) { strcpy(to, "${says}"); *n = ${says.length}; return 0; }`,
    "int MPI_Get_version(int *version, int *minor) { *version = 3; *minor = 1; return 0; }",
    ...more,
  ];
}
