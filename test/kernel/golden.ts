/** Compares texts with golden files. LAVA_FLOW_GOLDEN=write rewrites the files: review them before a commit. */
import { expect } from "bun:test";
import { join } from "node:path";

export async function expectGolden(name: string, text: string): Promise<void> {
  const file = Bun.file(join(import.meta.dir, "golden", name));
  if (process.env.LAVA_FLOW_GOLDEN === "write") await Bun.write(file, text);
  expect(text).toBe(await file.text());
}
