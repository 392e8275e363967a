/** Extensions of WGSL (`enable`): what a device has of them, and what of SPIR-V they need (section 3.31 of its specification). */
import type { GpuInfo, SubgroupOperation } from "../../gpu/device.ts";
import type { Directive } from "./declarations.ts";
import { Fault } from "./lexer.ts";

/** What a shader runs on, as errors call it, and what that has beside what all devices have. */
export interface Target {
  readonly name: string;
  readonly f16: boolean;
  readonly subgroups: readonly SubgroupOperation[];
  /** Whether subgroups have operations with f16. */
  readonly subgroupF16: boolean;
}

/** A device that has no extensions. */
export const PLAIN: Target = { name: "this device", f16: false, subgroups: [], subgroupF16: false };

export const targetOf = ({ index, name, shaderF16, subgroupOperations, subgroupF16 }: GpuInfo): Target => ({
  name: `GPU ${index} (${name})`,
  f16: shaderF16,
  subgroups: subgroupOperations,
  subgroupF16,
});

export type Extension = "f16" | "subgroups";

/** In place of a capability: subgroup operations with f16, which are a feature of Vulkan's and none of SPIR-V's. */
export const SUBGROUP_F16 = -1;
const SHADER = 1;
const FLOAT16 = 9;
/** Capabilities of subgroup operations; where each stands in a body, and the group that Vulkan counts it to. */
const SUBGROUPS: Record<number, { group: SubgroupOperation; names: RegExp }> = {
  61: { group: "basic", names: /^subgroup_(?:size|invocation_id)$/ },
  62: { group: "vote", names: /^subgroup(?:All|Any)$/ },
  63: {
    group: "arithmetic",
    names: /^subgroup(?:(?:In|Ex)clusive)?(?:Add|Mul)$|^subgroup(?:Min|Max|And|Or|Xor|Elect)$/,
  },
  64: { group: "ballot", names: /^subgroup(?:Ballot|BroadcastFirst)$/ },
  65: { group: "shuffle", names: /^subgroup(?:Shuffle|ShuffleXor|Broadcast)$/ },
  66: { group: "shuffle-relative", names: /^subgroupShuffle(?:Up|Down)$/ },
  68: { group: "quad", names: /^quad[A-Z]/ },
};
/** What else needs a capability, by the names that WGSL or naga has for it. */
const OTHERS: Record<number, RegExp> = {
  [FLOAT16]: /^(?:f16|(?:vec[234]|mat[234]x[234])h)$/,
  10: /^f64$/,
  11: /^[iu]64$/,
};

/** The capabilities that all devices have. */
export const ALWAYS: ReadonlySet<number> = new Set([SHADER]);

/** The capabilities that a part may need with what it has enabled. */
export function allowedBy(enabled: ReadonlySet<string>, { f16, subgroups, subgroupF16 }: Target): Set<number> {
  const capabilities = new Set(ALWAYS);
  if (f16 && enabled.has("f16")) capabilities.add(FLOAT16);
  for (const [capability, { group }] of Object.entries(SUBGROUPS)) {
    if (enabled.has("subgroups") && subgroups.includes(group)) capabilities.add(Number(capability));
  }
  if (subgroupF16) capabilities.add(SUBGROUP_F16);
  return capabilities;
}

/**
 * The extensions that a part enables. Fault for one that is not `offered` to such a part, or that `target` does not have.
 */
export function enabledBy(
  directives: readonly Directive[],
  offered: readonly Extension[],
  target: Target,
): Set<string> {
  const enabled = new Set<string>();
  for (const directive of directives) {
    for (const name of directive.kind === "enable" ? directive.names : []) {
      const fault = (what: string, remedy: string) =>
        new Fault(directive, `the extension ${name}, which ${what},`, undefined, remedy);
      if (!offered.some((each) => each === name))
        throw fault("can't be enabled here", `There can be: ${offered.join(", ")}`);
      if (name === "f16" ? !target.f16 : !target.subgroups.includes("basic"))
        throw fault(`${target.name} does not have`, "Do without it, or use another GPU");
      enabled.add(name);
    }
  }
  return enabled;
}

/** A capability that is not allowed, in words for who wrote the part, and the names there that need it. */
export function explainCapability(
  capability: number,
  enabled: ReadonlySet<string>,
  target: Target,
): { names: RegExp; what: string; remedy: string } {
  const elsewhere = "Do without them, or use another GPU";
  if (capability === SUBGROUP_F16) {
    const what = `it has subgroup operations with f16, which ${target.name} does not have`;
    return { names: /^(?:subgroup|quad)[A-Z]/, what, remedy: elsewhere };
  }
  const subgroup = SUBGROUPS[capability];
  if (!subgroup) {
    const what = `it needs the capability ${capability} of SPIR-V, which devices are not opened with`;
    const remedy = "Use the types i32, u32, f32 and bool, and the extensions f16 and subgroups";
    return { names: OTHERS[capability] ?? /^\b$/, what, remedy };
  }
  const { group, names } = subgroup;
  if (!enabled.has("subgroups"))
    return { names, what: "it has subgroup operations", remedy: "Write enable subgroups; in front of it" };
  const what = `it has subgroup operations of a kind, ${group}, that ${target.name} does not have`;
  return { names, what, remedy: elsewhere };
}
