// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size1;
    uint size3;
    uint size8;
    uint size10;
};

struct type_2 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
    metal::uint2 member_6;
};
struct type_3 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
    uint member_6;
    uint member_7;
    uint member_8;
    uint member_9;
    uint member_10;
    uint member_11;
    uint member_12;
    uint member_13;
};
typedef uint type_4[1];
struct type_5 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
    uint member_6;
    uint member_7;
    uint member_8;
    uint member_9;
    uint member_10;
    uint member_11;
};
struct type_7 {
    uint member;
    bool member_1;
    char _pad2[3];
};
struct type_8 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
    uint member_6;
    uint member_7;
    uint member_8;
    uint member_9;
    uint member_10;
};
struct type_9 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
};
struct type_11 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
    uint member_5;
    uint member_6;
    uint member_7;
    uint member_8;
    uint member_9;
    uint member_10;
    uint member_11;
    metal::uint2 member_12;
    uint member_13;
    uint member_14;
};
struct type_14 {
    type_4 member;
};
struct type_20 {
    type_9 member;
};
struct _atomic_compare_exchange_result_Uint_4_ {
    uint old_value;
    bool exchanged;
    char _pad2[3];
};
typedef metal::atomic_uint type_39[1];
struct type_40 {
    type_39 member;
};

template <typename A>
_atomic_compare_exchange_result_Uint_4_ naga_atomic_compare_exchange_weak_explicit(
    device A *atomic_ptr,
    uint cmp,
    uint v
) {
    bool swapped = metal::atomic_compare_exchange_weak_explicit(
        atomic_ptr, &cmp, v,
        metal::memory_order_relaxed, metal::memory_order_relaxed
    );
    return _atomic_compare_exchange_result_Uint_4_{cmp, swapped};
}
template <typename A>
_atomic_compare_exchange_result_Uint_4_ naga_atomic_compare_exchange_weak_explicit(
    threadgroup A *atomic_ptr,
    uint cmp,
    uint v
) {
    bool swapped = metal::atomic_compare_exchange_weak_explicit(
        atomic_ptr, &cmp, v,
        metal::memory_order_relaxed, metal::memory_order_relaxed
    );
    return _atomic_compare_exchange_result_Uint_4_{cmp, swapped};
}

void function(
    uint param_2,
    uint param_3,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global.member_3;
    if (param_2 < _e136) {
        uint _e139 = global.member_2;
        global_1.member[_e139 + param_2] = param_3;
        return;
    } else {
        return;
    }
    return;
}

uint function_1(
    uint param_4,
    thread type_3& global,
    device type_14 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e135 = global.member_3;
    if (param_4 >= _e135) {
        return 0u;
    }
    uint _e138 = global.member_2;
    uint _e141 = global_1.member[_e138 + param_4];
    return _e141;
}

uint function_2(
    uint param_5,
    uint param_6,
    device type_14 const& global_1,
    device type_14 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_5 == 0u) {
        uint _e138 = global_3.member[param_6];
        return _e138;
    }
    uint _e140 = global_1.member[param_6];
    return _e140;
}

uint naga_div(uint lhs, uint rhs) {
    return lhs / metal::select(rhs, 1u, rhs == 0u);
}

uint function_3(
    uint param_7,
    uint param_8
) {
    return naga_div(param_7, (param_8 == 0u) ? 1u : param_8);
}

uint function_4(
    uint param_9,
    device type_14 const& global_1,
    thread type_5& global_2,
    device type_14 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global_2.member_6;
    uint _e138 = function_3(_e136 + 3u, 4u);
    if (param_9 >= _e138) {
        return 0u;
    }
    uint _e141 = global_2.member_4;
    uint _e143 = global_2.member_5;
    uint _e146 = function_2(_e141, (_e143 + 64u) + param_9, global_1, global_3, _buffer_sizes);
    return _e146;
}

void function_5(
    uint param_10,
    uint param_11,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global.member_5;
    if (param_10 < _e136) {
        uint _e139 = global.member_9;
        global_1.member[_e139 + param_10] = param_11;
        return;
    } else {
        return;
    }
    return;
}

void function_6(
    uint param_12,
    thread type_3& global,
    threadgroup uint& global_4
) {
    uint _e133 = global_4;
    if (_e133 == 0u) {
        uint _e136 = global.member_4;
        global_4 = metal::min(param_12, _e136) + 1u;
        return;
    } else {
        return;
    }
    return;
}

uint function_7(
    uint param_13,
    thread type_3& global
) {
    uint _e134 = global.member_7;
    uint _e136 = global.member_8;
    uint _e139 = global.member_6;
    return _e134 + ((param_13 & _e136) * _e139);
}

uint function_8(
    thread type_3& global,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7
) {
    uint local = uint {};
    bool local_1 = false;
    metal::uint2 local_2 = metal::uint2(4294967295u, 4294967295u);
    uint _e138 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    local = _e138;
    uint2 loop_bound = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound == uint2(0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        metal::uint2 _e139 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e139)) {
            break;
        }
        global_5 = _e139 - metal::uint2((_e139.y == 0u) ? 1u : 0u, 1u);
        bool _e147 = local_1;
        if (!(_e147)) {
        } else {
            break;
        }
        uint _e149 = global_7;
        uint _e150 = local;
        if (as_type<int>(_e149 - _e150) <= 1) {
            break;
        }
        uint _e154 = local;
        uint _e155 = local;
        _atomic_compare_exchange_result_Uint_4_ _e157 = naga_atomic_compare_exchange_weak_explicit(&global_6, _e154, _e155 + 1u);
        type_7 _e160 = type_7 {_e157.old_value, _e157.old_value == _e154};
        local_1 = _e160.member_1;
        bool _e162 = local_1;
        if (!(_e162)) {
            local = _e160.member;
        }
        continue;
    }
    uint _e165 = local;
    uint _e166 = function_7(_e165, global);
    bool _e167 = local_1;
    return _e167 ? _e166 : 0u;
}

