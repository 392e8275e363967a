/**
 * Makes the declarations of the package's public API, dist/*.d.ts, with the compiler. Users' projects are checked against
 * these, since the sources need this repository's compiler options.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import * as ast from "typescript/unstable/ast";
import { API, type Program } from "typescript/unstable/async";
import { type Product, upToDate, wasBuilt } from "./built.ts";
import { type Finished, ROOT, run } from "./run.ts";

/** The entries of package.json's `exports`. */
const ENTRIES = ["index.d.ts", "kernel/index.d.ts", "interop/index.d.ts"];

const CONFIG = "tsconfig.declarations.json";
const COMPILER = join(ROOT, "node_modules/typescript/bin/tsc");

const PRODUCT: Product = {
  name: "declarations",
  inputs: ["src/**/*.ts", "tsconfig*.json", "scripts/declarations.ts", "node_modules/typescript/package.json"],
  outputs: ["dist/**/*"],
};

/** Makes dist/, unless it is up to date. */
export async function buildDeclarations(): Promise<Finished> {
  if (upToDate(PRODUCT)) return { ok: true, output: "" };
  const made = await declarations(join(ROOT, "dist"));
  if (made.ok) wasBuilt(PRODUCT);
  return made;
}

/** Replaces `outDir`. Fails if a public signature names a type that no entry exports. */
export async function declarations(outDir: string): Promise<Finished> {
  const work = mkdtempSync(join(tmpdir(), "lava-flow-declarations-"));
  try {
    const emitted = await run([process.execPath, COMPILER, "-p", CONFIG, "--outDir", work]);
    if (!emitted.ok) return emitted;
    const files = await publicPart(work);
    const hidden = [...files].flatMap(([path, { unexported }]) => unexported.map((name) => `${path}: ${name}`));
    if (hidden.length > 0) {
      return { ok: false, output: `Named by a public signature, and exported by no entry:\n${hidden.join("\n")}\n` };
    }
    rmSync(outDir, { recursive: true, force: true });
    for (const [path, { text }] of files) {
      mkdirSync(dirname(join(outDir, path)), { recursive: true });
      writeFileSync(join(outDir, path), text);
    }
    return emitted;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Where a name of a file comes from: a statement of its own, or another file's name. */
interface Origin {
  statement: ast.Statement;
  from?: { path: string; name: string };
}

class Emitted {
  readonly path: string;
  readonly source: ast.SourceFile;
  /** A name can have several: an interface and a value, or an import and an export. */
  readonly origins = new Map<string, Origin[]>();
  /** Names whose declarations are kept. */
  readonly wanted = new Set<string>();

  constructor(path: string, source: ast.SourceFile) {
    this.path = path;
    this.source = source;
    for (const statement of source.statements) {
      for (const [name, from] of namesOf(path, statement)) {
        this.origins.set(name, [...(this.origins.get(name) ?? []), { statement, from }]);
      }
    }
  }
}

/** The statements that the entries' exports need, directly or not, in the files where they are. */
async function publicPart(folder: string): Promise<Map<string, { text: string; unexported: string[] }>> {
  const config = join(folder, "tsconfig.json");
  const compilerOptions = {
    noEmit: true,
    noCheck: true,
    types: [],
    module: "preserve",
    allowImportingTsExtensions: true,
  };
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ENTRIES }));
  const api = new API({ cwd: folder });
  try {
    const snapshot = await api.updateSnapshot({ openProjects: [config] });
    const program = snapshot.getProject(config)?.program;
    if (!program) throw new Error(`The compiler does not open ${config}`);
    return await prune(folder, program);
  } finally {
    await api.close();
  }
}

