/** Compares the shim's own declarations of an API with its official header, as a C compiler sees both. */
import { expect } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "./requires.ts";

export const SOURCE = join(import.meta.dir, "../shim/src");
const zig = join(import.meta.dir, "../node_modules/.bin/zig");
export const hasZig = requires("zig", existsSync(zig), "no zig in node_modules");

export const SAME = "#define SAME(a, b) _Static_assert((a) == (b), #a)";

/** The names that an enum of the shim's header gives to official numbers, but those for which `official` is null. */
export function constants(header: string, prefix: string, official: (name: string) => string | null): string[] {
  const text = readFileSync(join(SOURCE, header), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const names = [...text.matchAll(new RegExp(`\\b(${prefix}\\w+) = `, "g"))].map(([, name]) => name as string);
  expect(names.length).toBeGreaterThan(5);
  return names.flatMap((name) => {
    const other = official(name);
    return other === null ? [] : [`SAME(${name}, ${other});`];
  });
}

/** The compiler's errors; "" when it has none. */
export async function compile(lines: string[], include: string[]): Promise<string> {
  const ran = await zigCc(lines, include, ["-c", "-o", "compare.o"]);
  return ran.ok ? "" : ran.output || "zig cc failed and said nothing";
}

/** What the preprocessor makes of them. */
export async function preprocess(lines: string[], include: string[]): Promise<string> {
  const ran = await zigCc(lines, include, ["-E", "-P"]);
  if (!ran.ok) throw new Error(ran.output);
  return ran.output;
}

async function zigCc(lines: string[], include: string[], flags: string[]): Promise<{ ok: boolean; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "lf-declarations-"));
  try {
    await Bun.write(join(folder, "compare.c"), `${lines.join("\n")}\n`);
    const paths = [SOURCE, join(SOURCE, "../include"), ...include].map((path) => `-I${path}`);
    const ran = Bun.spawnSync([zig, "cc", "-std=gnu11", "-D_GNU_SOURCE", ...paths, "compare.c", ...flags], {
      cwd: folder,
      stderr: "pipe",
      env: { ...process.env, ZIG_LOCAL_CACHE_DIR: join(folder, "zig") },
    });
    return { ok: ran.exitCode === 0, output: (ran.exitCode === 0 ? ran.stdout : ran.stderr).toString() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