uint function_9(
    uint param_14,
    uint param_15,
    uint param_16,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    device type_40& global_8,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_3 = uint {};
    bool local_4 = false;
    bool local_5 = bool {};
    metal::uint2 local_6 = metal::uint2(4294967295u, 4294967295u);
    uint _e147 = global_3.member[param_14 + 37u];
    if (_e147 < param_16) {
        return 0u;
    }
    uint _e151 = global_3.member[param_14 + 52u];
    uint _e154 = metal::atomic_load_explicit(&global_8.member[param_15 + 1u], metal::memory_order_relaxed);
    uint _e157 = metal::atomic_load_explicit(&global_8.member[param_15 + 0u], metal::memory_order_relaxed);
    local_3 = _e157;
    uint2 loop_bound_1 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        metal::uint2 _e158 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e158)) {
            break;
        }
        global_5 = _e158 - metal::uint2((_e158.y == 0u) ? 1u : 0u, 1u);
        bool _e166 = local_4;
        if (!(_e166)) {
            uint _e168 = local_3;
            local_5 = (_e168 - _e154) < _e151;
        } else {
            local_5 = false;
        }
        bool _e171 = local_5;
        if (_e171) {
        } else {
            break;
        }
        uint _e173 = local_3;
        uint _e174 = local_3;
        _atomic_compare_exchange_result_Uint_4_ _e177 = naga_atomic_compare_exchange_weak_explicit(&global_8.member[param_15 + 0u], _e173, _e174 + 1u);
        type_7 _e180 = type_7 {_e177.old_value, _e177.old_value == _e173};
        local_4 = _e180.member_1;
        bool _e182 = local_4;
        if (!(_e182)) {
            local_3 = _e180.member;
        }
        continue;
    }
    bool _e185 = local_4;
    if (!(_e185)) {
        uint _e189 = metal::atomic_fetch_add_explicit(&global_8.member[param_15 + 7u], 1u, metal::memory_order_relaxed);
        return 0u;
    }
    uint _e192 = global_3.member[param_14 + 48u];
    uint _e193 = local_3;
    uint _e198 = global_3.member[param_14 + 38u];
    return _e192 + ((_e193 & (_e151 - 1u)) * _e198);
}

void function_10(
    uint param_17,
    uint param_18,
    uint param_19,
    device type_14& global_1,
    device type_14& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_17 == 1u) {
        global_10.member[param_18] = param_19;
        return;
    } else {
        global_1.member[param_18] = param_19;
        return;
    }
    return;
}

uint function_11(
    uint param_20,
    uint param_21,
    uint param_22
) {
    bool local_7 = bool {};
    uint _e138 = (param_22 & 3u) * 8u;
    uint _e139 = function_3(param_22, 4u);
    if (param_21 == _e139) {
        local_7 = _e138 != 0u;
    } else {
        local_7 = false;
    }
    bool _e142 = local_7;
    if (_e142) {
        return param_20 & ((1u << as_type<uint>(_e138)) - 1u);
    }
    return param_20;
}

void function_12(
    uint param_23,
    uint param_24,
    uint param_25,
    uint param_26,
    uint param_27,
    device type_14& global_1,
    device type_14& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    if ((param_25 * 4u) < param_26) {
        uint _e144 = global_1.member[param_27 + param_25];
        uint _e145 = function_11(_e144, param_25, param_26);
        function_10(param_23, param_24 + param_25, _e145, global_1, global_10, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

void function_13(
    uint param_28,
    uint param_29,
    uint param_30,
    uint param_31,
    uint param_32,
    uint param_33,
    device type_14& global_1,
    thread metal::uint2& global_5,
    device type_14& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_8 = uint {};
    metal::uint2 local_9 = metal::uint2(4294967295u, 4294967295u);
    local_8 = param_30;
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init) {
            uint _e164 = local_8;
            local_8 = _e164 + (4u * param_31);
        }
        loop_init = false;
        metal::uint2 _e144 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e144)) {
            break;
        }
        global_5 = _e144 - metal::uint2((_e144.y == 0u) ? 1u : 0u, 1u);
        uint _e152 = local_8;
        if ((_e152 * 4u) < param_32) {
        } else {
            break;
        }
        uint _e155 = local_8;
        function_12(param_28, param_29, _e155, param_32, param_33, global_1, global_10, _buffer_sizes);
        uint _e156 = local_8;
        function_12(param_28, param_29, _e156 + param_31, param_32, param_33, global_1, global_10, _buffer_sizes);
        uint _e158 = local_8;
        function_12(param_28, param_29, _e158 + (2u * param_31), param_32, param_33, global_1, global_10, _buffer_sizes);
        uint _e161 = local_8;
        function_12(param_28, param_29, _e161 + (3u * param_31), param_32, param_33, global_1, global_10, _buffer_sizes);
        continue;
    }
    return;
}

void function_14(
    uint param_34,
    uint param_35,
    type_8 param_36,
    metal::uint2 param_37,
    thread type_3& global,
    device type_14& global_1,
    device type_14& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_10(param_34, param_35 + 0u, 1262834254u, global_1, global_10, _buffer_sizes);
    function_10(param_34, (param_35 + 0u) + 1u, 1380535879u, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 2u, 1u, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 3u, param_36.member, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 4u, param_36.member_1, global_1, global_10, _buffer_sizes);
    function_10(param_34, (param_35 + 4u) + 1u, param_36.member_2, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 6u, param_36.member_3, global_1, global_10, _buffer_sizes);
    function_10(param_34, (param_35 + 6u) + 1u, param_36.member_4, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 8u, param_36.member_5, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 10u, param_36.member_6, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 12u, param_36.member_7, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 14u, param_36.member_8, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 16u, param_36.member_9, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 18u, param_36.member_10, global_1, global_10, _buffer_sizes);
    function_10(param_34, param_35 + 20u, (param_37.x >> as_type<uint>(12u)) | (param_37.y << as_type<uint>(20u)), global_1, global_10, _buffer_sizes);
    function_10(param_34, (param_35 + 20u) + 1u, param_37.y >> as_type<uint>(12u), global_1, global_10, _buffer_sizes);
    function_10(param_34, (param_35 + 20u) + 2u, param_37.x & 4095u, global_1, global_10, _buffer_sizes);
    uint _e186 = global.member_12;
    function_10(param_34, (param_35 + 20u) + 4u, _e186, global_1, global_10, _buffer_sizes);
    uint _e190 = global.member_13;
    function_10(param_34, (param_35 + 20u) + 5u, _e190, global_1, global_10, _buffer_sizes);
    return;
}

bool function_15(
    metal::uint2 param_38,
    metal::uint2 param_39
) {
    bool local_10 = bool {};
    bool local_11 = bool {};
    if (!((param_38.y < param_39.y))) {
        if (param_38.y == param_39.y) {
            local_11 = param_38.x < param_39.x;
        } else {
            local_11 = false;
        }
        bool _e148 = local_11;
        local_10 = _e148;
    } else {
        local_10 = true;
    }
    bool _e149 = local_10;
    return _e149;
}

