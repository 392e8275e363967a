// ───────────── atomic operations on words of the state ─────────────
//
// Only in shaders whose body names one of these. Each returns the word's value before the operation. Beyond the state's
// end they return 0 and change nothing.

/// The memory of lf_store, as atomics: spirv/atomics.ts makes one variable of the two.
@group(0) @binding(4) var<storage, read_write> lf_atomics: array<atomic<u32>>;

fn state_atomic_load(i: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicLoad(&lf_atomics[lf_kernel.state + i]);
}

fn state_atomic_store(i: u32, value: u32) {
  if (i < lf_kernel.state_words) { atomicStore(&lf_atomics[lf_kernel.state + i], value); }
}

fn state_atomic_add(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicAdd(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_sub(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicSub(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_max(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicMax(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_min(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicMin(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_and(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicAnd(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_or(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicOr(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_xor(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicXor(&lf_atomics[lf_kernel.state + i], value);
}

fn state_atomic_exchange(i: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  return atomicExchange(&lf_atomics[lf_kernel.state + i], value);
}

/// Writes `value` if the word is `expected`; returns the word's value before. WGSL's exchange may fail although the
/// word is `expected`: the loop tries it again.
fn state_atomic_compare_exchange(i: u32, expected: u32, value: u32) -> u32 {
  if (i >= lf_kernel.state_words) { return 0u; }
  var before = expected;
  var is_over = false;
  while (!is_over) {
    let tried = atomicCompareExchangeWeak(&lf_atomics[lf_kernel.state + i], expected, value);
    before = tried.old_value;
    is_over = tried.exchanged || before != expected;
  }
  return before;
}

// ───────────── the same for i32 ─────────────

fn state_atomic_load_i32(i: u32) -> i32 { return bitcast<i32>(state_atomic_load(i)); }

fn state_atomic_store_i32(i: u32, value: i32) { state_atomic_store(i, bitcast<u32>(value)); }

fn state_atomic_add_i32(i: u32, value: i32) -> i32 { return bitcast<i32>(state_atomic_add(i, bitcast<u32>(value))); }

fn state_atomic_sub_i32(i: u32, value: i32) -> i32 { return bitcast<i32>(state_atomic_sub(i, bitcast<u32>(value))); }

fn state_atomic_exchange_i32(i: u32, value: i32) -> i32 {
  return bitcast<i32>(state_atomic_exchange(i, bitcast<u32>(value)));
}

fn state_atomic_compare_exchange_i32(i: u32, expected: i32, value: i32) -> i32 {
  return bitcast<i32>(state_atomic_compare_exchange(i, bitcast<u32>(expected), bitcast<u32>(value)));
}

/// atomicMax and atomicMin would compare the words as u32, their type in the shader.
fn state_atomic_max_i32(i: u32, value: i32) -> i32 {
  var before = state_atomic_load(i);
  while (bitcast<i32>(before) < value) {
    let found = state_atomic_compare_exchange(i, before, bitcast<u32>(value));
    if (found == before) { break; }
    before = found;
  }
  return bitcast<i32>(before);
}

fn state_atomic_min_i32(i: u32, value: i32) -> i32 {
  var before = state_atomic_load(i);
  while (bitcast<i32>(before) > value) {
    let found = state_atomic_compare_exchange(i, before, bitcast<u32>(value));
    if (found == before) { break; }
    before = found;
  }
  return bitcast<i32>(before);
}
