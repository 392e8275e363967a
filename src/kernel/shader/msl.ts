/**
 * The Metal Shading Language of a translated shader. naga expects a map of resources, which naga-wasm can't give it:
 * here the binding of each resource is set in naga's text. Variables are recognized by the names that naga gives them.
 */
import { LavaFlowError } from "../../errors.ts";
import type { ComputeModule } from "./module.ts";
import { spirvToMsl } from "./shader.ts";

export interface Msl {
  /** With the compute function `main_`. */
  source: string;
  /** Bindings of the buffers whose sizes in bytes the shader reads, in the order of the words with the sizes. */
  sized: number[];
}

/** Numbers of the SPIR-V specification: instructions, a decoration and storage classes. */
const OP = { name: 5, memberName: 6, function: 54, variable: 59, decorate: 71 };
const BINDING = 33;
const CLASS = { workgroup: 4, pushConstant: 9, storageBuffer: 12 };
const HEADER_WORDS = 5;

interface Variable {
  storage: number;
  binding: number;
}

/**
 * Storage buffers get the index of their binding, push constants the index after them, and the sizes of the buffers the
 * index after that. Workgroup memory becomes a variable of the function: as an argument, which naga makes of it, the
 * host would have to set its length. Rejects with SHADER_INVALID where naga can't translate the module.
 */
export async function toMsl({ name, spirv, buffers, pushWords }: ComputeModule): Promise<Msl> {
  const { words, variables } = withoutNames(spirv);
  const raw = await spirvToMsl(words, name);
  const parts = /^([\s\S]*?kernel void main_\(\n)([\s\S]*?)(\n\) \{\n)([\s\S]*)$/.exec(raw);
  if (!parts) throw strange(name, "it has no kernel main_");
  const [, before, list, brace, body] = parts as unknown as [string, string, string, string, string];
  const sizesAt = buffers + (pushWords > 0 ? 1 : 0);
  const kept: string[] = [];
  const own: string[] = [];
  for (const line of list.split("\n")) {
    const parameter = line.replace(/^[,\s]+/, "");
    const called = /&\s*(\w+)/.exec(parameter)?.[1];
    if (called === undefined) kept.push(parameter);
    else if (called === "_buffer_sizes") kept.push(at(parameter, sizesAt));
    else {
      const variable = variables[variableIndex(called)];
      if (variable?.storage === CLASS.storageBuffer) kept.push(at(parameter, variable.binding));
      else if (variable?.storage === CLASS.pushConstant) kept.push(at(parameter, buffers));
      else if (variable?.storage === CLASS.workgroup) own.push(`    ${parameter.replace("&", "")};\n`);
      else throw strange(name, `an argument ${JSON.stringify(parameter)}`);
    }
  }
  const sizes = /struct _mslBufferSizes \{\n([^}]*)\}/.exec(before)?.[1] ?? "";
  const sized = [...sizes.matchAll(/uint size(\d+);/g)].map(([, index]) => variables[Number(index)]?.binding ?? -1);
  const source = `${before}  ${kept.join("\n, ")}${brace}${own.join("")}${body}`;
  if (sized.includes(-1) || source.includes("user(fake")) throw strange(name, "a resource without a binding");
  return { source, sized };
}

/** The index of a variable: naga names variables that have no name `global`, `global_1` and so on, in their order. */
function variableIndex(called: string): number {
  return called === "global" ? 0 : Number(/^global_(\d+)$/.exec(called)?.[1] ?? -1);
}

function at(parameter: string, index: number): string {
  return parameter.replace("[[user(fake0)]]", `[[buffer(${index})]]`);
}

function strange(name: string, what: string): LavaFlowError {
  return new LavaFlowError("SHADER_INVALID", `the MSL of ${name} can't be used: ${what}`);
}

/** The module without its names, and its module variables in their order. */
function withoutNames(spirv: Uint32Array<ArrayBuffer>): { words: Uint32Array<ArrayBuffer>; variables: Variable[] } {
  const words = new Uint32Array(spirv.length);
  words.set(spirv.subarray(0, HEADER_WORDS));
  const bindings = new Map<number, number>();
  const variables: Variable[] = [];
  let length = HEADER_WORDS;
  let inFunction = false;
  for (let from = HEADER_WORDS; from < spirv.length; ) {
    const first = spirv[from] as number;
    const [op, count] = [first & 0xffff, Math.max(1, first >>> 16)];
    const instruction = spirv.subarray(from, from + count);
    from += count;
    if (op === OP.name || op === OP.memberName) continue;
    words.set(instruction, length);
    length += instruction.length;
    const [, second = 0, third = 0, fourth = 0] = instruction;
    inFunction ||= op === OP.function;
    if (op === OP.decorate && third === BINDING) bindings.set(second, fourth);
    if (op === OP.variable && !inFunction) variables.push({ storage: fourth, binding: bindings.get(third) ?? -1 });
  }
  return { words: words.slice(0, length), variables };
}
