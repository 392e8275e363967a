/** Extensions of WGSL (`enable`): which a device has, and which SPIR-V capabilities they need (section 3.31 there). */
import type { GpuInfo, SubgroupOperation } from "../../gpu/device.ts";
import type { Directive } from "./declarations.ts";
import { Fault } from "./lexer.ts";

/** The optional features of the device that a shader is translated for. */
export interface Target {
  /** The device's name in errors. */
  readonly name: string;
  readonly f16: boolean;
  readonly subgroups: readonly SubgroupOperation[];
  /** Whether subgroups have operations with f16. */
  readonly subgroupF16: boolean;
}

/** A device without optional features. */
export const PLAIN: Target = { name: "this device", f16: false, subgroups: [], subgroupF16: false };

export const targetOf = ({ index, name, shaderF16, subgroupOperations, subgroupF16 }: GpuInfo): Target => ({
  name: `GPU ${index} (${name})`,
  f16: shaderF16,
  subgroups: subgroupOperations,
  subgroupF16,
});

export type Extension = "f16" | "subgroups";

/** Stands for subgroup operations with f16, which are a feature of Vulkan and no capability of SPIR-V. */
export const SUBGROUP_F16 = -1;
const SHADER = 1;
const FLOAT16 = 9;
/** Capabilities of subgroup operations: Vulkan's group of each, and the names in WGSL that need it. */
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
/** Names in WGSL, or in naga's WGSL, that need other capabilities. */
const OTHERS: Record<number, RegExp> = {
  [FLOAT16]: /^(?:f16|(?:vec[234]|mat[234]x[234])h)$/,
  10: /^f64$/,
  11: /^[iu]64$/,
};

/** The capabilities of all devices. */
export const ALWAYS: ReadonlySet<number> = new Set([SHADER]);

/** The capabilities that a part with the extensions `enabled` may use. */
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
 * The extensions that a part enables. Throws Fault for an extension that is not `offered`, or that `target` does not
 * have.
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

/** The error text and the remedy for a capability that is not allowed, and the names in the part that need it. */
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
    const what = `it needs the capability ${capability} of SPIR-V, which is not enabled on devices`;
    const remedy = "Use the types i32, u32, f32 and bool, and the extensions f16 and subgroups";
    return { names: OTHERS[capability] ?? /^\b$/, what, remedy };
  }
  const { group, names } = subgroup;
  if (!enabled.has("subgroups"))
    return { names, what: "it has subgroup operations", remedy: "Write enable subgroups; in front of it" };
  const what = `it has subgroup operations of a kind, ${group}, that ${target.name} does not have`;
  return { names, what, remedy: elsewhere };
}
