// ───────────── four integers in a word ─────────────
//
// naga translates these built-in functions to instructions that need optional features of the device. These versions
// need none (WGSL, section 17.9 and 17.5.19). A body that names a built-in gets the function with the prefix lf_b_.

fn lf_b_pack4xU8(e: vec4<u32>) -> u32 {
  let b = e & vec4<u32>(0xffu);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}

fn lf_b_pack4xI8(e: vec4<i32>) -> u32 { return lf_b_pack4xU8(bitcast<vec4<u32>>(e)); }

fn lf_b_pack4xU8Clamp(e: vec4<u32>) -> u32 { return lf_b_pack4xU8(min(e, vec4<u32>(255u))); }

fn lf_b_pack4xI8Clamp(e: vec4<i32>) -> u32 { return lf_b_pack4xI8(clamp(e, vec4<i32>(-128), vec4<i32>(127))); }

fn lf_b_unpack4xU8(e: u32) -> vec4<u32> { return (vec4<u32>(e) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu); }

fn lf_b_unpack4xI8(e: u32) -> vec4<i32> {
  return bitcast<vec4<i32>>(vec4<u32>(e) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
}

fn lf_b_dot4U8Packed(a: u32, b: u32) -> u32 { return dot(lf_b_unpack4xU8(a), lf_b_unpack4xU8(b)); }

fn lf_b_dot4I8Packed(a: u32, b: u32) -> i32 { return dot(lf_b_unpack4xI8(a), lf_b_unpack4xI8(b)); }
