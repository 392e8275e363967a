/** Records the hashes of a product's inputs and outputs, so that a product that is up to date is not built again. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./run.ts";

/** One hash of all files that the globs match, by name and content; paths are relative to the repository. */
function hashOf(globs: string[]): string {
  const hash = new Bun.CryptoHasher("sha256");
  const paths = new Set(globs.flatMap((glob) => [...new Bun.Glob(glob).scanSync({ cwd: ROOT, dot: false })]));
  for (const path of [...paths].sort()) {
    hash.update(`${path}\0`);
    hash.update(readFileSync(join(ROOT, path)));
  }
  return hash.digest("hex");
}

export interface Product {
  name: string;
  /** Globs. */
  inputs: string[];
  /** Globs too; at least one file has to match each of them. */
  outputs: string[];
}

const recordOf = ({ name }: Product) => join(ROOT, ".cache/built", name);

const stateOf = ({ inputs, outputs }: Product) => `${hashOf(inputs)} ${hashOf(outputs)}\n`;

/** Whether inputs and outputs of the product have the recorded hashes. */
export function upToDate(product: Product): boolean {
  const record = recordOf(product);
  return existsSync(record) && readFileSync(record, "utf8") === stateOf(product);
}

/** Records the hashes of a product that was just built. */
export function wasBuilt(product: Product): void {
  const record = recordOf(product);
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, stateOf(product));
}
