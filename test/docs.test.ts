/** The documents link to headings and name files that exist. `bun run docs` checks the links of doc comments. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");
const DOCUMENTS = [...new Glob("*.md").scanSync(ROOT), ...new Glob("docs/**/*.md").scanSync(ROOT)].sort();

const textOf = (path: string) => readFileSync(join(ROOT, path), "utf8").replace(/^```[\s\S]*?^```$/gm, "");

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(path: string): string[] {
  const headings = [...textOf(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading as string);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** What is wrong with a document's relative links: one line for each. */
function broken(path: string): string[] {
  const links = [...textOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file, anchor] = link.split("#") as [string, string?];
    const target = file === "" ? path : relative(ROOT, join(ROOT, dirname(path), file));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchors(target).includes(anchor);
  });
}

test.each(DOCUMENTS)("%s links to files and headings that exist", (path) => {
  expect(broken(path)).toEqual([]);
});

const SOURCES = [...new Glob("{src,shim,scripts,test,bench,docs}/**/*.{ts,c,h,zig,md}").scanSync(ROOT)].map((path) =>
  path.replaceAll("\\", "/"),
);

/** A code span that is a source file: its whole path, or the end of it. */
const FILE = /`((?:[\w-]+\/)*[\w.-]+\.(?:ts|c|h|zig))`/g;

test.each(DOCUMENTS)("%s names source files that exist", (path) => {
  const named = [...textOf(path).matchAll(FILE)].map(([, file]) => file as string);
  expect(named.filter((file) => !SOURCES.some((source) => `/${source}`.endsWith(`/${file}`)))).toEqual([]);
});
