/** The words of docs/glossary.md: which words and phrases it replaced, and where a file uses them. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Glob } from "bun";
import ts from "typescript-5.9";

const ROOT = join(import.meta.dir, "..");

/**
 * A retired word and the term that replaces it. A word with spaces is a row of parts: "let go" is in `lf_let_go` and
 * `letGo`. In "text" a word is refused wherever it stands; in "names" only as a part of a name in code or of a file's
 * name, because it has an ordinary meaning too.
 */
export interface Retired {
  word: string;
  term: string;
  in: "text" | "names";
}

const text = (term: string, ...words: string[]): Retired[] => words.map((word) => ({ word, term, in: "text" }));
const names = (term: string, ...words: string[]): Retired[] => words.map((word) => ({ word, term, in: "names" }));

export const RETIRED: readonly Retired[] = [
  ...text("event", "bell", "bells"),
  ...names("poll, progress", "look", "looks", "looked"),
  ...text("notify", "stir", "stirs", "stirred"),
  ...text("idle strategy", "vigil", "vigils"),
  ...text("busy-poll", "busy turn", "busy turns"),
  ...text("work queue", "desk", "desks"),
  ...text("endpoint, tag, queue, subqueue", "lane", "lanes"),
  ...names("timeline value, fence value", "mark", "marks"),
  ...names("armed submission", "ahead"),
  ...names("pre-submission, trigger, release", "let go", "gate", "gates"),
  ...text("upload heap, readback heap", "inward", "outward"),
  ...names("BAR memory", "allocate window"),
  ...names("ready list", "board", "boards"),
  ...text("peer", "partner", "partners"),
  ...text("worker pool", "crew"),
  ...text("counts", "census"),
  ...names("realtime clock", "wall micros"),
  ...names("memory limit, bounce buffer, capacity, credits", "room", "rooms"),
  ...names("offset, slot, cell, index, runtime-directory id, host", "place", "places"),
  ...names("fragment", "piece", "pieces"),
  ...names("rendezvous", "bulk"),
  ...text("coalescing", "company"),
  ...text("registration cache", "known memory"),
  ...names("remote", "foreign"),
  ...names("acquire, release, pin, leaked", "pool take", "pool give", "pool keep", "pool escaped"),
  ...text("control channel, control connection", "mail"),
  ...names("batch", "letter", "letters"),
  ...names("dispatch", "hand out"),
  ...names("resolve", "seek", "seeks"),
  ...names("register", "settle", "settles"),
  ...names("owner, shard", "home", "homes"),
  ...text("candidates, peer table", "roster"),
  ...text("finalize", "parting"),
  ...text("liveness, keepalive", "silent peer"),
  ...text("listener, accept queue", "lobby", "door", "doors"),
  ...text("connect, handshake", "barred", "greet", "greets"),
  ...names("connect", "meet", "meets"),
  ...names("negotiated parameters", "terms"),
  ...text("requested", "wishes"),
  ...text("capabilities", "abilities"),
  ...names("path", "way"),
  ...text("sticky error", "trouble", "troubles"),
  ...text("delivery", "parcel", "parcels"),
  ...names("barrier flag", "beside"),
  ...names("neighbourhood", "grounds"),
  ...names("imported buffer", "from elsewhere"),
  ...text("caller, owner, peer", "somebody", "nobody", "whoever", "he", "him"),
];

/** Phrases that hide a number or a condition: the sentence says the number, or "while". They have no term. */
const PHRASES = ["so many", "so long as", "so often"];

/** Names of the system: environment variables, a constant. */
const KEPT = new Set(["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SEEK_SET"]);

/** Parts of names and words, lower case, one space between: `lf_letGo` -> "lf let go". */
function parts(source: string): string {
  return source
    .replace(/\n[ \t]*(?:\*|\/\/+|#)?/g, " ")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .replace(/[\s_-]+/g, " ")
    .toLowerCase();
}

function namesOfTypeScript(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("x.ts", source, ts.ScriptTarget.Latest));
  return found;
}

/** Of C and WGSL: what is left without comments and strings. */
function namesOfCode(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, " ");
  return code.match(/[A-Za-z_]\w*/g) ?? [];
}

/** Of prose: what stands between single backticks. */
const namesOfProse = (source: string): string[] => source.replace(/^```[\s\S]*?^```/gm, "").match(/`[^`\n]+`/g) ?? [];

function namesIn(path: string, source: string): string[] {
  const found = /\.(ts|js|mjs)$/.test(path)
    ? namesOfTypeScript(source)
    : /\.(md|html)$/.test(path)
      ? namesOfProse(source)
      : namesOfCode(source);
  return [basename(path), ...found].filter((name) => !KEPT.has(name));
}

const pattern = (words: string[]) => new RegExp(`(?<![a-z0-9])(?:${words.join("|")})(?![a-z0-9])`, "g");
const IN_TEXT = pattern([...RETIRED.filter((each) => each.in === "text").map(({ word }) => word), ...PHRASES]);
const IN_NAMES = pattern(RETIRED.filter((each) => each.in === "names").map(({ word }) => word));

/** The retired words of a file, each once per use. */
export function retiredIn(path: string, source: string): string[] {
  const all = parts(`${basename(path)}\n${source}`);
  const found: string[] = all.match(IN_TEXT) ?? [];
  // Most files have none of the others even as an ordinary word: they are not parsed.
  if (!all.match(IN_NAMES)) return found;
  return found.concat(namesIn(path, source).map(parts).join("\n").match(IN_NAMES) ?? []);
}

const SOURCES = [
  "{src,test,bench,scripts,shim,docs}/**/*.{ts,js,mjs,c,h,wgsl,md,html,zig}",
  "{README,CONTRIBUTING,SECURITY,CHANGELOG}.md",
];
/** Made from others, or about these words. */
const LEFT_OUT = /(^|\/)(node_modules|zig-out|\.zig-cache|\.cache)\/|^docs\/api\/|^test\/words\.(test\.)?ts$/;

/** The files that are looked at, relative to the repository, with forward slashes. */
export function files(): string[] {
  return SOURCES.flatMap((each) => [...new Glob(each).scanSync(ROOT)])
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => !LEFT_OUT.test(path))
    .sort();
}

/** "folder: word" -> the files, for each retired word that is used. A folder is the first two parts of a path. */
export function uses(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of files()) {
    const folder = path.split("/").slice(0, -1).slice(0, 2).join("/") || path;
    for (const word of new Set(retiredIn(path, readFileSync(join(ROOT, path), "utf8")))) {
      const key = `${folder}: ${word}`;
      found.set(key, [...(found.get(key) ?? []), path]);
    }
  }
  return found;
}
