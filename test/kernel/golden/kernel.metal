// language: metal2.4
#include <metal_stdlib>
#include <simd/simd.h>

using metal::uint;

struct _mslBufferSizes {
    uint size1;
    uint size3;
    uint size9;
    uint size14;
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
    uint member_1;
    uint member_2;
    uint member_3;
    uint member_4;
};
struct type_8 {
    uint member;
    bool member_1;
    char _pad2[3];
};
typedef metal::uint4 type_10[1];
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
    char _pad11[4];
    metal::uint2 member_11;
};
struct type_12 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
};
struct type_14 {
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
struct type_17 {
    type_4 member;
};
struct type_23 {
    type_10 member;
};
struct type_25 {
    type_12 member;
};
struct _atomic_compare_exchange_result_Uint_4_ {
    uint old_value;
    bool exchanged;
    char _pad2[3];
};
typedef metal::atomic_uint type_47[1];
struct type_48 {
    type_47 member;
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
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global.member_3;
    if (param_2 < _e186) {
        uint _e189 = global.member_2;
        global_1.member[_e189 + param_2] = param_3;
        return;
    } else {
        return;
    }
    return;
}

uint function_1(
    uint param_4,
    thread type_3& global,
    device type_17 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e185 = global.member_3;
    if (param_4 >= _e185) {
        return 0u;
    }
    uint _e188 = global.member_2;
    uint _e191 = global_1.member[_e188 + param_4];
    return _e191;
}

uint function_2(
    uint param_5,
    uint param_6,
    device type_17 const& global_1,
    device type_17 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_5 == 0u) {
        uint _e188 = global_3.member[param_6];
        return _e188;
    }
    uint _e190 = global_1.member[param_6];
    return _e190;
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
    device type_17 const& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global_2.member_6;
    uint _e188 = function_3(_e186 + 3u, 4u);
    if (param_9 >= _e188) {
        return 0u;
    }
    uint _e191 = global_2.member_4;
    uint _e193 = global_2.member_5;
    uint _e196 = function_2(_e191, (_e193 + 64u) + param_9, global_1, global_3, _buffer_sizes);
    return _e196;
}

void function_5(
    uint param_10,
    uint param_11,
    thread type_3& global,
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global.member_5;
    if (param_10 < _e186) {
        uint _e189 = global.member_9;
        global_1.member[_e189 + param_10] = param_11;
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
    uint _e183 = global_4;
    if (_e183 == 0u) {
        uint _e186 = global.member_4;
        global_4 = metal::min(param_12, _e186) + 1u;
        return;
    } else {
        return;
    }
    return;
}

bool function_7(
    threadgroup metal::atomic_uint& global_5
) {
    uint _e182 = metal::atomic_fetch_add_explicit(&global_5, 1u, metal::memory_order_relaxed);
    return false;
}

uint function_8(
    uint param_13,
    thread type_3& global
) {
    uint _e184 = global.member_7;
    uint _e186 = global.member_8;
    uint _e189 = global.member_6;
    return _e184 + ((param_13 & _e186) * _e189);
}

uint function_9(
    thread type_3& global,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8
) {
    uint local = uint {};
    bool local_1 = false;
    uint _e186 = metal::atomic_load_explicit(&global_7, metal::memory_order_relaxed);
    local = _e186;
    uint2 loop_bound = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound == uint2(0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        metal::uint2 _e187 = global_6;
        if (metal::all(metal::uint2(0u, 0u) == _e187)) {
            break;
        }
        global_6 = _e187 - metal::uint2((_e187.y == 0u) ? 1u : 0u, 1u);
        bool _e195 = local_1;
        if (!(_e195)) {
        } else {
            break;
        }
        uint _e197 = global_8;
        uint _e198 = local;
        if (as_type<int>(_e197 - _e198) <= 1) {
            break;
        }
        uint _e202 = local;
        uint _e203 = local;
        _atomic_compare_exchange_result_Uint_4_ _e205 = naga_atomic_compare_exchange_weak_explicit(&global_7, _e202, _e203 + 1u);
        type_8 _e208 = type_8 {_e205.old_value, _e205.old_value == _e202};
        local_1 = _e208.member_1;
        bool _e210 = local_1;
        if (!(_e210)) {
            local = _e208.member;
        }
        continue;
    }
    uint _e213 = local;
    uint _e214 = function_8(_e213, global);
    bool _e215 = local_1;
    return _e215 ? _e214 : 0u;
}

uint function_10(
    uint param_14,
    uint param_15,
    uint param_16,
    device type_17 const& global_3,
    thread metal::uint2& global_6,
    device type_48& global_9,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_2 = uint {};
    bool local_3 = false;
    bool local_4 = bool {};
    uint _e195 = global_3.member[param_14 + 37u];
    if (_e195 < param_16) {
        return 0u;
    }
    uint _e199 = global_3.member[param_14 + 52u];
    uint _e202 = global_3.member[param_14 + 0u];
    uint _e207 = metal::atomic_load_explicit(&global_9.member[param_15 + ((_e202 == 0u) ? 5u : 1u)], metal::memory_order_relaxed);
    uint _e210 = metal::atomic_load_explicit(&global_9.member[param_15 + 0u], metal::memory_order_relaxed);
    local_2 = _e210;
    uint2 loop_bound_1 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        metal::uint2 _e211 = global_6;
        if (metal::all(metal::uint2(0u, 0u) == _e211)) {
            break;
        }
        global_6 = _e211 - metal::uint2((_e211.y == 0u) ? 1u : 0u, 1u);
        bool _e219 = local_3;
        if (!(_e219)) {
            uint _e221 = local_2;
            local_4 = (_e221 - _e207) < _e199;
        } else {
            local_4 = false;
        }
        bool _e224 = local_4;
        if (_e224) {
        } else {
            break;
        }
        uint _e226 = local_2;
        uint _e227 = local_2;
        _atomic_compare_exchange_result_Uint_4_ _e230 = naga_atomic_compare_exchange_weak_explicit(&global_9.member[param_15 + 0u], _e226, _e227 + 1u);
        type_8 _e233 = type_8 {_e230.old_value, _e230.old_value == _e226};
        local_3 = _e233.member_1;
        bool _e235 = local_3;
        if (!(_e235)) {
            local_2 = _e233.member;
        }
        continue;
    }
    bool _e238 = local_3;
    if (!(_e238)) {
        return 0u;
    }
    uint _e242 = global_3.member[param_14 + 48u];
    uint _e243 = local_2;
    uint _e248 = global_3.member[param_14 + 38u];
    return _e242 + ((_e243 & (_e199 - 1u)) * _e248);
}

bool function_11(
    metal::uint2 param_17,
    metal::uint2 param_18
) {
    bool local_5 = bool {};
    bool local_6 = bool {};
    if (!((param_17.y < param_18.y))) {
        if (param_17.y == param_18.y) {
            local_6 = param_17.x < param_18.x;
        } else {
            local_6 = false;
        }
        bool _e198 = local_6;
        local_5 = _e198;
    } else {
        local_5 = true;
    }
    bool _e199 = local_5;
    return _e199;
}

