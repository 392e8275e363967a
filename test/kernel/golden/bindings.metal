// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size1;
    uint size3;
    uint size4;
    uint size5;
};

struct type_1 {
    uint member;
    uint member_1;
};
typedef uint type_2[1];
struct type_3 {
    uint member;
    type_2 member_1;
};
struct type_4 {
    uint inner[64];
};
struct type_7 {
    type_2 member;
};
struct type_9 {
    type_1 member;
};
struct type_13 {
    uint member;
};
struct type_24 {
    metal::atomic_uint member;
    type_2 member_1;
};

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

uint function(
    uint param_2,
    uint param_3
) {
    return naga_mod(param_2, (param_3 == 0u) ? 1u : param_3);
}

void function_1(
    threadgroup type_4& global,
    device type_7 const& global_1,
    constant type_9& global_2,
    device type_7& global_3,
    device type_24& global_4,
    threadgroup metal::atomic_uint& global_6,
    device type_13& global_7,
    thread uint& global_8,
    thread metal::uint3& global_9,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e20 = global_8;
    metal::uint3 _e21 = global_9;
    if (_e20 == 0u) {
        global = type_4 {};
        metal::atomic_store_explicit(&global_6, uint {}, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint _e29 = function(_e20, 1 + (_buffer_sizes.size1 - 0 - 4) / 4);
    uint _e31 = global_1.member[_e29];
    global.inner[_e20] = _e31;
    uint _e33 = metal::atomic_fetch_add_explicit(&global_6, _e20, metal::memory_order_relaxed);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint _e36 = (_e21.x * 64u) + _e20;
    if (_e36 < (1 + (_buffer_sizes.size3 - 0 - 4) / 4)) {
        uint _e42 = global.inner[63u - _e20];
        uint _e44 = global_2.member.member;
        uint _e46 = global_2.member.member_1;
        uint _e49 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
        global_3.member[_e36] = (_e42 + (_e44 * _e46)) + _e49;
    }
    if (_e20 == 0u) {
        uint _e54 = metal::atomic_fetch_add_explicit(&global_4.member, 1u, metal::memory_order_relaxed);
        global_7.member = _e54 + (1 + (_buffer_sizes.size4 - 4 - 4) / 4);
        return;
    } else {
        return;
    }
    return;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(64)]] kernel void main_(
  uint param [[thread_index_in_threadgroup]]
, metal::uint3 param_1 [[threadgroup_position_in_grid]]
, device type_7 const& global_1 [[buffer(2)]]
, constant type_9& global_2 [[buffer(5)]]
, device type_7& global_3 [[buffer(0)]]
, device type_24& global_4 [[buffer(4)]]
, device type_13& global_7 [[buffer(1)]]
, constant _mslBufferSizes& _buffer_sizes [[buffer(6)]]
) {
    threadgroup type_4 global;
    threadgroup metal::atomic_uint global_6;
    uint global_8 = {};
    metal::uint3 global_9 = {};
    if (param == 0u) {
        global = {};
        metal::atomic_store_explicit(&global_6, 0, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global_8 = param;
    global_9 = param_1;
    function_1(global, global_1, global_2, global_3, global_4, global_6, global_7, global_8, global_9, _buffer_sizes);
}