async function prune(folder: string, program: Program): Promise<Map<string, { text: string; unexported: string[] }>> {
  const files = new Map<string, Emitted>();
  const exported = new Set<string>();
  const open = async (path: string) => {
    const known = files.get(path);
    if (known) return known;
    const source = await program.getSourceFile(join(folder, path));
    if (!source) throw new Error(`The compiler did not emit ${path}`);
    const file = new Emitted(path, source);
    files.set(path, file);
    return file;
  };
  /** Follows a name to its declarations and keeps these, with all that they name. Null if there are none. */
  const want = async (path: string, name: string): Promise<string | null> => {
    const file = await open(path);
    const origins = file.origins.get(name);
    if (!origins) return null; // of the language, or a type parameter
    const known = file.wanted.has(name);
    file.wanted.add(name);
    const from = origins.find((origin) => origin.from)?.from;
    if (from) return want(from.path, from.name);
    for (const { statement } of known ? [] : origins) for (const used of usedBy(statement)) await want(path, used);
    return `${path}: ${name}`;
  };
  for (const entry of ENTRIES) {
    for (const name of (await open(entry)).origins.keys()) {
      const at = await want(entry, name);
      if (at === null) throw new Error(`${entry} exports ${name}, which is declared nowhere`);
      exported.add(at);
    }
  }
  const kept = [...files.values()].filter(({ wanted }) => wanted.size > 0);
  return new Map(
    kept.map((file) => {
      const own = [...file.wanted].filter((name) => !file.origins.get(name)?.some(({ from }) => from));
      const unexported = own.filter((name) => !exported.has(`${file.path}: ${name}`));
      return [file.path, { text: print(file), unexported }];
    }),
  );
}

/** The names that a statement gives its file, with the origin of each imported one. */
function namesOf(path: string, statement: ast.Statement): [string, Origin["from"]][] {
  const module = (node: ast.Node | undefined) => {
    if (!node || !ast.isStringLiteral(node)) throw new Error(`${path}: an export without the name of a file`);
    return posix.join(posix.dirname(path), node.text.replace(/\.ts$/, ".d.ts"));
  };
  if (ast.isImportDeclaration(statement)) {
    if (!statement.importClause) return []; // an import for its side effects: no declaration needs it
    const bindings = statement.importClause.namedBindings;
    if (!bindings || !ast.isNamedImports(bindings)) throw new Error(`${path}: an import of other things than names`);
    if (!(statement.moduleSpecifier as ast.StringLiteral).text.startsWith(".")) return [];
    return bindings.elements.map(({ name, propertyName }) => [
      name.text,
      { path: module(statement.moduleSpecifier), name: propertyName?.text ?? name.text },
    ]);
  }
  if (ast.isExportDeclaration(statement)) {
    const clause = statement.exportClause;
    if (!clause || !ast.isNamedExports(clause)) throw new Error(`${path}: an export of other things than names`);
    return clause.elements.map(({ name, propertyName }) => [
      name.text,
      { path: module(statement.moduleSpecifier), name: propertyName?.text ?? name.text },
    ]);
  }
  if (ast.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => [(name as ast.Identifier).text, undefined]);
  }
  const { name } = statement as ast.Statement & { name?: ast.Identifier };
  if (!name) throw new Error(`${path}: a statement without a name`);
  return [[name.text, undefined]];
}

/** All identifiers in a node except those of members and parameters. */
function usedBy(statement: ast.Node): Set<string> {
  const used = new Set<string>();
  const visit = (node: ast.Node): void => {
    if (ast.isIdentifier(node)) used.add(node.text);
    const { name } = node as ast.Node & { name?: ast.Node };
    node.forEachChild((child) => {
      if (child !== name || !ast.isIdentifier(child)) visit(child);
    });
  };
  visit(statement);
  return used;
}

function print({ source, origins, wanted }: Emitted): string {
  let text = "";
  for (const statement of source.statements) {
    const names = [...wanted].flatMap((name) => {
      const origin = origins.get(name)?.find((each) => each.statement === statement);
      if (!origin) return [];
      return !origin.from || origin.from.name === name ? name : `${origin.from.name} as ${name}`;
    });
    if (names.length === 0) continue;
    if (ast.isImportDeclaration(statement)) {
      text += `\nimport type { ${names.join(", ")} } from "${(statement.moduleSpecifier as ast.StringLiteral).text}";`;
    } else text += source.text.slice(statement.pos, statement.end);
  }
  // "nodenext" needs the names of modules at run time. The compiler leaves the names in declarations unchanged.
  text = `${text.trim().replace(/( from ")(\.[^"]+)\.ts"/g, '$1$2.js"')}\n`;
  // Projects with an older `lib` lack these types.
  const disposes = /\b(Async)?Disposable\b|\bSymbol\.(asyncD|d)ispose\b/.test(text);
  return disposes ? `/// <reference lib="esnext.disposable" />\n${text}` : text;
}

if (import.meta.main) {
  const { ok, output } = await buildDeclarations();
  if (output) console.error(output.trimEnd());
  process.exit(ok ? 0 : 1);
}