metal::uint2 function_12(
    metal::uint2 param_19,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13
) {
    metal::uint2 local_7 = metal::uint2 {};
    metal::uint2 _e185 = global_12;
    local_7 = _e185;
    metal::uint2 _e186 = local_7;
    bool _e187 = function_11(_e186, param_19);
    if (_e187) {
        local_7 = param_19;
    }
    uint _e189 = local_7[0u];
    local_7[0u] = _e189 + 1u;
    uint _e193 = local_7[0u];
    if (_e193 == 0u) {
        uint _e196 = local_7[1u];
        local_7[1u] = _e196 + 1u;
    }
    metal::uint2 _e199 = local_7;
    metal::uint2 _e200 = global_13;
    bool _e201 = function_11(_e199, _e200);
    if (_e201) {
        metal::uint2 _e202 = global_13;
        local_7 = _e202;
    }
    metal::uint2 _e203 = local_7;
    global_12 = _e203;
    metal::uint2 _e204 = local_7;
    return _e204;
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

uint function_13(
    uint param_20,
    uint param_21
) {
    return naga_mod(param_20, (param_21 == 0u) ? 1u : param_21);
}

void function_14(
    uint param_22,
    uint param_23,
    uint param_24,
    device type_17& global_1,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_22 == 1u) {
        uint _e188 = function_3(param_23, 4u);
        uint _e189 = function_13(param_23, 4u);
        global_14.member[_e188][_e189] = param_24;
        return;
    } else {
        global_1.member[param_23] = param_24;
        return;
    }
    return;
}

uint function_15(
    uint param_25,
    uint param_26,
    uint param_27
) {
    bool local_8 = bool {};
    uint _e188 = (param_27 & 3u) * 8u;
    uint _e189 = function_3(param_27, 4u);
    if (param_26 == _e189) {
        local_8 = _e188 != 0u;
    } else {
        local_8 = false;
    }
    bool _e192 = local_8;
    if (_e192) {
        return param_25 & ((1u << as_type<uint>(_e188)) - 1u);
    }
    return param_25;
}

void function_16(
    uint param_28,
    uint param_29,
    uint param_30,
    uint param_31,
    uint param_32,
    device type_17& global_1,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    if ((param_30 * 4u) < param_31) {
        uint _e194 = global_1.member[param_32 + param_30];
        uint _e195 = function_15(_e194, param_30, param_31);
        function_14(param_28, param_29 + param_30, _e195, global_1, global_14, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

void function_17(
    uint param_33,
    uint param_34,
    uint param_35,
    uint param_36,
    uint param_37,
    uint param_38,
    device type_17& global_1,
    thread metal::uint2& global_6,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_9 = uint {};
    local_9 = param_35;
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init) {
            uint _e212 = local_9;
            local_9 = _e212 + (4u * param_36);
        }
        loop_init = false;
        metal::uint2 _e192 = global_6;
        if (metal::all(metal::uint2(0u, 0u) == _e192)) {
            break;
        }
        global_6 = _e192 - metal::uint2((_e192.y == 0u) ? 1u : 0u, 1u);
        uint _e200 = local_9;
        if ((_e200 * 4u) < param_37) {
        } else {
            break;
        }
        uint _e203 = local_9;
        function_16(param_33, param_34, _e203, param_37, param_38, global_1, global_14, _buffer_sizes);
        uint _e204 = local_9;
        function_16(param_33, param_34, _e204 + param_36, param_37, param_38, global_1, global_14, _buffer_sizes);
        uint _e206 = local_9;
        function_16(param_33, param_34, _e206 + (2u * param_36), param_37, param_38, global_1, global_14, _buffer_sizes);
        uint _e209 = local_9;
        function_16(param_33, param_34, _e209 + (3u * param_36), param_37, param_38, global_1, global_14, _buffer_sizes);
        continue;
    }
    return;
}

void function_18(
    uint param_39,
    uint param_40,
    metal::uint4 param_41,
    device type_17& global_1,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_39 == 1u) {
        uint _e188 = function_3(param_40, 4u);
        global_14.member[_e188] = param_41;
        return;
    }
    global_1.member[param_40] = param_41.x;
    global_1.member[param_40 + 1u] = param_41.y;
    global_1.member[param_40 + 2u] = param_41.z;
    global_1.member[param_40 + 3u] = param_41.w;
    return;
}

void function_19(
    uint param_42,
    uint param_43,
    type_11 param_44,
    metal::uint2 param_45,
    thread type_3& global,
    device type_17& global_1,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_18(param_42, param_43 + 0u, metal::uint4(1262834254u, 1380535879u, 1u, param_44.member), global_1, global_14, _buffer_sizes);
    function_18(param_42, param_43 + 4u, metal::uint4(param_44.member_1, param_44.member_2, param_44.member_3, param_44.member_4), global_1, global_14, _buffer_sizes);
    function_18(param_42, param_43 + 8u, metal::uint4(param_44.member_5, 0u, param_44.member_6, 0u), global_1, global_14, _buffer_sizes);
    function_18(param_42, param_43 + 12u, metal::uint4(param_44.member_7, 0u, param_44.member_8, 0u), global_1, global_14, _buffer_sizes);
    function_18(param_42, param_43 + 16u, metal::uint4(param_44.member_9, 0u, param_44.member_10, 0u), global_1, global_14, _buffer_sizes);
    function_18(param_42, param_43 + 20u, metal::uint4((param_45.x >> as_type<uint>(12u)) | (param_45.y << as_type<uint>(20u)), param_45.y >> as_type<uint>(12u), param_45.x & 4095u, 0u), global_1, global_14, _buffer_sizes);
    uint _e226 = global.member_12;
    uint _e228 = global.member_13;
    function_18(param_42, (param_43 + 20u) + 4u, metal::uint4(_e226, _e228, param_44.member_11.x, param_44.member_11.y), global_1, global_14, _buffer_sizes);
    return;
}

metal::uint2 function_20(
    metal::uint2 param_46,
    uint param_47
) {
    metal::uint2 local_10 = metal::uint2 {};
    if (param_47 == 0u) {
        return metal::uint2 {};
    }
    uint _e189 = (param_47 >> as_type<uint>(16u)) * 1000u;
    metal::uint2 _e194 = metal::uint2(_e189 << as_type<uint>(16u), _e189 >> as_type<uint>(16u));
    uint _e196 = (param_47 & 65535u) * 1000u;
    local_10 = metal::uint2((param_46.x >> as_type<uint>(12u)) | (param_46.y << as_type<uint>(20u)), param_46.y >> as_type<uint>(12u));
    uint _e209 = local_10[0u];
    local_10[0u] = _e209 + _e196;
    uint _e213 = local_10[0u];
    if (_e213 < _e196) {
        uint _e216 = local_10[1u];
        local_10[1u] = _e216 + 1u;
    }
    uint _e220 = local_10[0u];
    local_10[0u] = _e220 + _e194.x;
    uint _e225 = local_10[0u];
    if (_e225 < _e194.x) {
        uint _e229 = local_10[1u];
        local_10[1u] = _e229 + 1u;
    }
    uint _e233 = local_10[1u];
    local_10[1u] = _e233 + _e194.y;
    metal::uint2 _e237 = local_10;
    return _e237;
}

