// ───────────── subgroups: replaces entry.wgsl for a body that enables them ─────────────

var<private> lf_subgroup_size: u32;
var<private> lf_subgroup_invocation_id: u32;

/// In WGSL, only entry points have these two values.
fn subgroup_size() -> u32 { return lf_subgroup_size; }
fn subgroup_invocation_id() -> u32 { return lf_subgroup_invocation_id; }

/// naga has no subgroupElect.
fn lf_b_subgroupElect() -> bool { return subgroupExclusiveAdd(1u) == 0u; }

@compute @workgroup_size(LF_WORKGROUP)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) id: u32) {
  lf_subgroup_size = size;
  lf_subgroup_invocation_id = id;
  lf_main(thread, group);
}