metal::uint2 function_16(
    metal::uint2 param_40,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12
) {
    metal::uint2 local_12 = metal::uint2 {};
    metal::uint2 _e136 = global_11;
    local_12 = _e136;
    metal::uint2 _e137 = local_12;
    bool _e138 = function_15(_e137, param_40);
    if (_e138) {
        local_12 = param_40;
    }
    uint _e140 = local_12[0u];
    local_12[0u] = _e140 + 1u;
    uint _e144 = local_12[0u];
    if (_e144 == 0u) {
        uint _e147 = local_12[1u];
        local_12[1u] = _e147 + 1u;
    }
    uint _e151 = global_12.member.member_3;
    uint _e153 = global_12.member.member_4;
    metal::uint2 _e154 = metal::uint2(_e151, _e153);
    metal::uint2 _e155 = local_12;
    bool _e156 = function_15(_e155, _e154);
    if (_e156) {
        local_12 = _e154;
    }
    metal::uint2 _e157 = local_12;
    global_11 = _e157;
    metal::uint2 _e158 = local_12;
    return _e158;
}

void function_17(
    uint param_41,
    uint param_42,
    uint param_43,
    uint param_44,
    thread type_3& global,
    device type_14& global_1,
    thread type_5& global_2,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e139 = metal::atomic_fetch_add_explicit(&global_9, 1u, metal::memory_order_relaxed);
    uint _e142 = global.member_9;
    uint _e144 = global.member_5;
    function_13(param_41, param_42 + 64u, 0u, 1u, param_44, _e142 + _e144, global_1, global_5, global_10, _buffer_sizes);
    uint _e148 = global.member_1;
    uint _e150 = global.member_1;
    uint _e152 = global_2.member_7;
    metal::uint2 _e154 = global_11;
    metal::uint2 _e155 = function_16(_e154, global_11, global_12);
    function_14(param_41, param_42, type_8 {1u, _e139 + 1u, _e148, 0u, 0u, _e150, param_43, _e152, 1u, param_44, 0u}, _e155, global, global_1, global_10, _buffer_sizes);
    return;
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

uint function_18(
    uint param_45,
    uint param_46
) {
    return naga_mod(param_45, (param_46 == 0u) ? 1u : param_46);
}

void function_19(
    uint param_47,
    uint param_48,
    device type_14 const& global_3,
    device type_40& global_8,
    constant type_20& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e138 = global_12.member.member_1;
    uint _e139 = _e138 + 1u;
    uint _e142 = metal::atomic_exchange_explicit(&global_8.member[param_48 + 6u], _e139, metal::memory_order_relaxed);
    if (_e142 == _e139) {
        return;
    }
    uint _e144 = function_18(_e139, 64u);
    uint _e148 = global_3.member[param_47 + 51u];
    uint _e150 = (_e144 * 64u) + (_e148 * 4u);
    uint _e152 = metal::atomic_fetch_add_explicit(&global_8.member[_e150], 1u, metal::memory_order_relaxed);
    if (_e152 == 0u) {
        metal::atomic_store_explicit(&global_8.member[_e150 + 1u], 1u, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_8.member[_e150 + 2u], 1u, metal::memory_order_relaxed);
    }
    uint _e160 = global_3.member[param_47 + 50u];
    if (_e152 < _e160) {
        uint _e164 = global_3.member[param_47 + 49u];
        metal::atomic_store_explicit(&global_8.member[(_e164 + ((_e139 & 1u) * _e160)) + _e152], param_47, metal::memory_order_relaxed);
        return;
    } else {
        return;
    }
    return;
}

bool function_20(
    uint param_49,
    uint param_50,
    thread type_3& global,
    device type_14& global_1,
    thread type_5& global_2,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_40& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_13 = 1u;
    uint local_14 = 0u;
    uint local_15 = 0u;
    uint _e146 = global.member_11;
    if (param_49 >= _e146) {
        return false;
    }
    uint _e149 = global.member_10;
    uint _e151 = _e149 + (param_49 * 8u);
    uint _e154 = global_3.member[_e151 + 0u];
    if (_e154 == 0u) {
        return false;
    }
    uint _e158 = global_3.member[_e151 + 2u];
    uint _e160 = global.member_4;
    uint _e161 = metal::min(param_50, _e160);
    uint _e163 = global_5[1u];
    uint _e164 = function_3(_e161, 8u);
    if (_e163 <= (_e164 + 64u)) {
        global_5 = metal::uint2 {};
        return false;
    }
    if (_e158 == 0u) {
        uint _e168 = function_8(global, global_5, global_6, global_7);
        local_14 = _e168;
    } else {
        local_13 = 2u;
        uint _e171 = global_3.member[_e158 + 47u];
        local_15 = _e171;
        uint _e172 = local_15;
        uint _e173 = function_9(_e158, _e172, _e161, global_3, global_5, global_8, _buffer_sizes);
        local_14 = _e173;
    }
    uint _e174 = local_14;
    if (_e174 == 0u) {
        return false;
    }
    uint _e176 = local_13;
    uint _e177 = local_14;
    function_17(_e176, _e177, _e154, _e161, global, global_1, global_2, global_5, global_9, global_10, global_11, global_12, _buffer_sizes);
    if (_e158 != 0u) {
        uint _e181 = global_3.member[_e158 + 0u];
        if (_e181 != 0u) {
            uint _e183 = local_15;
            uint _e186 = global_12.member.member_1;
            uint _e191 = metal::atomic_fetch_add_explicit(&global_8.member[(_e183 + 2u) + ((_e186 + 1u) & 1u)], 1u, metal::memory_order_relaxed);
            uint _e192 = local_15;
            function_19(_e158, _e192, global_3, global_8, global_12, _buffer_sizes);
        } else {
            uint _e193 = local_15;
            uint _e196 = metal::atomic_fetch_add_explicit(&global_8.member[_e193 + 4u], 1u, metal::memory_order_relaxed);
        }
    }
    return true;
}

void function_21(
    type_2 param_51,
    thread type_3& global,
    device type_14& global_1,
    thread type_5& global_2,
    device type_14 const& global_3,
    threadgroup uint& global_4,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_40& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e138 = function_1(0u, global, global_1, _buffer_sizes);
    uint _e139 = function_4(0u, global_1, global_2, global_3, _buffer_sizes);
    function(0u, _e138 + _e139, global, global_1, _buffer_sizes);
    uint _e141 = function_1(0u, global, global_1, _buffer_sizes);
    function_5(0u, _e141, global, global_1, _buffer_sizes);
    if (param_51.member_4 == 0u) {
        function_6(4u, global, global_4);
        bool _e144 = function_20(0u, 4u, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

float function_22(
    uint param_52,
    device type_14 const& global_1,
    thread type_5& global_2,
    device type_14 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e135 = function_4(param_52, global_1, global_2, global_3, _buffer_sizes);
    return as_type<float>(_e135);
}

float function_23(
    uint param_53,
    thread type_3& global,
    device type_14 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e134 = function_1(param_53, global, global_1, _buffer_sizes);
    return as_type<float>(_e134);
}

void function_24(
    uint param_54,
    float param_55,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function(param_54, as_type<uint>(param_55), global, global_1, _buffer_sizes);
    return;
}

void function_25(
    uint param_56,
    float param_57,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_5(param_56, as_type<uint>(param_57), global, global_1, _buffer_sizes);
    return;
}

void function_26(
    uint param_58,
    uint param_59,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global.member_5;
    if (param_58 < _e136) {
        uint _e139 = global.member_9;
        uint _e141 = global.member_5;
        global_1.member[(_e139 + _e141) + param_58] = param_59;
        return;
    } else {
        return;
    }
    return;
}

void function_27(
    uint param_60,
    float param_61,
    thread type_3& global,
    device type_14& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_26(param_60, as_type<uint>(param_61), global, global_1, _buffer_sizes);
    return;
}

metal::uint2 function_28(
    uint param_62,
    uint param_63,
    uint param_64
) {
    return metal::uint2((param_62 << as_type<uint>(12u)) | (param_64 & 4095u), (param_63 << as_type<uint>(12u)) | (param_62 >> as_type<uint>(20u)));
}

uint function_29(
    uint param_65,
    device type_14 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global_3.member[param_65 & 15u];
    uint _e142 = global_3.member[16u + ((param_65 >> as_type<uint>(4u)) & 15u)];
    uint _e149 = global_3.member[32u + ((param_65 >> as_type<uint>(8u)) & 15u)];
    uint _e156 = global_3.member[48u + ((param_65 >> as_type<uint>(12u)) & 15u)];
    uint _e163 = global_3.member[64u + ((param_65 >> as_type<uint>(16u)) & 15u)];
    uint _e170 = global_3.member[80u + ((param_65 >> as_type<uint>(20u)) & 15u)];
    uint _e177 = global_3.member[96u + ((param_65 >> as_type<uint>(24u)) & 15u)];
    uint _e183 = global_3.member[112u + (param_65 >> as_type<uint>(28u))];
    return ((((((_e136 ^ _e142) ^ _e149) ^ _e156) ^ _e163) ^ _e170) ^ _e177) ^ _e183;
}

uint function_30(
    uint param_66,
    uint param_67,
    uint param_68,
    device type_14 const& global_1,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_16 = 4294967295u;
    uint local_17 = 0u;
    metal::uint2 local_18 = metal::uint2(4294967295u, 4294967295u);
    uint2 loop_bound_3 = uint2(4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (metal::all(loop_bound_3 == uint2(0u))) { break; }
        loop_bound_3 -= uint2(loop_bound_3.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e174 = local_17;
            local_17 = _e174 + 1u;
        }
        loop_init_1 = false;
        metal::uint2 _e143 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e143)) {
            break;
        }
        global_5 = _e143 - metal::uint2((_e143.y == 0u) ? 1u : 0u, 1u);
        uint _e151 = local_17;
        if ((_e151 * 4u) < param_68) {
        } else {
            break;
        }
        uint _e154 = local_17;
        uint _e158 = metal::min(param_68 - (_e154 * 4u), 4u) * 8u;
        uint _e159 = local_16;
        uint _e164 = local_16;
        uint _e165 = local_17;
        uint _e167 = function_2(param_66, param_67 + _e165, global_1, global_3, _buffer_sizes);
        uint _e172 = function_29((_e164 ^ _e167) << as_type<uint>(32u - _e158), global_3, _buffer_sizes);
        local_16 = ((_e158 == 32u) ? 0u : (_e159 >> as_type<uint>(_e158))) ^ _e172;
        continue;
    }
    uint _e176 = local_16;
    return ~(_e176);
}

void function_31(
    uint param_69,
    device type_14 const& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_40& global_8,
    threadgroup metal::atomic_uint& global_9,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    threadgroup type_3& global_13,
    threadgroup metal::atomic_uint& global_15,
    threadgroup metal::atomic_uint& global_16,
    thread uint& global_18,
    thread uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread bool& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_19 = uint {};
    global_21 = 0u;
    uint _e139 = global_12.member.member_5;
    if (_e139 != 0u) {
        uint _e142 = global_12.member.member;
        uint _e145 = metal::atomic_load_explicit(&global_8.member[_e142 + param_69], metal::memory_order_relaxed);
        local_19 = _e145;
    } else {
        uint _e147 = global_12.member.member;
        uint _e149 = _e147 + (param_69 * 4u);
        uint _e152 = global_3.member[_e149 + 0u];
        local_19 = _e152;
        uint _e155 = global_3.member[_e149 + 1u];
        global_21 = _e155;
        uint _e158 = global_3.member[_e149 + 2u];
        global_20 = _e158;
    }
    uint _e159 = local_19;
    uint _e162 = global_3.member[_e159 + 37u];
    uint _e163 = local_19;
    uint _e164 = local_19;
    uint _e167 = global_3.member[_e164 + 32u];
    uint _e168 = local_19;
    uint _e171 = global_3.member[_e168 + 35u];
    uint _e172 = local_19;
    uint _e175 = global_3.member[_e172 + 36u];
    uint _e177 = function_3(_e162 + 3u, 4u);
    uint _e178 = local_19;
    uint _e181 = global_3.member[_e178 + 38u];
    uint _e182 = local_19;
    uint _e185 = global_3.member[_e182 + 40u];
    uint _e186 = local_19;
    uint _e189 = global_3.member[_e186 + 19u];
    uint _e190 = local_19;
    uint _e193 = global_3.member[_e190 + 44u];
    uint _e194 = local_19;
    uint _e197 = global_3.member[_e194 + 45u];
    uint _e198 = local_19;
    uint _e201 = global_3.member[_e198 + 46u];
    uint _e202 = local_19;
    uint _e205 = global_3.member[_e202 + 33u];
    uint _e206 = local_19;
    uint _e210 = global_3.member[(_e206 + 33u) + 1u];
    global_13 = type_3 {_e163, _e167, _e171, _e175, _e162, _e177, _e181, _e185, _e189, _e193, _e197, _e201, _e205, _e210};
    uint _e212 = local_19;
    uint _e215 = global_3.member[_e212 + 20u];
    uint _e216 = local_19;
    uint _e220 = global_3.member[(_e216 + 20u) + 1u];
    uint _e221 = local_19;
    uint _e225 = global_3.member[(_e221 + 20u) + 2u];
    metal::uint2 _e226 = function_28(_e215, _e220, _e225);
    global_11 = _e226;
    uint _e227 = local_19;
    uint _e230 = global_3.member[_e227 + 41u];
    global_18 = _e230;
    uint _e231 = local_19;
    uint _e234 = global_3.member[_e231 + 39u];
    global_19 = _e234;
    uint _e235 = local_19;
    uint _e238 = global_3.member[_e235 + 4u];
    global_29 = _e238;
    uint _e239 = local_19;
    uint _e242 = global_3.member[_e239 + 10u];
    global_30 = _e242;
    uint _e243 = local_19;
    uint _e246 = global_3.member[_e243 + 12u];
    global_31 = _e246;
    uint _e247 = local_19;
    uint _e250 = global_3.member[_e247 + 42u];
    global_32 = _e250;
    uint _e251 = local_19;
    uint _e254 = global_3.member[_e251 + 43u];
    global_7 = _e254;
    uint _e255 = global_31;
    metal::atomic_store_explicit(&global_6, _e255, metal::memory_order_relaxed);
    uint _e256 = local_19;
    uint _e259 = global_3.member[_e256 + 26u];
    metal::atomic_store_explicit(&global_9, _e259, metal::memory_order_relaxed);
    uint _e260 = local_19;
    uint _e263 = global_3.member[_e260 + 0u];
    global_28 = _e263 == 0u;
    uint _e265 = local_19;
    uint _e268 = global_3.member[_e265 + 47u];
    bool _e269 = global_28;
    global_24 = _e269 ? 0u : _e268;
    uint _e271 = local_19;
    uint _e274 = global_3.member[_e271 + 48u];
    global_25 = _e274;
    global_22 = 0u;
    global_23 = 0u;
    global_4 = 0u;
    metal::atomic_store_explicit(&global_15, 0u, metal::memory_order_relaxed);
    metal::atomic_store_explicit(&global_16, 0u, metal::memory_order_relaxed);
    global_26 = 0u;
    global_27 = 0u;
    uint _e275 = global_24;
    if (_e275 != 0u) {
        uint _e277 = global_24;
        uint _e280 = metal::atomic_load_explicit(&global_8.member[_e277 + 5u], metal::memory_order_relaxed);
        global_26 = _e280;
        uint _e281 = global_24;
        uint _e283 = global_26;
        metal::atomic_store_explicit(&global_8.member[_e281 + 1u], _e283, metal::memory_order_relaxed);
        uint _e285 = global_24;
        uint _e288 = metal::atomic_load_explicit(&global_8.member[_e285 + 4u], metal::memory_order_relaxed);
        uint _e289 = global_24;
        uint _e292 = global_12.member.member_1;
        uint _e296 = metal::atomic_exchange_explicit(&global_8.member[(_e289 + 2u) + (_e292 & 1u)], 0u, metal::memory_order_relaxed);
        global_27 = _e288 + _e296;
        return;
    } else {
        return;
    }
    return;
}

type_11 function_32(
    uint param_70,
    device type_14 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global_3.member[param_70 + 0u];
    uint _e140 = global_3.member[(param_70 + 0u) + 1u];
    uint _e143 = global_3.member[param_70 + 3u];
    uint _e146 = global_3.member[param_70 + 4u];
    uint _e150 = global_3.member[(param_70 + 4u) + 1u];
    uint _e153 = global_3.member[param_70 + 6u];
    uint _e157 = global_3.member[(param_70 + 6u) + 1u];
    uint _e160 = global_3.member[param_70 + 8u];
    uint _e163 = global_3.member[param_70 + 12u];
    uint _e166 = global_3.member[param_70 + 14u];
    uint _e170 = global_3.member[param_70 + 16u];
    uint _e173 = global_3.member[param_70 + 18u];
    uint _e176 = global_3.member[param_70 + 20u];
    uint _e180 = global_3.member[(param_70 + 20u) + 1u];
    uint _e184 = global_3.member[(param_70 + 20u) + 2u];
    metal::uint2 _e185 = function_28(_e176, _e180, _e184);
    uint _e188 = global_3.member[param_70 + 26u];
    uint _e192 = global_3.member[(param_70 + 26u) + 1u];
    return type_11 {_e136, _e140, _e143, _e146, _e150, _e153, _e157, _e160, _e163, _e166 & 255u, _e170, _e173, _e185, _e188, _e192};
}

type_11 function_33(
    uint param_71,
    device type_14 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e136 = global_1.member[param_71 + 0u];
    uint _e140 = global_1.member[(param_71 + 0u) + 1u];
    uint _e143 = global_1.member[param_71 + 3u];
    uint _e146 = global_1.member[param_71 + 4u];
    uint _e150 = global_1.member[(param_71 + 4u) + 1u];
    uint _e153 = global_1.member[param_71 + 8u];
    uint _e156 = global_1.member[param_71 + 12u];
    uint _e159 = global_1.member[param_71 + 14u];
    uint _e163 = global_1.member[param_71 + 16u];
    uint _e166 = global_1.member[param_71 + 20u];
    uint _e170 = global_1.member[(param_71 + 20u) + 1u];
    uint _e174 = global_1.member[(param_71 + 20u) + 2u];
    metal::uint2 _e175 = function_28(_e166, _e170, _e174);
    return type_11 {_e136, _e140, _e143, _e146, _e150, 0u, 0u, _e153, _e156, _e159 & 255u, _e163, 0u, _e175, 0u, 0u};
}

uint function_34(
    type_11 param_72,
    uint param_73,
    uint param_74,
    device type_14 const& global_1,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    constant type_20& global_12,
    threadgroup type_3& global_13,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_20 = bool {};
    uint _e147 = global_13.member_4;
    if (!((((param_72.member == 1262834254u) && (param_72.member_1 == 1380535879u)) && (param_72.member_10 <= _e147)))) {
        return 4u;
    }
    uint _e156 = global_12.member.member_3;
    uint _e158 = global_12.member.member_4;
    metal::uint2 _e162 = function_28(param_72.member_13, param_72.member_14, 0u);
    bool _e163 = function_15(metal::uint2(_e156, _e158), _e162);
    if ((param_72.member_13 | param_72.member_14) != 0u) {
        local_20 = !(_e163);
    } else {
        local_20 = false;
    }
    bool _e165 = local_20;
    if (_e165) {
        return 2u;
    }
    if ((param_72.member_2 & 1u) != 0u) {
        return 0u;
    }
    uint _e171 = function_30(param_73, param_74 + 64u, param_72.member_10, global_1, global_3, global_5, _buffer_sizes);
    return (_e171 == param_72.member_11) ? 0u : 4u;
}

void function_35(
    device type_14 const& global_1,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    threadgroup type_3& global_13,
    threadgroup type_5& global_14,
    threadgroup metal::atomic_uint& global_15,
    thread uint& global_18,
    thread uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread bool& global_28,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_21 = bool {};
    bool local_22 = bool {};
    uint local_23 = 0u;
    type_11 local_24 = type_11 {};
    bool local_25 = bool {};
    bool local_26 = bool {};
    bool local_27 = bool {};
    bool local_28 = bool {};
    uint local_29 = 0u;
    uint local_30 = uint {};
    global_14.member = 0u;
    uint _e156 = global_22;
    uint _e157 = global_21;
    bool _e158 = _e156 < _e157;
    uint _e159 = global_26;
    uint _e160 = global_27;
    bool _e161 = _e159 != _e160;
    bool _e162 = global_28;
    if (!(_e162)) {
        if (!(_e158)) {
            local_22 = _e161;
        } else {
            local_22 = true;
        }
        bool _e165 = local_22;
        local_26 = !(_e165);
    } else {
        local_26 = true;
    }
    bool _e167 = local_26;
    if (_e167) {
        return;
    }
    uint _e168 = global_7;
    uint _e169 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    if (!((as_type<int>(_e168 - _e169) <= 0))) {
        uint _e174 = metal::atomic_load_explicit(&global_15, metal::memory_order_relaxed);
        local_28 = _e174 >= 4194304u;
    } else {
        local_28 = true;
    }
    bool _e176 = local_28;
    if (_e176) {
        global_28 = true;
        return;
    }
    if (_e158) {
        uint _e177 = global_20;
        local_30 = _e177;
        uint _e178 = global_22;
        if (_e178 > 0u) {
            uint _e180 = global_18;
            uint _e181 = global_22;
            uint _e184 = global_3.member[_e180 + _e181];
            local_30 = _e184;
        }
        uint _e185 = global_19;
        uint _e186 = local_30;
        uint _e188 = global_13.member_6;
        local_29 = _e185 + (_e186 * _e188);
        uint _e191 = local_29;
        type_11 _e192 = function_32(_e191, global_3, _buffer_sizes);
        local_24 = _e192;
    }
    if (_e161) {
        uint _e194 = global_13.member;
        uint _e197 = global_3.member[_e194 + 52u];
        uint _e198 = global_25;
        uint _e199 = global_26;
        uint _e203 = global_13.member_6;
        uint _e205 = _e198 + ((_e199 & (_e197 - 1u)) * _e203);
        type_11 _e206 = function_33(_e205, global_1, _buffer_sizes);
        uint _e209 = local_24.member_9;
        if (_e206.member_9 == _e209) {
            metal::uint2 _e213 = local_24.member_12;
            bool _e214 = function_15(_e206.member_12, _e213);
            local_25 = _e214;
        } else {
            local_25 = false;
        }
        bool _e215 = local_25;
        if (!(!(_e158))) {
            uint _e220 = local_24.member_9;
            local_21 = _e206.member_9 > _e220;
        } else {
            local_21 = true;
        }
        bool _e222 = local_21;
        if (!(_e222)) {
            local_27 = _e215;
        } else {
            local_27 = true;
        }
        bool _e224 = local_27;
        if (_e224) {
            local_23 = 2u;
            local_29 = _e205;
            local_24 = _e206;
        }
    }
    uint _e225 = local_23;
    if (_e225 == 0u) {
        uint _e227 = global_22;
        global_22 = _e227 + 1u;
    } else {
        uint _e229 = global_26;
        global_26 = _e229 + 1u;
    }
    type_11 _e231 = local_24;
    uint _e232 = local_23;
    uint _e233 = local_29;
    uint _e234 = function_34(_e231, _e232, _e233, global_1, global_3, global_5, global_12, global_13, _buffer_sizes);
    if (_e234 == 0u) {
        metal::uint2 _e237 = local_24.member_12;
        metal::uint2 _e238 = function_16(_e237, global_11, global_12);
        uint _e239 = global_23;
        global_23 = _e239 + 1u;
    }
    uint _e242 = local_24.member_3;
    uint _e244 = local_24.member_4;
    uint _e245 = local_23;
    uint _e246 = local_29;
    uint _e248 = local_24.member_10;
    uint _e250 = local_24.member_8;
    uint _e252 = local_24.member_7;
    uint _e254 = local_24.member_9;
    uint _e256 = local_24.member_5;
    uint _e258 = local_24.member_6;
    global_14 = type_5 {1u, _e234, _e242, _e244, _e245, _e246, _e248, _e250, _e252, _e254, _e256, _e258};
    return;
}

void function_36(
    thread type_3& global,
    device type_14& global_3,
    threadgroup metal::atomic_uint& global_6,
    device type_40& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    threadgroup metal::atomic_uint& global_16,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_29,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_31 = bool {};
    bool local_32 = bool {};
    bool local_33 = bool {};
    uint _e143 = global.member;
    uint _e144 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    uint _e145 = metal::atomic_load_explicit(&global_16, metal::memory_order_relaxed);
    bool _e146 = _e145 != 0u;
    uint _e147 = global_29;
    uint _e148 = global_23;
    uint _e149 = _e147 + _e148;
    uint _e150 = global_30;
    uint _e151 = global_22;
    uint _e152 = _e150 + _e151;
    global_3.member[_e143 + 4u] = _e149;
    uint _e155 = global_29;
    if (_e149 < _e155) {
        uint _e158 = (_e143 + 4u) + 1u;
        uint _e160 = global_3.member[_e158];
        global_3.member[_e158] = _e160 + 1u;
    }
    global_3.member[_e143 + 10u] = _e152;
    uint _e165 = global_30;
    if (_e152 < _e165) {
        uint _e168 = (_e143 + 10u) + 1u;
        uint _e170 = global_3.member[_e168];
        global_3.member[_e168] = _e170 + 1u;
    }
    uint _e174 = global_21;
    uint _e175 = global_22;
    global_3.member[_e143 + 6u] = _e174 - _e175;
    global_3.member[_e143 + 12u] = _e144;
    uint _e180 = global_31;
    if (_e144 < _e180) {
        uint _e183 = (_e143 + 12u) + 1u;
        uint _e185 = global_3.member[_e183];
        global_3.member[_e183] = _e185 + 1u;
    }
    uint _e189 = metal::atomic_load_explicit(&global_9, metal::memory_order_relaxed);
    global_3.member[_e143 + 26u] = _e189;
    uint _e193 = global_11[0u];
    uint _e197 = global_11[1u];
    global_3.member[_e143 + 20u] = (_e193 >> as_type<uint>(12u)) | (_e197 << as_type<uint>(20u));
    uint _e205 = global_11[1u];
    global_3.member[(_e143 + 20u) + 1u] = _e205 >> as_type<uint>(12u);
    uint _e212 = global_11[0u];
    global_3.member[(_e143 + 20u) + 2u] = _e212 & 4095u;
    if (_e146) {
        global_3.member[_e143 + 0u] = 0u;
        global_3.member[_e143 + 2u] = 1u;
        global_3.member[_e143 + 24u] = 1u;
        uint _e221 = _e143 + 25u;
        uint _e223 = global_3.member[_e221];
        global_3.member[_e221] = _e223 + 1u;
    }
    uint _e226 = global_24;
    if (_e226 != 0u) {
        uint _e228 = global_24;
        uint _e231 = metal::atomic_load_explicit(&global_8.member[_e228 + 1u], metal::memory_order_relaxed);
        uint _e232 = global_24;
        uint _e235 = metal::atomic_load_explicit(&global_8.member[_e232 + 0u], metal::memory_order_relaxed);
        uint _e238 = global_3.member[_e143 + 52u];
        uint _e239 = global_24;
        uint _e241 = global_27;
        metal::atomic_store_explicit(&global_8.member[_e239 + 4u], _e241, metal::memory_order_relaxed);
        uint _e243 = global_24;
        uint _e245 = global_26;
        metal::atomic_store_explicit(&global_8.member[_e243 + 5u], _e245, metal::memory_order_relaxed);
        uint _e248 = function_3(_e238, 2u);
        if ((_e235 - _e231) > _e248) {
            uint _e250 = global_26;
            local_31 = _e250 != _e231;
        } else {
            local_31 = false;
        }
        bool _e252 = local_31;
        uint _e255 = global_3.member[_e143 + 0u];
        if (_e255 != 0u) {
            uint _e257 = global_27;
            if (!((_e235 != _e257))) {
                local_33 = _e252;
            } else {
                local_33 = true;
            }
            bool _e260 = local_33;
            local_32 = _e260;
        } else {
            local_32 = false;
        }
        bool _e261 = local_32;
        if (_e261) {
            uint _e262 = global_24;
            function_19(_e143, _e262, global_3, global_8, global_12, _buffer_sizes);
        }
    }
    uint _e264 = global_12.member.member_5;
    if (_e264 == 0u) {
        uint _e266 = global_32;
        uint _e268 = global_22;
        global_10.member[_e266 + 1u] = _e268;
    }
    uint _e270 = global_32;
    global_10.member[_e270 + 2u] = _e144;
    uint _e273 = global_32;
    global_10.member[_e273 + 3u] = _e149;
    uint _e276 = global_32;
    uint _e279 = global_26;
    uint _e280 = global_27;
    global_10.member[_e276 + 4u] = (_e146 ? 1u : 0u) | ((_e279 != _e280) ? 2u : 0u);
    uint _e285 = global_32;
    uint _e288 = global_12.member.member_2;
    global_10.member[_e285 + 0u] = _e288;
    return;
}

void function_37(
    uint param_75,
    uint param_76,
    thread type_3& global,
    device type_14& global_1,
    thread type_5& global_2,
    device type_14 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_8 local_34 = type_8 {};
    uint _e140 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    uint _e141 = function_7(_e140, global);
    uint _e144 = global.member_9;
    function_13(1u, _e141 + 64u, param_75, 32u, param_76, _e144, global_1, global_5, global_10, _buffer_sizes);
    if (param_75 != 0u) {
        return;
    }
    uint _e147 = global_2.member_1;
    uint _e149 = global_2.member_2;
    uint _e151 = global_2.member_3;
    uint _e153 = global_2.member_10;
    uint _e155 = global_2.member_11;
    uint _e157 = global_2.member_8;
    uint _e159 = global_2.member_7;
    uint _e161 = global_2.member_9;
    local_34 = type_8 {_e147, _e149, _e151, _e153, _e155, _e157, 0u, _e159, _e161 & 3u, param_76, 0u};
    uint _e165 = global_2.member_1;
    if (_e165 == 0u) {
        uint _e167 = metal::atomic_fetch_add_explicit(&global_9, 1u, metal::memory_order_relaxed);
        local_34.member_1 = _e167 + 1u;
        uint _e171 = global.member_1;
        local_34.member_2 = _e171;
        uint _e174 = global.member_1;
        local_34.member_5 = _e174;
        uint _e177 = global.member_9;
        uint _e178 = function_30(2u, _e177, param_76, global_1, global_3, global_5, _buffer_sizes);
        local_34.member_10 = _e178;
    }
    type_8 _e180 = local_34;
    metal::uint2 _e181 = global_11;
    metal::uint2 _e182 = function_16(_e181, global_11, global_12);
    function_14(1u, _e141, _e180, _e182, global, global_1, global_10, _buffer_sizes);
    return;
}

void function_38(
    thread type_3& global,
    device type_14& global_1,
    thread type_5& global_2,
    device type_14& global_3,
    threadgroup uint& global_4,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_40& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_14& global_10,
    threadgroup metal::uint2& global_11,
    constant type_20& global_12,
    threadgroup type_3& global_13,
    threadgroup type_5& global_14,
    threadgroup metal::atomic_uint& global_15,
    threadgroup metal::atomic_uint& global_16,
    thread uint& global_17,
    thread uint& global_18,
    thread uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread bool& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread metal::uint3& global_34,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_35 = bool {};
    metal::uint2 local_36 = metal::uint2(4294967295u, 4294967295u);
    uint _e136 = global_33;
    metal::uint3 _e137 = global_34;
    if (_e136 == 0u) {
        global_4 = uint {};
        metal::atomic_store_explicit(&global_6, uint {}, metal::memory_order_relaxed);
        global_7 = uint {};
        metal::atomic_store_explicit(&global_9, uint {}, metal::memory_order_relaxed);
        global_11 = metal::uint2 {};
        global_13 = type_3 {};
        global_14 = type_5 {};
        metal::atomic_store_explicit(&global_15, uint {}, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_16, uint {}, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global_5 = metal::uint2(4294967295u, 4294967295u);
    global_17 = 0u;
    if (_e136 == 0u) {
        function_31(_e137.x, global_3, global_4, global_6, global_7, global_8, global_9, global_11, global_12, global_13, global_15, global_16, global_18, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, _buffer_sizes);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    type_3 _e146 = global_13;
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global = _e146;
    uint2 loop_bound_4 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_4 == uint2(0u))) { break; }
        loop_bound_4 -= uint2(loop_bound_4.y == 0u, 1u);
        metal::uint2 _e147 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e147)) {
            break;
        }
        global_5 = _e147 - metal::uint2((_e147.y == 0u) ? 1u : 0u, 1u);
        if (_e136 == 0u) {
            function_35(global_1, global_3, global_5, global_6, global_7, global_11, global_12, global_13, global_14, global_15, global_18, global_19, global_20, global_21, global_22, global_23, global_25, global_26, global_27, global_28, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        type_5 _e156 = global_14;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e156.member == 0u) {
            break;
        }
        global_2 = _e156;
        uint _e159 = global_17;
        uint _e161 = global_5[1u];
        global_17 = _e159 + (4294967295u - _e161);
        if (_e156.member_1 == 0u) {
            global_5 = metal::uint2(0u, 33554432u);
            function_21(type_2 {_e156.member_7, _e156.member_6, _e156.member_8, _e156.member_9, _e136, 32u, metal::uint2(_e156.member_10, _e156.member_11)}, global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, _buffer_sizes);
            uint _e175 = global_5[1u];
            uint _e176 = 33554432u - _e175;
            global_5 = metal::uint2(4294967295u, 4294967295u);
            if (_e176 == 33554432u) {
                metal::atomic_store_explicit(&global_16, 1u, metal::memory_order_relaxed);
            }
            uint _e178 = global_17;
            global_17 = _e178 + _e176;
            uint _e180 = global_17;
            uint _e181 = metal::atomic_fetch_max_explicit(&global_15, _e180, metal::memory_order_relaxed);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_device);
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        uint _e182 = global_4;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        uint _e185 = (_e156.member_1 != 0u) ? 1u : _e182;
        uint _e186 = metal::atomic_load_explicit(&global_16, metal::memory_order_relaxed);
        bool _e187 = _e186 != 0u;
        if (_e185 != 0u) {
            local_35 = !(_e187);
        } else {
            local_35 = false;
        }
        bool _e190 = local_35;
        if (_e190) {
            function_37(_e136, _e185 - 1u, global, global_1, global_2, global_3, global_5, global_6, global_9, global_10, global_11, global_12, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e136 == 0u) {
            if (_e187) {
                global_28 = true;
            } else {
                if (_e185 != 0u) {
                    uint _e194 = metal::atomic_fetch_add_explicit(&global_6, 1u, metal::memory_order_relaxed);
                }
            }
            global_4 = 0u;
        }
        continue;
    }
    if (_e136 == 0u) {
        function_36(global, global_3, global_6, global_8, global_9, global_10, global_11, global_12, global_16, global_21, global_22, global_23, global_24, global_26, global_27, global_29, global_30, global_31, global_32, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(32)]] kernel void main_(
  uint param [[thread_index_in_threadgroup]]
, metal::uint3 param_1 [[threadgroup_position_in_grid]]
, device type_14& global_1 [[buffer(2)]]
, device type_14& global_3 [[buffer(0)]]
, device type_40& global_8 [[buffer(3)]]
, device type_14& global_10 [[buffer(1)]]
, constant type_20& global_12 [[buffer(4)]]
, constant _mslBufferSizes& _buffer_sizes [[buffer(5)]]
) {
    threadgroup uint global_4;
    threadgroup metal::atomic_uint global_6;
    threadgroup uint global_7;
    threadgroup metal::atomic_uint global_9;
    threadgroup metal::uint2 global_11;
    threadgroup type_3 global_13;
    threadgroup type_5 global_14;
    threadgroup metal::atomic_uint global_15;
    threadgroup metal::atomic_uint global_16;
    type_3 global = type_3 {};
    type_5 global_2 = type_5 {};
    metal::uint2 global_5 = metal::uint2 {};
    uint global_17 = uint {};
    uint global_18 = uint {};
    uint global_19 = uint {};
    uint global_20 = uint {};
    uint global_21 = uint {};
    uint global_22 = uint {};
    uint global_23 = uint {};
    uint global_24 = uint {};
    uint global_25 = uint {};
    uint global_26 = uint {};
    uint global_27 = uint {};
    bool global_28 = bool {};
    uint global_29 = uint {};
    uint global_30 = uint {};
    uint global_31 = uint {};
    uint global_32 = uint {};
    uint global_33 = {};
    metal::uint3 global_34 = {};
    if (param == 0u) {
        global_4 = {};
        metal::atomic_store_explicit(&global_6, 0, metal::memory_order_relaxed);
        global_7 = {};
        metal::atomic_store_explicit(&global_9, 0, metal::memory_order_relaxed);
        global_11 = {};
        global_13 = {};
        global_14 = {};
        metal::atomic_store_explicit(&global_15, 0, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_16, 0, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global_33 = param;
    global_34 = param_1;
    function_38(global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, global_16, global_17, global_18, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, _buffer_sizes);
}