void function_21(
    uint param_48,
    uint param_49,
    uint param_50,
    type_7 param_51,
    uint param_52,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e189 = metal::atomic_fetch_add_explicit(&global_10, 1u, metal::memory_order_relaxed);
    if (param_50 != 0u) {
        uint _e192 = metal::atomic_fetch_add_explicit(&global_11, 1u, metal::memory_order_relaxed);
    }
    uint _e194 = global.member_9;
    uint _e196 = global.member_5;
    metal::uint2 _e200 = global_12;
    metal::uint2 _e201 = function_12(_e200, global_12, global_13);
    function_17(param_48, param_49 + 64u, 0u, 1u, param_52, (_e194 + _e196) + param_51.member, global_1, global_6, global_14, _buffer_sizes);
    uint _e204 = global.member_1;
    uint _e206 = global_2.member_10;
    uint _e208 = global_2.member_11;
    uint _e210 = global.member_1;
    metal::uint2 _e215 = function_20(_e201, param_51.member_4);
    function_19(param_48, param_49, type_11 {1u, _e189 + 1u, _e204, _e206, _e208, _e210, param_50, param_51.member_2, metal::min(param_51.member_3, 3u), param_52, 0u, {}, _e215}, _e201, global, global_1, global_14, _buffer_sizes);
    return;
}

void function_22(
    uint param_53,
    uint param_54,
    device type_17 const& global_3,
    device type_48& global_9,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e188 = global_15.member.member_1;
    uint _e189 = _e188 + 1u;
    uint _e192 = metal::atomic_exchange_explicit(&global_9.member[param_54 + 6u], _e189, metal::memory_order_relaxed);
    if (_e192 == _e189) {
        return;
    }
    uint _e194 = function_13(_e189, 64u);
    uint _e198 = global_3.member[param_53 + 51u];
    uint _e200 = (_e194 * 64u) + (_e198 * 4u);
    uint _e202 = metal::atomic_fetch_add_explicit(&global_9.member[_e200], 1u, metal::memory_order_relaxed);
    if (_e202 == 0u) {
        metal::atomic_store_explicit(&global_9.member[_e200 + 1u], 1u, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_9.member[_e200 + 2u], 1u, metal::memory_order_relaxed);
    }
    uint _e210 = global_3.member[param_53 + 50u];
    if (_e202 < _e210) {
        uint _e214 = global_3.member[param_53 + 49u];
        metal::atomic_store_explicit(&global_9.member[(_e214 + ((_e189 & 1u) * _e210)) + _e202], param_53, metal::memory_order_relaxed);
        return;
    } else {
        return;
    }
    return;
}

bool function_23(
    uint param_55,
    uint param_56,
    type_7 param_57,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_11 = 1u;
    uint local_12 = 0u;
    uint local_13 = 0u;
    uint _e198 = global.member_5;
    uint _e202 = global.member_4;
    uint _e205 = global.member_4;
    uint _e208 = metal::min(param_57.member_1, _e202 - metal::min(metal::min(param_57.member, _e198) * 4u, _e205));
    uint _e210 = global_6[1u];
    uint _e211 = function_3(_e208, 8u);
    if (_e210 <= (_e211 + 64u)) {
        global_6 = metal::uint2 {};
        return false;
    }
    if (param_56 == 0u) {
        uint _e215 = function_9(global, global_6, global_7, global_8);
        local_12 = _e215;
    } else {
        local_11 = 2u;
        uint _e218 = global_3.member[param_56 + 47u];
        local_13 = _e218;
        uint _e219 = local_13;
        uint _e220 = function_10(param_56, _e219, _e208, global_3, global_6, global_9, _buffer_sizes);
        local_12 = _e220;
    }
    uint _e221 = local_12;
    if (_e221 == 0u) {
        bool _e223 = function_7(global_5);
        return _e223;
    }
    uint _e224 = local_11;
    uint _e225 = local_12;
    function_21(_e224, _e225, param_55, param_57, _e208, global, global_1, global_2, global_6, global_10, global_11, global_12, global_13, global_14, _buffer_sizes);
    if (param_56 != 0u) {
        uint _e229 = global_3.member[param_56 + 0u];
        if (_e229 != 0u) {
            uint _e231 = local_13;
            uint _e234 = global_15.member.member_1;
            uint _e239 = metal::atomic_fetch_add_explicit(&global_9.member[(_e231 + 2u) + ((_e234 + 1u) & 1u)], 1u, metal::memory_order_relaxed);
            uint _e240 = local_13;
            function_22(param_56, _e240, global_3, global_9, global_15, _buffer_sizes);
        } else {
            uint _e241 = local_13;
            uint _e244 = metal::atomic_fetch_add_explicit(&global_9.member[_e241 + 4u], 1u, metal::memory_order_relaxed);
        }
    }
    return true;
}

bool function_24(
    uint param_58,
    uint param_59,
    uint param_60,
    uint param_61,
    uint param_62,
    uint param_63,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e194 = global.member_11;
    if (param_58 >= _e194) {
        bool _e196 = function_7(global_5);
        return _e196;
    }
    uint _e198 = global.member_10;
    uint _e200 = _e198 + (param_58 * 8u);
    uint _e203 = global_3.member[_e200 + 0u];
    if (_e203 == 0u) {
        bool _e205 = function_7(global_5);
        return _e205;
    }
    uint _e208 = global_3.member[_e200 + 2u];
    bool _e210 = function_23(_e203, _e208, type_7 {param_59, param_60, param_61, param_62, param_63}, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
    return _e210;
}

bool function_25(
    uint param_64,
    uint param_65,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e190 = global_2.member_7;
    bool _e191 = function_24(param_64, 0u, param_65, _e190, 1u, 0u, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
    return _e191;
}

void function_26(
    type_2 param_66,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e188 = function_1(0u, global, global_1, _buffer_sizes);
    uint _e189 = function_4(0u, global_1, global_2, global_3, _buffer_sizes);
    function(0u, _e188 + _e189, global, global_1, _buffer_sizes);
    uint _e191 = function_1(0u, global, global_1, _buffer_sizes);
    function_5(0u, _e191, global, global_1, _buffer_sizes);
    if (param_66.member_4 == 0u) {
        function_6(4u, global, global_4);
        bool _e194 = function_25(0u, 4u, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

float function_27(
    uint param_67,
    device type_17 const& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e185 = function_4(param_67, global_1, global_2, global_3, _buffer_sizes);
    return as_type<float>(_e185);
}

float function_28(
    uint param_68,
    thread type_3& global,
    device type_17 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e184 = function_1(param_68, global, global_1, _buffer_sizes);
    return as_type<float>(_e184);
}

void function_29(
    uint param_69,
    float param_70,
    thread type_3& global,
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function(param_69, as_type<uint>(param_70), global, global_1, _buffer_sizes);
    return;
}

void function_30(
    uint param_71,
    float param_72,
    thread type_3& global,
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_5(param_71, as_type<uint>(param_72), global, global_1, _buffer_sizes);
    return;
}

void function_31(
    uint param_73,
    uint param_74,
    thread type_3& global,
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global.member_5;
    if (param_73 < _e186) {
        uint _e189 = global.member_9;
        uint _e191 = global.member_5;
        global_1.member[(_e189 + _e191) + param_73] = param_74;
        return;
    } else {
        return;
    }
    return;
}

void function_32(
    uint param_75,
    float param_76,
    thread type_3& global,
    device type_17& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_31(param_75, as_type<uint>(param_76), global, global_1, _buffer_sizes);
    return;
}

bool function_33(
    uint param_77,
    uint param_78,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e190 = global_2.member_7;
    bool _e192 = function_23(param_77, 0u, type_7 {0u, param_78, _e190, 1u, 0u}, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
    return _e192;
}

metal::uint2 function_34(
    uint param_79,
    uint param_80,
    uint param_81
) {
    return metal::uint2((param_79 << as_type<uint>(12u)) | (param_81 & 4095u), (param_80 << as_type<uint>(12u)) | (param_79 >> as_type<uint>(20u)));
}

metal::uint4 function_35(
    uint param_82,
    metal::uint4 param_83
) {
    return metal::select(metal::uint4 {}, param_83, (metal::uint4(param_82) & metal::uint4(1u, 2u, 4u, 8u)) != metal::uint4 {});
}

uint function_36(
    uint param_84
) {
    metal::uint4 _e183 = function_35(param_84, metal::uint4(3099354981u, 2852767883u, 2405603159u, 3316918511u));
    metal::uint4 _e186 = function_35(param_84 >> as_type<uint>(4u), metal::uint4(1343838111u, 2687676222u, 2601801789u, 3982079547u));
    metal::uint4 _e190 = function_35(param_84 >> as_type<uint>(8u), metal::uint4(29518391u, 59036782u, 118073564u, 236147128u));
    metal::uint4 _e194 = function_35(param_84 >> as_type<uint>(12u), metal::uint4(472294256u, 944588512u, 1889177024u, 3778354048u));
    metal::uint4 _e198 = function_35(param_84 >> as_type<uint>(16u), metal::uint4(421212481u, 842424962u, 1684849924u, 3369699848u));
    metal::uint4 _e202 = function_35(param_84 >> as_type<uint>(20u), metal::uint4(1254232657u, 2508465314u, 4034481925u, 998479947u));
    metal::uint4 _e206 = function_35(param_84 >> as_type<uint>(24u), metal::uint4(1996959894u, 3993919788u, 124634137u, 249268274u));
    metal::uint4 _e210 = function_35(param_84 >> as_type<uint>(28u), metal::uint4(498536548u, 997073096u, 1994146192u, 3988292384u));
    metal::uint4 _e211 = ((((((_e183 ^ _e186) ^ _e190) ^ _e194) ^ _e198) ^ _e202) ^ _e206) ^ _e210;
    return ((_e211.x ^ _e211.y) ^ _e211.z) ^ _e211.w;
}

uint function_37(
    uint param_85,
    uint param_86,
    uint param_87,
    device type_17 const& global_1,
    device type_17 const& global_3,
    thread metal::uint2& global_6,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_14 = 4294967295u;
    uint local_15 = 0u;
    uint2 loop_bound_3 = uint2(4294967295u);
    bool loop_init_1 = true;
    while(true) {
        if (metal::all(loop_bound_3 == uint2(0u))) { break; }
        loop_bound_3 -= uint2(loop_bound_3.y == 0u, 1u);
        if (!loop_init_1) {
            uint _e222 = local_15;
            local_15 = _e222 + 1u;
        }
        loop_init_1 = false;
        metal::uint2 _e191 = global_6;
        if (metal::all(metal::uint2(0u, 0u) == _e191)) {
            break;
        }
        global_6 = _e191 - metal::uint2((_e191.y == 0u) ? 1u : 0u, 1u);
        uint _e199 = local_15;
        if ((_e199 * 4u) < param_87) {
        } else {
            break;
        }
        uint _e202 = local_15;
        uint _e206 = metal::min(param_87 - (_e202 * 4u), 4u) * 8u;
        uint _e207 = local_14;
        uint _e212 = local_14;
        uint _e213 = local_15;
        uint _e215 = function_2(param_85, param_86 + _e213, global_1, global_3, _buffer_sizes);
        uint _e220 = function_36((_e212 ^ _e215) << as_type<uint>(32u - _e206));
        local_14 = ((_e206 == 32u) ? 0u : (_e207 >> as_type<uint>(_e206))) ^ _e220;
        continue;
    }
    uint _e224 = local_14;
    return ~(_e224);
}

void function_38(
    uint param_88,
    device type_17 const& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_5,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    constant type_25& global_15,
    threadgroup type_3& global_16,
    threadgroup metal::atomic_uint& global_18,
    threadgroup metal::atomic_uint& global_19,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread bool& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    thread uint& global_35,
    thread uint& global_36,
    thread uint& global_37,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_16 = uint {};
    uint _e189 = global_15.member.member;
    local_16 = _e189;
    uint _e191 = global_15.member.member_2;
    if (_e191 == 1u) {
        uint _e194 = global_15.member.member;
        uint _e197 = global_3.member[_e194 + param_88];
        local_16 = _e197;
    }
    uint _e199 = global_15.member.member_2;
    if (_e199 == 2u) {
        uint _e202 = global_15.member.member;
        uint _e205 = metal::atomic_load_explicit(&global_9.member[_e202 + param_88], metal::memory_order_relaxed);
        local_16 = _e205;
    }
    uint _e206 = local_16;
    uint _e209 = global_3.member[_e206 + 53u];
    uint _e211 = global_15.member.member_2;
    global_24 = (_e211 == 2u) ? 0u : _e209;
    uint _e214 = local_16;
    uint _e217 = global_3.member[_e214 + 54u];
    global_23 = _e217;
    uint _e218 = local_16;
    uint _e221 = global_3.member[_e218 + 37u];
    uint _e222 = local_16;
    uint _e223 = local_16;
    uint _e226 = global_3.member[_e223 + 32u];
    uint _e227 = local_16;
    uint _e230 = global_3.member[_e227 + 35u];
    uint _e231 = local_16;
    uint _e234 = global_3.member[_e231 + 36u];
    uint _e236 = function_3(_e221 + 3u, 4u);
    uint _e237 = local_16;
    uint _e240 = global_3.member[_e237 + 38u];
    uint _e241 = local_16;
    uint _e244 = global_3.member[_e241 + 40u];
    uint _e245 = local_16;
    uint _e248 = global_3.member[_e245 + 19u];
    uint _e249 = local_16;
    uint _e252 = global_3.member[_e249 + 44u];
    uint _e253 = local_16;
    uint _e256 = global_3.member[_e253 + 45u];
    uint _e257 = local_16;
    uint _e260 = global_3.member[_e257 + 46u];
    uint _e261 = local_16;
    uint _e264 = global_3.member[_e261 + 33u];
    uint _e265 = local_16;
    uint _e269 = global_3.member[(_e265 + 33u) + 1u];
    global_16 = type_3 {_e222, _e226, _e230, _e234, _e221, _e236, _e240, _e244, _e248, _e252, _e256, _e260, _e264, _e269};
    uint _e271 = local_16;
    uint _e274 = global_3.member[_e271 + 20u];
    uint _e275 = local_16;
    uint _e279 = global_3.member[(_e275 + 20u) + 1u];
    uint _e280 = local_16;
    uint _e284 = global_3.member[(_e280 + 20u) + 2u];
    metal::uint2 _e285 = function_34(_e274, _e279, _e284);
    global_12 = _e285;
    uint _e286 = local_16;
    uint _e289 = global_3.member[_e286 + 41u];
    global_21 = _e289;
    uint _e290 = local_16;
    uint _e293 = global_3.member[_e290 + 39u];
    global_22 = _e293;
    uint _e294 = local_16;
    uint _e297 = global_3.member[_e294 + 4u];
    global_32 = _e297;
    uint _e298 = local_16;
    uint _e301 = global_3.member[_e298 + 10u];
    global_33 = _e301;
    uint _e302 = local_16;
    uint _e305 = global_3.member[_e302 + 12u];
    global_34 = _e305;
    uint _e306 = local_16;
    uint _e309 = global_3.member[_e306 + 55u];
    global_35 = _e309;
    uint _e310 = local_16;
    uint _e313 = global_3.member[_e310 + 42u];
    global_36 = _e313;
    uint _e315 = global_3.member[0u];
    global_37 = _e315;
    uint _e316 = local_16;
    uint _e319 = global_3.member[_e316 + 43u];
    global_8 = _e319;
    uint _e320 = global_34;
    metal::atomic_store_explicit(&global_7, _e320, metal::memory_order_relaxed);
    uint _e321 = local_16;
    uint _e324 = global_3.member[_e321 + 26u];
    metal::atomic_store_explicit(&global_10, _e324, metal::memory_order_relaxed);
    uint _e325 = local_16;
    uint _e328 = global_3.member[_e325 + 0u];
    global_31 = _e328 == 0u;
    uint _e330 = local_16;
    uint _e333 = global_3.member[_e330 + 47u];
    bool _e334 = global_31;
    global_27 = _e334 ? 0u : _e333;
    uint _e336 = local_16;
    uint _e339 = global_3.member[_e336 + 48u];
    global_28 = _e339;
    global_25 = 0u;
    global_26 = 0u;
    global_4 = 0u;
    metal::atomic_store_explicit(&global_11, 0u, metal::memory_order_relaxed);
    metal::atomic_store_explicit(&global_5, 0u, metal::memory_order_relaxed);
    metal::atomic_store_explicit(&global_18, 0u, metal::memory_order_relaxed);
    metal::atomic_store_explicit(&global_19, 0u, metal::memory_order_relaxed);
    global_29 = 0u;
    global_30 = 0u;
    uint _e340 = global_27;
    if (_e340 != 0u) {
        uint _e342 = global_27;
        uint _e345 = metal::atomic_load_explicit(&global_9.member[_e342 + 5u], metal::memory_order_relaxed);
        global_29 = _e345;
        uint _e346 = global_27;
        uint _e348 = global_29;
        metal::atomic_store_explicit(&global_9.member[_e346 + 1u], _e348, metal::memory_order_relaxed);
        uint _e350 = global_27;
        uint _e353 = metal::atomic_load_explicit(&global_9.member[_e350 + 4u], metal::memory_order_relaxed);
        uint _e354 = global_27;
        uint _e357 = global_15.member.member_1;
        uint _e361 = metal::atomic_exchange_explicit(&global_9.member[(_e354 + 2u) + (_e357 & 1u)], 0u, metal::memory_order_relaxed);
        global_30 = _e353 + _e361;
        return;
    } else {
        return;
    }
    return;
}

type_14 function_39(
    uint param_89,
    device type_17 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global_3.member[param_89 + 0u];
    uint _e190 = global_3.member[(param_89 + 0u) + 1u];
    uint _e193 = global_3.member[param_89 + 3u];
    uint _e196 = global_3.member[param_89 + 4u];
    uint _e200 = global_3.member[(param_89 + 4u) + 1u];
    uint _e203 = global_3.member[param_89 + 6u];
    uint _e207 = global_3.member[(param_89 + 6u) + 1u];
    uint _e210 = global_3.member[param_89 + 8u];
    uint _e213 = global_3.member[param_89 + 12u];
    uint _e216 = global_3.member[param_89 + 14u];
    uint _e220 = global_3.member[param_89 + 16u];
    uint _e223 = global_3.member[param_89 + 18u];
    uint _e226 = global_3.member[param_89 + 20u];
    uint _e230 = global_3.member[(param_89 + 20u) + 1u];
    uint _e234 = global_3.member[(param_89 + 20u) + 2u];
    metal::uint2 _e235 = function_34(_e226, _e230, _e234);
    uint _e238 = global_3.member[param_89 + 26u];
    uint _e242 = global_3.member[(param_89 + 26u) + 1u];
    return type_14 {_e186, _e190, _e193, _e196, _e200, _e203, _e207, _e210, _e213, _e216 & 255u, _e220, _e223, _e235, _e238, _e242};
}

type_14 function_40(
    uint param_90,
    device type_17 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e186 = global_1.member[param_90 + 0u];
    uint _e190 = global_1.member[(param_90 + 0u) + 1u];
    uint _e193 = global_1.member[param_90 + 3u];
    uint _e196 = global_1.member[param_90 + 4u];
    uint _e200 = global_1.member[(param_90 + 4u) + 1u];
    uint _e203 = global_1.member[param_90 + 6u];
    uint _e207 = global_1.member[(param_90 + 6u) + 1u];
    uint _e210 = global_1.member[param_90 + 8u];
    uint _e213 = global_1.member[param_90 + 12u];
    uint _e216 = global_1.member[param_90 + 14u];
    uint _e220 = global_1.member[param_90 + 16u];
    uint _e223 = global_1.member[param_90 + 20u];
    uint _e227 = global_1.member[(param_90 + 20u) + 1u];
    uint _e231 = global_1.member[(param_90 + 20u) + 2u];
    metal::uint2 _e232 = function_34(_e223, _e227, _e231);
    uint _e235 = global_1.member[param_90 + 26u];
    uint _e239 = global_1.member[(param_90 + 26u) + 1u];
    return type_14 {_e186, _e190, _e193, _e196, _e200, _e203, _e207, _e210, _e213, _e216 & 255u, _e220, 0u, _e232, _e235, _e239};
}

uint function_41(
    type_14 param_91,
    uint param_92,
    uint param_93,
    device type_17 const& global_1,
    device type_17 const& global_3,
    thread metal::uint2& global_6,
    thread metal::uint2& global_13,
    threadgroup type_3& global_16,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_17 = bool {};
    uint _e196 = global_16.member_4;
    if (!((((param_91.member == 1262834254u) && (param_91.member_1 == 1380535879u)) && (param_91.member_10 <= _e196)))) {
        return 4u;
    }
    metal::uint2 _e204 = global_13;
    metal::uint2 _e207 = function_34(param_91.member_13, param_91.member_14, 0u);
    bool _e208 = function_11(_e204, _e207);
    if ((param_91.member_13 | param_91.member_14) != 0u) {
        local_17 = !(_e208);
    } else {
        local_17 = false;
    }
    bool _e210 = local_17;
    if (_e210) {
        return 2u;
    }
    if ((param_91.member_2 & 1u) != 0u) {
        return 0u;
    }
    uint _e216 = function_37(param_92, param_93 + 64u, param_91.member_10, global_1, global_3, global_6, _buffer_sizes);
    return (_e216 == param_91.member_11) ? 0u : 4u;
}

void function_42(
    device type_17 const& global_1,
    device type_17 const& global_3,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    threadgroup type_3& global_16,
    threadgroup type_5& global_17,
    threadgroup metal::atomic_uint& global_18,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread bool& global_31,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_18 = bool {};
    bool local_19 = bool {};
    uint local_20 = 0u;
    type_14 local_21 = type_14 {};
    bool local_22 = bool {};
    bool local_23 = bool {};
    bool local_24 = bool {};
    bool local_25 = bool {};
    uint local_26 = 0u;
    uint local_27 = uint {};
    global_17.member = 0u;
    uint _e205 = global_25;
    uint _e206 = global_24;
    bool _e207 = _e205 < _e206;
    uint _e208 = global_29;
    uint _e209 = global_30;
    bool _e210 = _e208 != _e209;
    bool _e211 = global_31;
    if (!(_e211)) {
        if (!(_e207)) {
            local_19 = _e210;
        } else {
            local_19 = true;
        }
        bool _e214 = local_19;
        local_23 = !(_e214);
    } else {
        local_23 = true;
    }
    bool _e216 = local_23;
    if (_e216) {
        return;
    }
    uint _e217 = global_8;
    uint _e218 = metal::atomic_load_explicit(&global_7, metal::memory_order_relaxed);
    if (!((as_type<int>(_e217 - _e218) <= 0))) {
        uint _e223 = metal::atomic_load_explicit(&global_18, metal::memory_order_relaxed);
        local_25 = _e223 >= 4194304u;
    } else {
        local_25 = true;
    }
    bool _e225 = local_25;
    if (_e225) {
        global_31 = true;
        return;
    }
    if (_e207) {
        uint _e226 = global_23;
        local_27 = _e226;
        uint _e227 = global_25;
        if (_e227 > 0u) {
            uint _e229 = global_21;
            uint _e230 = global_25;
            uint _e233 = global_3.member[_e229 + _e230];
            local_27 = _e233;
        }
        uint _e234 = global_22;
        uint _e235 = local_27;
        uint _e237 = global_16.member_6;
        local_26 = _e234 + (_e235 * _e237);
        uint _e240 = local_26;
        type_14 _e241 = function_39(_e240, global_3, _buffer_sizes);
        local_21 = _e241;
    }
    if (_e210) {
        uint _e243 = global_16.member;
        uint _e246 = global_3.member[_e243 + 52u];
        uint _e247 = global_28;
        uint _e248 = global_29;
        uint _e252 = global_16.member_6;
        uint _e254 = _e247 + ((_e248 & (_e246 - 1u)) * _e252);
        type_14 _e255 = function_40(_e254, global_1, _buffer_sizes);
        uint _e258 = local_21.member_9;
        if (_e255.member_9 == _e258) {
            metal::uint2 _e262 = local_21.member_12;
            bool _e263 = function_11(_e255.member_12, _e262);
            local_22 = _e263;
        } else {
            local_22 = false;
        }
        bool _e264 = local_22;
        if (!(!(_e207))) {
            uint _e269 = local_21.member_9;
            local_18 = _e255.member_9 > _e269;
        } else {
            local_18 = true;
        }
        bool _e271 = local_18;
        if (!(_e271)) {
            local_24 = _e264;
        } else {
            local_24 = true;
        }
        bool _e273 = local_24;
        if (_e273) {
            local_20 = 2u;
            local_26 = _e254;
            local_21 = _e255;
        }
    }
    uint _e274 = local_20;
    if (_e274 == 0u) {
        uint _e276 = global_25;
        global_25 = _e276 + 1u;
    } else {
        uint _e278 = global_29;
        global_29 = _e278 + 1u;
    }
    type_14 _e280 = local_21;
    uint _e281 = local_20;
    uint _e282 = local_26;
    uint _e283 = function_41(_e280, _e281, _e282, global_1, global_3, global_6, global_13, global_16, _buffer_sizes);
    if (_e283 == 0u) {
        metal::uint2 _e286 = local_21.member_12;
        metal::uint2 _e287 = function_12(_e286, global_12, global_13);
        uint _e288 = global_26;
        global_26 = _e288 + 1u;
    }
    uint _e291 = local_21.member_3;
    uint _e293 = local_21.member_4;
    uint _e294 = local_20;
    uint _e295 = local_26;
    uint _e297 = local_21.member_10;
    uint _e299 = local_21.member_8;
    uint _e301 = local_21.member_7;
    uint _e303 = local_21.member_9;
    uint _e305 = local_21.member_5;
    uint _e307 = local_21.member_6;
    global_17 = type_5 {1u, _e283, _e291, _e293, _e294, _e295, _e297, _e299, _e301, _e303, _e305, _e307};
    return;
}

void function_43(
    thread type_3& global,
    device type_17& global_1,
    device type_17& global_3,
    threadgroup metal::atomic_uint& global_5,
    threadgroup metal::atomic_uint& global_7,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::uint2& global_12,
    device type_23& global_14,
    constant type_25& global_15,
    threadgroup metal::atomic_uint& global_19,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_29,
    thread uint& global_30,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    thread uint& global_35,
    thread uint& global_36,
    thread uint& global_37,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_28 = bool {};
    bool local_29 = bool {};
    bool local_30 = bool {};
    uint _e194 = global.member;
    uint _e195 = metal::atomic_load_explicit(&global_7, metal::memory_order_relaxed);
    uint _e196 = metal::atomic_load_explicit(&global_19, metal::memory_order_relaxed);
    bool _e197 = _e196 != 0u;
    uint _e198 = global_32;
    uint _e199 = global_26;
    uint _e200 = _e198 + _e199;
    uint _e201 = global_33;
    uint _e202 = global_25;
    uint _e203 = _e201 + _e202;
    global_3.member[_e194 + 4u] = _e200;
    uint _e206 = global_32;
    if (_e200 < _e206) {
        uint _e209 = (_e194 + 4u) + 1u;
        uint _e211 = global_3.member[_e209];
        global_3.member[_e209] = _e211 + 1u;
    }
    global_3.member[_e194 + 10u] = _e203;
    uint _e216 = global_33;
    if (_e203 < _e216) {
        uint _e219 = (_e194 + 10u) + 1u;
        uint _e221 = global_3.member[_e219];
        global_3.member[_e219] = _e221 + 1u;
    }
    uint _e225 = global_24;
    uint _e226 = global_25;
    global_3.member[_e194 + 6u] = _e225 - _e226;
    global_3.member[_e194 + 12u] = _e195;
    uint _e231 = global_34;
    if (_e195 < _e231) {
        uint _e234 = (_e194 + 12u) + 1u;
        uint _e236 = global_3.member[_e234];
        global_3.member[_e234] = _e236 + 1u;
    }
    uint _e240 = metal::atomic_load_explicit(&global_10, metal::memory_order_relaxed);
    global_3.member[_e194 + 26u] = _e240;
    uint _e244 = global_12[0u];
    uint _e248 = global_12[1u];
    global_3.member[_e194 + 20u] = (_e244 >> as_type<uint>(12u)) | (_e248 << as_type<uint>(20u));
    uint _e256 = global_12[1u];
    global_3.member[(_e194 + 20u) + 1u] = _e256 >> as_type<uint>(12u);
    uint _e263 = global_12[0u];
    global_3.member[(_e194 + 20u) + 2u] = _e263 & 4095u;
    if (_e197) {
        global_3.member[_e194 + 0u] = 0u;
        global_3.member[_e194 + 2u] = 1u;
        global_3.member[_e194 + 24u] = 1u;
        uint _e272 = _e194 + 25u;
        uint _e274 = global_3.member[_e272];
        global_3.member[_e272] = _e274 + 1u;
    }
    uint _e277 = global_27;
    if (_e277 != 0u) {
        uint _e279 = global_27;
        uint _e282 = metal::atomic_load_explicit(&global_9.member[_e279 + 1u], metal::memory_order_relaxed);
        uint _e283 = global_27;
        uint _e286 = metal::atomic_load_explicit(&global_9.member[_e283 + 0u], metal::memory_order_relaxed);
        uint _e289 = global_3.member[_e194 + 52u];
        uint _e290 = global_27;
        uint _e292 = global_30;
        metal::atomic_store_explicit(&global_9.member[_e290 + 4u], _e292, metal::memory_order_relaxed);
        uint _e294 = global_27;
        uint _e296 = global_29;
        metal::atomic_store_explicit(&global_9.member[_e294 + 5u], _e296, metal::memory_order_relaxed);
        uint _e299 = function_3(_e289, 2u);
        if ((_e286 - _e282) > _e299) {
            uint _e301 = global_29;
            local_28 = _e301 != _e282;
        } else {
            local_28 = false;
        }
        bool _e303 = local_28;
        uint _e306 = global_3.member[_e194 + 0u];
        if (_e306 != 0u) {
            uint _e308 = global_30;
            if (!((_e286 != _e308))) {
                local_30 = _e303;
            } else {
                local_30 = true;
            }
            bool _e311 = local_30;
            local_29 = _e311;
        } else {
            local_29 = false;
        }
        bool _e312 = local_29;
        if (_e312) {
            uint _e313 = global_27;
            function_22(_e194, _e313, global_3, global_9, global_15, _buffer_sizes);
        }
    }
    uint _e315 = global_29;
    uint _e316 = global_30;
    uint _e321 = global_15.member.member_2;
    if (_e321 != 2u) {
        uint _e323 = global_36;
        uint _e325 = global_25;
        function_14(1u, _e323 + 4u, _e325, global_1, global_14, _buffer_sizes);
    }
    uint _e326 = metal::atomic_load_explicit(&global_5, metal::memory_order_relaxed);
    if (_e326 != 0u) {
        uint _e329 = global_35;
        global_3.member[_e194 + 55u] = _e329 + _e326;
        uint _e332 = global_36;
        uint _e334 = global_35;
        function_14(1u, _e332 + 5u, _e334 + _e326, global_1, global_14, _buffer_sizes);
    }
    uint _e336 = global_36;
    uint _e337 = global_37;
    function_18(1u, _e336, metal::uint4(_e337, _e195, _e200, (_e197 ? 1u : 0u) | ((_e315 != _e316) ? 2u : 0u)), global_1, global_14, _buffer_sizes);
    return;
}

void function_44(
    uint param_94,
    uint param_95,
    uint param_96,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_11 local_31 = type_11 {};
    uint _e190 = metal::atomic_load_explicit(&global_7, metal::memory_order_relaxed);
    uint _e191 = function_8(_e190, global);
    uint _e194 = global.member_9;
    function_17(1u, _e191 + 64u, param_94, 32u, param_95, _e194, global_1, global_6, global_14, _buffer_sizes);
    if (param_94 != 0u) {
        return;
    }
    uint _e197 = global_2.member_2;
    uint _e199 = global_2.member_3;
    uint _e201 = global_2.member_10;
    uint _e203 = global_2.member_11;
    uint _e205 = global_2.member_8;
    uint _e207 = global_2.member_7;
    uint _e209 = global_2.member_9;
    uint _e211 = metal::atomic_load_explicit(&global_11, metal::memory_order_relaxed);
    local_31 = type_11 {param_96, _e197, _e199, _e201, _e203, _e205, 0u, _e207, _e209 & 3u, param_95, _e211, {}, metal::uint2 {}};
    if (param_96 == 0u) {
        uint _e214 = metal::atomic_fetch_add_explicit(&global_10, 1u, metal::memory_order_relaxed);
        local_31.member_1 = _e214 + 1u;
        uint _e218 = global.member_1;
        local_31.member_2 = _e218;
        uint _e221 = global.member_1;
        local_31.member_5 = _e221;
        uint _e224 = global.member_9;
        uint _e225 = function_37(2u, _e224, param_95, global_1, global_3, global_6, _buffer_sizes);
        local_31.member_10 = _e225;
    }
    type_11 _e227 = local_31;
    metal::uint2 _e228 = global_12;
    metal::uint2 _e229 = function_12(_e228, global_12, global_13);
    function_19(1u, _e191, _e227, _e229, global, global_1, global_14, _buffer_sizes);
    return;
}

void function_45(
    type_2 param_97,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17 const& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_26(param_97, global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
    return;
}

void function_46(
    uint param_98,
    metal::uint3 param_99,
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    threadgroup type_3& global_16,
    threadgroup type_5& global_17,
    threadgroup metal::atomic_uint& global_18,
    threadgroup metal::atomic_uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread bool& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    thread uint& global_35,
    thread uint& global_36,
    thread uint& global_37,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_32 = bool {};
    bool local_33 = bool {};
    bool local_34 = bool {};
    uint _e196 = global_3.member[3u];
    uint _e198 = global_15.member.member_3;
    if (_e196 != _e198) {
        return;
    }
    global_6 = metal::uint2(4294967295u, 4294967295u);
    global_20 = 0u;
    uint _e201 = global_3.member[1u];
    uint _e203 = global_3.member[2u];
    global_13 = metal::uint2(_e201, _e203);
    if (param_98 == 0u) {
        function_38(param_99.x, global_3, global_4, global_5, global_7, global_8, global_9, global_10, global_11, global_12, global_15, global_16, global_18, global_19, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, global_35, global_36, global_37, _buffer_sizes);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    type_3 _e207 = global_16;
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global = _e207;
    uint2 loop_bound_4 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_4 == uint2(0u))) { break; }
        loop_bound_4 -= uint2(loop_bound_4.y == 0u, 1u);
        metal::uint2 _e208 = global_6;
        if (metal::all(metal::uint2(0u, 0u) == _e208)) {
            break;
        }
        global_6 = _e208 - metal::uint2((_e208.y == 0u) ? 1u : 0u, 1u);
        if (param_98 == 0u) {
            function_42(global_1, global_3, global_6, global_7, global_8, global_12, global_13, global_16, global_17, global_18, global_21, global_22, global_23, global_24, global_25, global_26, global_28, global_29, global_30, global_31, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        type_5 _e217 = global_17;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e217.member == 0u) {
            break;
        }
        global_2 = _e217;
        uint _e220 = global_20;
        uint _e222 = global_6[1u];
        global_20 = _e220 + (4294967295u - _e222);
        if (_e217.member_1 == 0u) {
            global_6 = metal::uint2(0u, 33554432u);
            function_45(type_2 {_e217.member_7, _e217.member_6, _e217.member_8, _e217.member_9, param_98, 32u, metal::uint2(_e217.member_10, _e217.member_11)}, global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, _buffer_sizes);
            uint _e236 = global_6[1u];
            uint _e237 = 33554432u - _e236;
            global_6 = metal::uint2(4294967295u, 4294967295u);
            if (_e237 == 33554432u) {
                metal::atomic_store_explicit(&global_19, 1u, metal::memory_order_relaxed);
            }
            uint _e239 = global_20;
            global_20 = _e239 + _e237;
            uint _e241 = global_20;
            uint _e242 = metal::atomic_fetch_max_explicit(&global_18, _e241, metal::memory_order_relaxed);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_device);
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        uint _e243 = global_4;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e217.member_1 == 0u) {
            local_32 = _e243 == 0u;
        } else {
            local_32 = false;
        }
        bool _e247 = local_32;
        if (_e247) {
            local_33 = (_e217.member_10 | _e217.member_11) != 0u;
        } else {
            local_33 = false;
        }
        bool _e252 = local_33;
        uint _e254 = _e252 ? 8u : _e217.member_1;
        uint _e256 = (_e254 != 0u) ? 1u : _e243;
        uint _e257 = metal::atomic_load_explicit(&global_19, metal::memory_order_relaxed);
        bool _e258 = _e257 != 0u;
        if (_e256 != 0u) {
            local_34 = !(_e258);
        } else {
            local_34 = false;
        }
        bool _e261 = local_34;
        if (_e261) {
            function_44(param_98, _e256 - 1u, _e254, global, global_1, global_2, global_3, global_6, global_7, global_10, global_11, global_12, global_13, global_14, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (param_98 == 0u) {
            if (_e258) {
                global_31 = true;
            } else {
                if (_e256 != 0u) {
                    uint _e265 = metal::atomic_fetch_add_explicit(&global_7, 1u, metal::memory_order_relaxed);
                }
            }
            global_4 = 0u;
            metal::atomic_store_explicit(&global_11, 0u, metal::memory_order_relaxed);
        }
        continue;
    }
    if (param_98 == 0u) {
        function_43(global, global_1, global_3, global_5, global_7, global_9, global_10, global_12, global_14, global_15, global_19, global_24, global_25, global_26, global_27, global_29, global_30, global_32, global_33, global_34, global_35, global_36, global_37, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

void function_47(
    thread type_3& global,
    device type_17& global_1,
    thread type_5& global_2,
    device type_17& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_5,
    thread metal::uint2& global_6,
    threadgroup metal::atomic_uint& global_7,
    threadgroup uint& global_8,
    device type_48& global_9,
    threadgroup metal::atomic_uint& global_10,
    threadgroup metal::atomic_uint& global_11,
    threadgroup metal::uint2& global_12,
    thread metal::uint2& global_13,
    device type_23& global_14,
    constant type_25& global_15,
    threadgroup type_3& global_16,
    threadgroup type_5& global_17,
    threadgroup metal::atomic_uint& global_18,
    threadgroup metal::atomic_uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_28,
    thread uint& global_29,
    thread uint& global_30,
    thread bool& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    thread uint& global_35,
    thread uint& global_36,
    thread uint& global_37,
    thread uint& global_38,
    thread metal::uint3& global_39,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e182 = global_38;
    metal::uint3 _e183 = global_39;
    if (_e182 == 0u) {
        global_4 = uint {};
        metal::atomic_store_explicit(&global_5, uint {}, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_7, uint {}, metal::memory_order_relaxed);
        global_8 = uint {};
        metal::atomic_store_explicit(&global_10, uint {}, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_11, uint {}, metal::memory_order_relaxed);
        global_12 = metal::uint2 {};
        global_16 = type_3 {};
        global_17 = type_5 {};
        metal::atomic_store_explicit(&global_18, uint {}, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_19, uint {}, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    function_46(_e182, _e183, global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, global_16, global_17, global_18, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, global_35, global_36, global_37, _buffer_sizes);
    return;
}

struct main_Input {
};
[[max_total_threads_per_threadgroup(32)]] kernel void main_(
  uint param [[thread_index_in_threadgroup]]
, metal::uint3 param_1 [[threadgroup_position_in_grid]]
, device type_17& global_1 [[buffer(2)]]
, device type_17& global_3 [[buffer(0)]]
, device type_48& global_9 [[buffer(3)]]
, device type_23& global_14 [[buffer(1)]]
, constant type_25& global_15 [[buffer(4)]]
, constant _mslBufferSizes& _buffer_sizes [[buffer(5)]]
) {
    threadgroup uint global_4;
    threadgroup metal::atomic_uint global_5;
    threadgroup metal::atomic_uint global_7;
    threadgroup uint global_8;
    threadgroup metal::atomic_uint global_10;
    threadgroup metal::atomic_uint global_11;
    threadgroup metal::uint2 global_12;
    threadgroup type_3 global_16;
    threadgroup type_5 global_17;
    threadgroup metal::atomic_uint global_18;
    threadgroup metal::atomic_uint global_19;
    type_3 global = type_3 {};
    type_5 global_2 = type_5 {};
    metal::uint2 global_6 = metal::uint2 {};
    metal::uint2 global_13 = metal::uint2 {};
    uint global_20 = uint {};
    uint global_21 = uint {};
    uint global_22 = uint {};
    uint global_23 = uint {};
    uint global_24 = uint {};
    uint global_25 = uint {};
    uint global_26 = uint {};
    uint global_27 = uint {};
    uint global_28 = uint {};
    uint global_29 = uint {};
    uint global_30 = uint {};
    bool global_31 = bool {};
    uint global_32 = uint {};
    uint global_33 = uint {};
    uint global_34 = uint {};
    uint global_35 = uint {};
    uint global_36 = uint {};
    uint global_37 = uint {};
    uint global_38 = {};
    metal::uint3 global_39 = {};
    if (param == 0u) {
        global_4 = {};
        metal::atomic_store_explicit(&global_5, 0, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_7, 0, metal::memory_order_relaxed);
        global_8 = {};
        metal::atomic_store_explicit(&global_10, 0, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_11, 0, metal::memory_order_relaxed);
        global_12 = {};
        global_16 = {};
        global_17 = {};
        metal::atomic_store_explicit(&global_18, 0, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_19, 0, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global_38 = param;
    global_39 = param_1;
    function_47(global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, global_16, global_17, global_18, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, global_35, global_36, global_37, global_38, global_39, _buffer_sizes);
}
