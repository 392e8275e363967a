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
typedef metal::uint4 type_9[1];
struct type_10 {
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
struct type_11 {
    uint member;
    uint member_1;
    uint member_2;
    uint member_3;
};
struct type_13 {
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
struct type_16 {
    type_4 member;
};
struct type_21 {
    type_9 member;
};
struct type_24 {
    type_11 member;
};
struct _atomic_compare_exchange_result_Uint_4_ {
    uint old_value;
    bool exchanged;
    char _pad2[3];
};
typedef metal::atomic_uint type_46[1];
struct type_47 {
    type_46 member;
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
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global.member_3;
    if (param_2 < _e177) {
        uint _e180 = global.member_2;
        global_1.member[_e180 + param_2] = param_3;
        return;
    } else {
        return;
    }
    return;
}

uint function_1(
    uint param_4,
    thread type_3& global,
    device type_16 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e176 = global.member_3;
    if (param_4 >= _e176) {
        return 0u;
    }
    uint _e179 = global.member_2;
    uint _e182 = global_1.member[_e179 + param_4];
    return _e182;
}

uint function_2(
    uint param_5,
    uint param_6,
    device type_16 const& global_1,
    device type_16 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_5 == 0u) {
        uint _e179 = global_3.member[param_6];
        return _e179;
    }
    uint _e181 = global_1.member[param_6];
    return _e181;
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
    device type_16 const& global_1,
    thread type_5& global_2,
    device type_16 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global_2.member_6;
    uint _e179 = function_3(_e177 + 3u, 4u);
    if (param_9 >= _e179) {
        return 0u;
    }
    uint _e182 = global_2.member_4;
    uint _e184 = global_2.member_5;
    uint _e187 = function_2(_e182, (_e184 + 64u) + param_9, global_1, global_3, _buffer_sizes);
    return _e187;
}

void function_5(
    uint param_10,
    uint param_11,
    thread type_3& global,
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global.member_5;
    if (param_10 < _e177) {
        uint _e180 = global.member_9;
        global_1.member[_e180 + param_10] = param_11;
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
    uint _e174 = global_4;
    if (_e174 == 0u) {
        uint _e177 = global.member_4;
        global_4 = metal::min(param_12, _e177) + 1u;
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
    uint _e175 = global.member_7;
    uint _e177 = global.member_8;
    uint _e180 = global.member_6;
    return _e175 + ((param_13 & _e177) * _e180);
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
    uint _e179 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    local = _e179;
    uint2 loop_bound = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound == uint2(0u))) { break; }
        loop_bound -= uint2(loop_bound.y == 0u, 1u);
        metal::uint2 _e180 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e180)) {
            break;
        }
        global_5 = _e180 - metal::uint2((_e180.y == 0u) ? 1u : 0u, 1u);
        bool _e188 = local_1;
        if (!(_e188)) {
        } else {
            break;
        }
        uint _e190 = global_7;
        uint _e191 = local;
        if (as_type<int>(_e190 - _e191) <= 1) {
            break;
        }
        uint _e195 = local;
        uint _e196 = local;
        _atomic_compare_exchange_result_Uint_4_ _e198 = naga_atomic_compare_exchange_weak_explicit(&global_6, _e195, _e196 + 1u);
        type_7 _e201 = type_7 {_e198.old_value, _e198.old_value == _e195};
        local_1 = _e201.member_1;
        bool _e203 = local_1;
        if (!(_e203)) {
            local = _e201.member;
        }
        continue;
    }
    uint _e206 = local;
    uint _e207 = function_7(_e206, global);
    bool _e208 = local_1;
    return _e208 ? _e207 : 0u;
}

uint function_9(
    uint param_14,
    uint param_15,
    uint param_16,
    device type_16 const& global_3,
    thread metal::uint2& global_5,
    device type_47& global_8,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_3 = uint {};
    bool local_4 = false;
    bool local_5 = bool {};
    metal::uint2 local_6 = metal::uint2(4294967295u, 4294967295u);
    uint _e188 = global_3.member[param_14 + 37u];
    if (_e188 < param_16) {
        return 0u;
    }
    uint _e192 = global_3.member[param_14 + 52u];
    uint _e195 = metal::atomic_load_explicit(&global_8.member[param_15 + 1u], metal::memory_order_relaxed);
    uint _e198 = metal::atomic_load_explicit(&global_8.member[param_15 + 0u], metal::memory_order_relaxed);
    local_3 = _e198;
    uint2 loop_bound_1 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_1 == uint2(0u))) { break; }
        loop_bound_1 -= uint2(loop_bound_1.y == 0u, 1u);
        metal::uint2 _e199 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e199)) {
            break;
        }
        global_5 = _e199 - metal::uint2((_e199.y == 0u) ? 1u : 0u, 1u);
        bool _e207 = local_4;
        if (!(_e207)) {
            uint _e209 = local_3;
            local_5 = (_e209 - _e195) < _e192;
        } else {
            local_5 = false;
        }
        bool _e212 = local_5;
        if (_e212) {
        } else {
            break;
        }
        uint _e214 = local_3;
        uint _e215 = local_3;
        _atomic_compare_exchange_result_Uint_4_ _e218 = naga_atomic_compare_exchange_weak_explicit(&global_8.member[param_15 + 0u], _e214, _e215 + 1u);
        type_7 _e221 = type_7 {_e218.old_value, _e218.old_value == _e214};
        local_4 = _e221.member_1;
        bool _e223 = local_4;
        if (!(_e223)) {
            local_3 = _e221.member;
        }
        continue;
    }
    bool _e226 = local_4;
    if (!(_e226)) {
        uint _e230 = metal::atomic_fetch_add_explicit(&global_8.member[param_15 + 7u], 1u, metal::memory_order_relaxed);
        return 0u;
    }
    uint _e233 = global_3.member[param_14 + 48u];
    uint _e234 = local_3;
    uint _e239 = global_3.member[param_14 + 38u];
    return _e233 + ((_e234 & (_e192 - 1u)) * _e239);
}

uint naga_mod(uint lhs, uint rhs) {
    return lhs % metal::select(rhs, 1u, rhs == 0u);
}

uint function_10(
    uint param_17,
    uint param_18
) {
    return naga_mod(param_17, (param_18 == 0u) ? 1u : param_18);
}

void function_11(
    uint param_19,
    uint param_20,
    uint param_21,
    device type_16& global_1,
    device type_21& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_19 == 1u) {
        uint _e179 = function_3(param_20, 4u);
        uint _e180 = function_10(param_20, 4u);
        global_10.member[_e179][_e180] = param_21;
        return;
    } else {
        global_1.member[param_20] = param_21;
        return;
    }
    return;
}

uint function_12(
    uint param_22,
    uint param_23,
    uint param_24
) {
    bool local_7 = bool {};
    uint _e179 = (param_24 & 3u) * 8u;
    uint _e180 = function_3(param_24, 4u);
    if (param_23 == _e180) {
        local_7 = _e179 != 0u;
    } else {
        local_7 = false;
    }
    bool _e183 = local_7;
    if (_e183) {
        return param_22 & ((1u << as_type<uint>(_e179)) - 1u);
    }
    return param_22;
}

void function_13(
    uint param_25,
    uint param_26,
    uint param_27,
    uint param_28,
    uint param_29,
    device type_16& global_1,
    device type_21& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    if ((param_27 * 4u) < param_28) {
        uint _e185 = global_1.member[param_29 + param_27];
        uint _e186 = function_12(_e185, param_27, param_28);
        function_11(param_25, param_26 + param_27, _e186, global_1, global_10, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

void function_14(
    uint param_30,
    uint param_31,
    uint param_32,
    uint param_33,
    uint param_34,
    uint param_35,
    device type_16& global_1,
    thread metal::uint2& global_5,
    device type_21& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_8 = uint {};
    metal::uint2 local_9 = metal::uint2(4294967295u, 4294967295u);
    local_8 = param_32;
    uint2 loop_bound_2 = uint2(4294967295u);
    bool loop_init = true;
    while(true) {
        if (metal::all(loop_bound_2 == uint2(0u))) { break; }
        loop_bound_2 -= uint2(loop_bound_2.y == 0u, 1u);
        if (!loop_init) {
            uint _e205 = local_8;
            local_8 = _e205 + (4u * param_33);
        }
        loop_init = false;
        metal::uint2 _e185 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e185)) {
            break;
        }
        global_5 = _e185 - metal::uint2((_e185.y == 0u) ? 1u : 0u, 1u);
        uint _e193 = local_8;
        if ((_e193 * 4u) < param_34) {
        } else {
            break;
        }
        uint _e196 = local_8;
        function_13(param_30, param_31, _e196, param_34, param_35, global_1, global_10, _buffer_sizes);
        uint _e197 = local_8;
        function_13(param_30, param_31, _e197 + param_33, param_34, param_35, global_1, global_10, _buffer_sizes);
        uint _e199 = local_8;
        function_13(param_30, param_31, _e199 + (2u * param_33), param_34, param_35, global_1, global_10, _buffer_sizes);
        uint _e202 = local_8;
        function_13(param_30, param_31, _e202 + (3u * param_33), param_34, param_35, global_1, global_10, _buffer_sizes);
        continue;
    }
    return;
}

void function_15(
    uint param_36,
    uint param_37,
    metal::uint4 param_38,
    device type_16& global_1,
    device type_21& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    if (param_36 == 1u) {
        uint _e179 = function_3(param_37, 4u);
        global_10.member[_e179] = param_38;
        return;
    }
    global_1.member[param_37] = param_38.x;
    global_1.member[param_37 + 1u] = param_38.y;
    global_1.member[param_37 + 2u] = param_38.z;
    global_1.member[param_37 + 3u] = param_38.w;
    return;
}

void function_16(
    uint param_39,
    uint param_40,
    type_10 param_41,
    metal::uint2 param_42,
    thread type_3& global,
    device type_16& global_1,
    device type_21& global_10,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_15(param_39, param_40 + 0u, metal::uint4(1262834254u, 1380535879u, 1u, param_41.member), global_1, global_10, _buffer_sizes);
    function_15(param_39, param_40 + 4u, metal::uint4(param_41.member_1, param_41.member_2, param_41.member_3, param_41.member_4), global_1, global_10, _buffer_sizes);
    function_15(param_39, param_40 + 8u, metal::uint4(param_41.member_5, 0u, param_41.member_6, 0u), global_1, global_10, _buffer_sizes);
    function_15(param_39, param_40 + 12u, metal::uint4(param_41.member_7, 0u, param_41.member_8, 0u), global_1, global_10, _buffer_sizes);
    function_15(param_39, param_40 + 16u, metal::uint4(param_41.member_9, 0u, param_41.member_10, 0u), global_1, global_10, _buffer_sizes);
    function_15(param_39, param_40 + 20u, metal::uint4((param_42.x >> as_type<uint>(12u)) | (param_42.y << as_type<uint>(20u)), param_42.y >> as_type<uint>(12u), param_42.x & 4095u, 0u), global_1, global_10, _buffer_sizes);
    uint _e217 = global.member_12;
    uint _e219 = global.member_13;
    function_15(param_39, (param_40 + 20u) + 4u, metal::uint4(_e217, _e219, 0u, 0u), global_1, global_10, _buffer_sizes);
    return;
}

bool function_17(
    metal::uint2 param_43,
    metal::uint2 param_44
) {
    bool local_10 = bool {};
    bool local_11 = bool {};
    if (!((param_43.y < param_44.y))) {
        if (param_43.y == param_44.y) {
            local_11 = param_43.x < param_44.x;
        } else {
            local_11 = false;
        }
        bool _e189 = local_11;
        local_10 = _e189;
    } else {
        local_10 = true;
    }
    bool _e190 = local_10;
    return _e190;
}

metal::uint2 function_18(
    metal::uint2 param_45,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12
) {
    metal::uint2 local_12 = metal::uint2 {};
    metal::uint2 _e176 = global_11;
    local_12 = _e176;
    metal::uint2 _e177 = local_12;
    bool _e178 = function_17(_e177, param_45);
    if (_e178) {
        local_12 = param_45;
    }
    uint _e180 = local_12[0u];
    local_12[0u] = _e180 + 1u;
    uint _e184 = local_12[0u];
    if (_e184 == 0u) {
        uint _e187 = local_12[1u];
        local_12[1u] = _e187 + 1u;
    }
    metal::uint2 _e190 = local_12;
    metal::uint2 _e191 = global_12;
    bool _e192 = function_17(_e190, _e191);
    if (_e192) {
        metal::uint2 _e193 = global_12;
        local_12 = _e193;
    }
    metal::uint2 _e194 = local_12;
    global_11 = _e194;
    metal::uint2 _e195 = local_12;
    return _e195;
}

void function_19(
    uint param_46,
    uint param_47,
    uint param_48,
    uint param_49,
    thread type_3& global,
    device type_16& global_1,
    thread type_5& global_2,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e179 = metal::atomic_fetch_add_explicit(&global_9, 1u, metal::memory_order_relaxed);
    uint _e182 = global.member_9;
    uint _e184 = global.member_5;
    function_14(param_46, param_47 + 64u, 0u, 1u, param_49, _e182 + _e184, global_1, global_5, global_10, _buffer_sizes);
    uint _e188 = global.member_1;
    uint _e190 = global.member_1;
    uint _e192 = global_2.member_7;
    metal::uint2 _e194 = global_11;
    metal::uint2 _e195 = function_18(_e194, global_11, global_12);
    function_16(param_46, param_47, type_10 {1u, _e179 + 1u, _e188, 0u, 0u, _e190, param_48, _e192, 1u, param_49, 0u}, _e195, global, global_1, global_10, _buffer_sizes);
    return;
}

void function_20(
    uint param_50,
    uint param_51,
    device type_16 const& global_3,
    device type_47& global_8,
    constant type_24& global_13,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e179 = global_13.member.member_1;
    uint _e180 = _e179 + 1u;
    uint _e183 = metal::atomic_exchange_explicit(&global_8.member[param_51 + 6u], _e180, metal::memory_order_relaxed);
    if (_e183 == _e180) {
        return;
    }
    uint _e185 = function_10(_e180, 64u);
    uint _e189 = global_3.member[param_50 + 51u];
    uint _e191 = (_e185 * 64u) + (_e189 * 4u);
    uint _e193 = metal::atomic_fetch_add_explicit(&global_8.member[_e191], 1u, metal::memory_order_relaxed);
    if (_e193 == 0u) {
        metal::atomic_store_explicit(&global_8.member[_e191 + 1u], 1u, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_8.member[_e191 + 2u], 1u, metal::memory_order_relaxed);
    }
    uint _e201 = global_3.member[param_50 + 50u];
    if (_e193 < _e201) {
        uint _e205 = global_3.member[param_50 + 49u];
        metal::atomic_store_explicit(&global_8.member[(_e205 + ((_e180 & 1u) * _e201)) + _e193], param_50, metal::memory_order_relaxed);
        return;
    } else {
        return;
    }
    return;
}

bool function_21(
    uint param_52,
    uint param_53,
    thread type_3& global,
    device type_16& global_1,
    thread type_5& global_2,
    device type_16 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_47& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    constant type_24& global_13,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_13 = 1u;
    uint local_14 = 0u;
    uint local_15 = 0u;
    uint _e187 = global.member_11;
    if (param_52 >= _e187) {
        return false;
    }
    uint _e190 = global.member_10;
    uint _e192 = _e190 + (param_52 * 8u);
    uint _e195 = global_3.member[_e192 + 0u];
    if (_e195 == 0u) {
        return false;
    }
    uint _e199 = global_3.member[_e192 + 2u];
    uint _e201 = global.member_4;
    uint _e202 = metal::min(param_53, _e201);
    uint _e204 = global_5[1u];
    uint _e205 = function_3(_e202, 8u);
    if (_e204 <= (_e205 + 64u)) {
        global_5 = metal::uint2 {};
        return false;
    }
    if (_e199 == 0u) {
        uint _e209 = function_8(global, global_5, global_6, global_7);
        local_14 = _e209;
    } else {
        local_13 = 2u;
        uint _e212 = global_3.member[_e199 + 47u];
        local_15 = _e212;
        uint _e213 = local_15;
        uint _e214 = function_9(_e199, _e213, _e202, global_3, global_5, global_8, _buffer_sizes);
        local_14 = _e214;
    }
    uint _e215 = local_14;
    if (_e215 == 0u) {
        return false;
    }
    uint _e217 = local_13;
    uint _e218 = local_14;
    function_19(_e217, _e218, _e195, _e202, global, global_1, global_2, global_5, global_9, global_10, global_11, global_12, _buffer_sizes);
    if (_e199 != 0u) {
        uint _e222 = global_3.member[_e199 + 0u];
        if (_e222 != 0u) {
            uint _e224 = local_15;
            uint _e227 = global_13.member.member_1;
            uint _e232 = metal::atomic_fetch_add_explicit(&global_8.member[(_e224 + 2u) + ((_e227 + 1u) & 1u)], 1u, metal::memory_order_relaxed);
            uint _e233 = local_15;
            function_20(_e199, _e233, global_3, global_8, global_13, _buffer_sizes);
        } else {
            uint _e234 = local_15;
            uint _e237 = metal::atomic_fetch_add_explicit(&global_8.member[_e234 + 4u], 1u, metal::memory_order_relaxed);
        }
    }
    return true;
}

void function_22(
    type_2 param_54,
    thread type_3& global,
    device type_16& global_1,
    thread type_5& global_2,
    device type_16 const& global_3,
    threadgroup uint& global_4,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_47& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    constant type_24& global_13,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e179 = function_1(0u, global, global_1, _buffer_sizes);
    uint _e180 = function_4(0u, global_1, global_2, global_3, _buffer_sizes);
    function(0u, _e179 + _e180, global, global_1, _buffer_sizes);
    uint _e182 = function_1(0u, global, global_1, _buffer_sizes);
    function_5(0u, _e182, global, global_1, _buffer_sizes);
    if (param_54.member_4 == 0u) {
        function_6(4u, global, global_4);
        bool _e185 = function_21(0u, 4u, global, global_1, global_2, global_3, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, _buffer_sizes);
        return;
    } else {
        return;
    }
    return;
}

float function_23(
    uint param_55,
    device type_16 const& global_1,
    thread type_5& global_2,
    device type_16 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e176 = function_4(param_55, global_1, global_2, global_3, _buffer_sizes);
    return as_type<float>(_e176);
}

float function_24(
    uint param_56,
    thread type_3& global,
    device type_16 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e175 = function_1(param_56, global, global_1, _buffer_sizes);
    return as_type<float>(_e175);
}

void function_25(
    uint param_57,
    float param_58,
    thread type_3& global,
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function(param_57, as_type<uint>(param_58), global, global_1, _buffer_sizes);
    return;
}

void function_26(
    uint param_59,
    float param_60,
    thread type_3& global,
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_5(param_59, as_type<uint>(param_60), global, global_1, _buffer_sizes);
    return;
}

void function_27(
    uint param_61,
    uint param_62,
    thread type_3& global,
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global.member_5;
    if (param_61 < _e177) {
        uint _e180 = global.member_9;
        uint _e182 = global.member_5;
        global_1.member[(_e180 + _e182) + param_61] = param_62;
        return;
    } else {
        return;
    }
    return;
}

void function_28(
    uint param_63,
    float param_64,
    thread type_3& global,
    device type_16& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    function_27(param_63, as_type<uint>(param_64), global, global_1, _buffer_sizes);
    return;
}

metal::uint2 function_29(
    uint param_65,
    uint param_66,
    uint param_67
) {
    return metal::uint2((param_65 << as_type<uint>(12u)) | (param_67 & 4095u), (param_66 << as_type<uint>(12u)) | (param_65 >> as_type<uint>(20u)));
}

metal::uint4 function_30(
    uint param_68,
    metal::uint4 param_69
) {
    return metal::select(metal::uint4 {}, param_69, (metal::uint4(param_68) & metal::uint4(1u, 2u, 4u, 8u)) != metal::uint4 {});
}

uint function_31(
    uint param_70
) {
    metal::uint4 _e174 = function_30(param_70, metal::uint4(3099354981u, 2852767883u, 2405603159u, 3316918511u));
    metal::uint4 _e177 = function_30(param_70 >> as_type<uint>(4u), metal::uint4(1343838111u, 2687676222u, 2601801789u, 3982079547u));
    metal::uint4 _e181 = function_30(param_70 >> as_type<uint>(8u), metal::uint4(29518391u, 59036782u, 118073564u, 236147128u));
    metal::uint4 _e185 = function_30(param_70 >> as_type<uint>(12u), metal::uint4(472294256u, 944588512u, 1889177024u, 3778354048u));
    metal::uint4 _e189 = function_30(param_70 >> as_type<uint>(16u), metal::uint4(421212481u, 842424962u, 1684849924u, 3369699848u));
    metal::uint4 _e193 = function_30(param_70 >> as_type<uint>(20u), metal::uint4(1254232657u, 2508465314u, 4034481925u, 998479947u));
    metal::uint4 _e197 = function_30(param_70 >> as_type<uint>(24u), metal::uint4(1996959894u, 3993919788u, 124634137u, 249268274u));
    metal::uint4 _e201 = function_30(param_70 >> as_type<uint>(28u), metal::uint4(498536548u, 997073096u, 1994146192u, 3988292384u));
    metal::uint4 _e202 = ((((((_e174 ^ _e177) ^ _e181) ^ _e185) ^ _e189) ^ _e193) ^ _e197) ^ _e201;
    return ((_e202.x ^ _e202.y) ^ _e202.z) ^ _e202.w;
}

uint function_32(
    uint param_71,
    uint param_72,
    uint param_73,
    device type_16 const& global_1,
    device type_16 const& global_3,
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
            uint _e215 = local_17;
            local_17 = _e215 + 1u;
        }
        loop_init_1 = false;
        metal::uint2 _e184 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e184)) {
            break;
        }
        global_5 = _e184 - metal::uint2((_e184.y == 0u) ? 1u : 0u, 1u);
        uint _e192 = local_17;
        if ((_e192 * 4u) < param_73) {
        } else {
            break;
        }
        uint _e195 = local_17;
        uint _e199 = metal::min(param_73 - (_e195 * 4u), 4u) * 8u;
        uint _e200 = local_16;
        uint _e205 = local_16;
        uint _e206 = local_17;
        uint _e208 = function_2(param_71, param_72 + _e206, global_1, global_3, _buffer_sizes);
        uint _e213 = function_31((_e205 ^ _e208) << as_type<uint>(32u - _e199));
        local_16 = ((_e199 == 32u) ? 0u : (_e200 >> as_type<uint>(_e199))) ^ _e213;
        continue;
    }
    uint _e217 = local_16;
    return ~(_e217);
}

void function_33(
    uint param_74,
    device type_16 const& global_3,
    threadgroup uint& global_4,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_47& global_8,
    threadgroup metal::atomic_uint& global_9,
    threadgroup metal::uint2& global_11,
    constant type_24& global_13,
    threadgroup type_3& global_14,
    threadgroup metal::atomic_uint& global_16,
    threadgroup metal::atomic_uint& global_17,
    thread uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_28,
    thread bool& global_29,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint local_19 = uint {};
    uint _e180 = global_13.member.member;
    local_19 = _e180;
    uint _e182 = global_13.member.member_2;
    if (_e182 == 1u) {
        uint _e185 = global_13.member.member;
        uint _e188 = global_3.member[_e185 + param_74];
        local_19 = _e188;
    }
    uint _e190 = global_13.member.member_2;
    if (_e190 == 2u) {
        uint _e193 = global_13.member.member;
        uint _e196 = metal::atomic_load_explicit(&global_8.member[_e193 + param_74], metal::memory_order_relaxed);
        local_19 = _e196;
    }
    uint _e197 = local_19;
    uint _e200 = global_3.member[_e197 + 53u];
    uint _e202 = global_13.member.member_2;
    global_22 = (_e202 == 2u) ? 0u : _e200;
    uint _e205 = local_19;
    uint _e208 = global_3.member[_e205 + 54u];
    global_21 = _e208;
    uint _e209 = local_19;
    uint _e212 = global_3.member[_e209 + 37u];
    uint _e213 = local_19;
    uint _e214 = local_19;
    uint _e217 = global_3.member[_e214 + 32u];
    uint _e218 = local_19;
    uint _e221 = global_3.member[_e218 + 35u];
    uint _e222 = local_19;
    uint _e225 = global_3.member[_e222 + 36u];
    uint _e227 = function_3(_e212 + 3u, 4u);
    uint _e228 = local_19;
    uint _e231 = global_3.member[_e228 + 38u];
    uint _e232 = local_19;
    uint _e235 = global_3.member[_e232 + 40u];
    uint _e236 = local_19;
    uint _e239 = global_3.member[_e236 + 19u];
    uint _e240 = local_19;
    uint _e243 = global_3.member[_e240 + 44u];
    uint _e244 = local_19;
    uint _e247 = global_3.member[_e244 + 45u];
    uint _e248 = local_19;
    uint _e251 = global_3.member[_e248 + 46u];
    uint _e252 = local_19;
    uint _e255 = global_3.member[_e252 + 33u];
    uint _e256 = local_19;
    uint _e260 = global_3.member[(_e256 + 33u) + 1u];
    global_14 = type_3 {_e213, _e217, _e221, _e225, _e212, _e227, _e231, _e235, _e239, _e243, _e247, _e251, _e255, _e260};
    uint _e262 = local_19;
    uint _e265 = global_3.member[_e262 + 20u];
    uint _e266 = local_19;
    uint _e270 = global_3.member[(_e266 + 20u) + 1u];
    uint _e271 = local_19;
    uint _e275 = global_3.member[(_e271 + 20u) + 2u];
    metal::uint2 _e276 = function_29(_e265, _e270, _e275);
    global_11 = _e276;
    uint _e277 = local_19;
    uint _e280 = global_3.member[_e277 + 41u];
    global_19 = _e280;
    uint _e281 = local_19;
    uint _e284 = global_3.member[_e281 + 39u];
    global_20 = _e284;
    uint _e285 = local_19;
    uint _e288 = global_3.member[_e285 + 4u];
    global_30 = _e288;
    uint _e289 = local_19;
    uint _e292 = global_3.member[_e289 + 10u];
    global_31 = _e292;
    uint _e293 = local_19;
    uint _e296 = global_3.member[_e293 + 12u];
    global_32 = _e296;
    uint _e297 = local_19;
    uint _e300 = global_3.member[_e297 + 42u];
    global_33 = _e300;
    uint _e302 = global_3.member[0u];
    global_34 = _e302;
    uint _e303 = local_19;
    uint _e306 = global_3.member[_e303 + 43u];
    global_7 = _e306;
    uint _e307 = global_32;
    metal::atomic_store_explicit(&global_6, _e307, metal::memory_order_relaxed);
    uint _e308 = local_19;
    uint _e311 = global_3.member[_e308 + 26u];
    metal::atomic_store_explicit(&global_9, _e311, metal::memory_order_relaxed);
    uint _e312 = local_19;
    uint _e315 = global_3.member[_e312 + 0u];
    global_29 = _e315 == 0u;
    uint _e317 = local_19;
    uint _e320 = global_3.member[_e317 + 47u];
    bool _e321 = global_29;
    global_25 = _e321 ? 0u : _e320;
    uint _e323 = local_19;
    uint _e326 = global_3.member[_e323 + 48u];
    global_26 = _e326;
    global_23 = 0u;
    global_24 = 0u;
    global_4 = 0u;
    metal::atomic_store_explicit(&global_16, 0u, metal::memory_order_relaxed);
    metal::atomic_store_explicit(&global_17, 0u, metal::memory_order_relaxed);
    global_27 = 0u;
    global_28 = 0u;
    uint _e327 = global_25;
    if (_e327 != 0u) {
        uint _e329 = global_25;
        uint _e332 = metal::atomic_load_explicit(&global_8.member[_e329 + 5u], metal::memory_order_relaxed);
        global_27 = _e332;
        uint _e333 = global_25;
        uint _e335 = global_27;
        metal::atomic_store_explicit(&global_8.member[_e333 + 1u], _e335, metal::memory_order_relaxed);
        uint _e337 = global_25;
        uint _e340 = metal::atomic_load_explicit(&global_8.member[_e337 + 4u], metal::memory_order_relaxed);
        uint _e341 = global_25;
        uint _e344 = global_13.member.member_1;
        uint _e348 = metal::atomic_exchange_explicit(&global_8.member[(_e341 + 2u) + (_e344 & 1u)], 0u, metal::memory_order_relaxed);
        global_28 = _e340 + _e348;
        return;
    } else {
        return;
    }
    return;
}

type_13 function_34(
    uint param_75,
    device type_16 const& global_3,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global_3.member[param_75 + 0u];
    uint _e181 = global_3.member[(param_75 + 0u) + 1u];
    uint _e184 = global_3.member[param_75 + 3u];
    uint _e187 = global_3.member[param_75 + 4u];
    uint _e191 = global_3.member[(param_75 + 4u) + 1u];
    uint _e194 = global_3.member[param_75 + 6u];
    uint _e198 = global_3.member[(param_75 + 6u) + 1u];
    uint _e201 = global_3.member[param_75 + 8u];
    uint _e204 = global_3.member[param_75 + 12u];
    uint _e207 = global_3.member[param_75 + 14u];
    uint _e211 = global_3.member[param_75 + 16u];
    uint _e214 = global_3.member[param_75 + 18u];
    uint _e217 = global_3.member[param_75 + 20u];
    uint _e221 = global_3.member[(param_75 + 20u) + 1u];
    uint _e225 = global_3.member[(param_75 + 20u) + 2u];
    metal::uint2 _e226 = function_29(_e217, _e221, _e225);
    uint _e229 = global_3.member[param_75 + 26u];
    uint _e233 = global_3.member[(param_75 + 26u) + 1u];
    return type_13 {_e177, _e181, _e184, _e187, _e191, _e194, _e198, _e201, _e204, _e207 & 255u, _e211, _e214, _e226, _e229, _e233};
}

type_13 function_35(
    uint param_76,
    device type_16 const& global_1,
    constant _mslBufferSizes& _buffer_sizes
) {
    uint _e177 = global_1.member[param_76 + 0u];
    uint _e181 = global_1.member[(param_76 + 0u) + 1u];
    uint _e184 = global_1.member[param_76 + 3u];
    uint _e187 = global_1.member[param_76 + 4u];
    uint _e191 = global_1.member[(param_76 + 4u) + 1u];
    uint _e194 = global_1.member[param_76 + 8u];
    uint _e197 = global_1.member[param_76 + 12u];
    uint _e200 = global_1.member[param_76 + 14u];
    uint _e204 = global_1.member[param_76 + 16u];
    uint _e207 = global_1.member[param_76 + 20u];
    uint _e211 = global_1.member[(param_76 + 20u) + 1u];
    uint _e215 = global_1.member[(param_76 + 20u) + 2u];
    metal::uint2 _e216 = function_29(_e207, _e211, _e215);
    return type_13 {_e177, _e181, _e184, _e187, _e191, 0u, 0u, _e194, _e197, _e200 & 255u, _e204, 0u, _e216, 0u, 0u};
}

uint function_36(
    type_13 param_77,
    uint param_78,
    uint param_79,
    device type_16 const& global_1,
    device type_16 const& global_3,
    thread metal::uint2& global_5,
    thread metal::uint2& global_12,
    threadgroup type_3& global_14,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_20 = bool {};
    uint _e187 = global_14.member_4;
    if (!((((param_77.member == 1262834254u) && (param_77.member_1 == 1380535879u)) && (param_77.member_10 <= _e187)))) {
        return 4u;
    }
    metal::uint2 _e195 = global_12;
    metal::uint2 _e198 = function_29(param_77.member_13, param_77.member_14, 0u);
    bool _e199 = function_17(_e195, _e198);
    if ((param_77.member_13 | param_77.member_14) != 0u) {
        local_20 = !(_e199);
    } else {
        local_20 = false;
    }
    bool _e201 = local_20;
    if (_e201) {
        return 2u;
    }
    if ((param_77.member_2 & 1u) != 0u) {
        return 0u;
    }
    uint _e207 = function_32(param_78, param_79 + 64u, param_77.member_10, global_1, global_3, global_5, _buffer_sizes);
    return (_e207 == param_77.member_11) ? 0u : 4u;
}

void function_37(
    device type_16 const& global_1,
    device type_16 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    threadgroup type_3& global_14,
    threadgroup type_5& global_15,
    threadgroup metal::atomic_uint& global_16,
    thread uint& global_19,
    thread uint& global_20,
    thread uint& global_21,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_26,
    thread uint& global_27,
    thread uint& global_28,
    thread bool& global_29,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_21 = bool {};
    bool local_22 = bool {};
    uint local_23 = 0u;
    type_13 local_24 = type_13 {};
    bool local_25 = bool {};
    bool local_26 = bool {};
    bool local_27 = bool {};
    bool local_28 = bool {};
    uint local_29 = 0u;
    uint local_30 = uint {};
    global_15.member = 0u;
    uint _e196 = global_23;
    uint _e197 = global_22;
    bool _e198 = _e196 < _e197;
    uint _e199 = global_27;
    uint _e200 = global_28;
    bool _e201 = _e199 != _e200;
    bool _e202 = global_29;
    if (!(_e202)) {
        if (!(_e198)) {
            local_22 = _e201;
        } else {
            local_22 = true;
        }
        bool _e205 = local_22;
        local_26 = !(_e205);
    } else {
        local_26 = true;
    }
    bool _e207 = local_26;
    if (_e207) {
        return;
    }
    uint _e208 = global_7;
    uint _e209 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    if (!((as_type<int>(_e208 - _e209) <= 0))) {
        uint _e214 = metal::atomic_load_explicit(&global_16, metal::memory_order_relaxed);
        local_28 = _e214 >= 4194304u;
    } else {
        local_28 = true;
    }
    bool _e216 = local_28;
    if (_e216) {
        global_29 = true;
        return;
    }
    if (_e198) {
        uint _e217 = global_21;
        local_30 = _e217;
        uint _e218 = global_23;
        if (_e218 > 0u) {
            uint _e220 = global_19;
            uint _e221 = global_23;
            uint _e224 = global_3.member[_e220 + _e221];
            local_30 = _e224;
        }
        uint _e225 = global_20;
        uint _e226 = local_30;
        uint _e228 = global_14.member_6;
        local_29 = _e225 + (_e226 * _e228);
        uint _e231 = local_29;
        type_13 _e232 = function_34(_e231, global_3, _buffer_sizes);
        local_24 = _e232;
    }
    if (_e201) {
        uint _e234 = global_14.member;
        uint _e237 = global_3.member[_e234 + 52u];
        uint _e238 = global_26;
        uint _e239 = global_27;
        uint _e243 = global_14.member_6;
        uint _e245 = _e238 + ((_e239 & (_e237 - 1u)) * _e243);
        type_13 _e246 = function_35(_e245, global_1, _buffer_sizes);
        uint _e249 = local_24.member_9;
        if (_e246.member_9 == _e249) {
            metal::uint2 _e253 = local_24.member_12;
            bool _e254 = function_17(_e246.member_12, _e253);
            local_25 = _e254;
        } else {
            local_25 = false;
        }
        bool _e255 = local_25;
        if (!(!(_e198))) {
            uint _e260 = local_24.member_9;
            local_21 = _e246.member_9 > _e260;
        } else {
            local_21 = true;
        }
        bool _e262 = local_21;
        if (!(_e262)) {
            local_27 = _e255;
        } else {
            local_27 = true;
        }
        bool _e264 = local_27;
        if (_e264) {
            local_23 = 2u;
            local_29 = _e245;
            local_24 = _e246;
        }
    }
    uint _e265 = local_23;
    if (_e265 == 0u) {
        uint _e267 = global_23;
        global_23 = _e267 + 1u;
    } else {
        uint _e269 = global_27;
        global_27 = _e269 + 1u;
    }
    type_13 _e271 = local_24;
    uint _e272 = local_23;
    uint _e273 = local_29;
    uint _e274 = function_36(_e271, _e272, _e273, global_1, global_3, global_5, global_12, global_14, _buffer_sizes);
    if (_e274 == 0u) {
        metal::uint2 _e277 = local_24.member_12;
        metal::uint2 _e278 = function_18(_e277, global_11, global_12);
        uint _e279 = global_24;
        global_24 = _e279 + 1u;
    }
    uint _e282 = local_24.member_3;
    uint _e284 = local_24.member_4;
    uint _e285 = local_23;
    uint _e286 = local_29;
    uint _e288 = local_24.member_10;
    uint _e290 = local_24.member_8;
    uint _e292 = local_24.member_7;
    uint _e294 = local_24.member_9;
    uint _e296 = local_24.member_5;
    uint _e298 = local_24.member_6;
    global_15 = type_5 {1u, _e274, _e282, _e284, _e285, _e286, _e288, _e290, _e292, _e294, _e296, _e298};
    return;
}

void function_38(
    thread type_3& global,
    device type_16& global_1,
    device type_16& global_3,
    threadgroup metal::atomic_uint& global_6,
    device type_47& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    constant type_24& global_13,
    threadgroup metal::atomic_uint& global_17,
    thread uint& global_22,
    thread uint& global_23,
    thread uint& global_24,
    thread uint& global_25,
    thread uint& global_27,
    thread uint& global_28,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_31 = bool {};
    bool local_32 = bool {};
    bool local_33 = bool {};
    uint _e185 = global.member;
    uint _e186 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    uint _e187 = metal::atomic_load_explicit(&global_17, metal::memory_order_relaxed);
    bool _e188 = _e187 != 0u;
    uint _e189 = global_30;
    uint _e190 = global_24;
    uint _e191 = _e189 + _e190;
    uint _e192 = global_31;
    uint _e193 = global_23;
    uint _e194 = _e192 + _e193;
    global_3.member[_e185 + 4u] = _e191;
    uint _e197 = global_30;
    if (_e191 < _e197) {
        uint _e200 = (_e185 + 4u) + 1u;
        uint _e202 = global_3.member[_e200];
        global_3.member[_e200] = _e202 + 1u;
    }
    global_3.member[_e185 + 10u] = _e194;
    uint _e207 = global_31;
    if (_e194 < _e207) {
        uint _e210 = (_e185 + 10u) + 1u;
        uint _e212 = global_3.member[_e210];
        global_3.member[_e210] = _e212 + 1u;
    }
    uint _e216 = global_22;
    uint _e217 = global_23;
    global_3.member[_e185 + 6u] = _e216 - _e217;
    global_3.member[_e185 + 12u] = _e186;
    uint _e222 = global_32;
    if (_e186 < _e222) {
        uint _e225 = (_e185 + 12u) + 1u;
        uint _e227 = global_3.member[_e225];
        global_3.member[_e225] = _e227 + 1u;
    }
    uint _e231 = metal::atomic_load_explicit(&global_9, metal::memory_order_relaxed);
    global_3.member[_e185 + 26u] = _e231;
    uint _e235 = global_11[0u];
    uint _e239 = global_11[1u];
    global_3.member[_e185 + 20u] = (_e235 >> as_type<uint>(12u)) | (_e239 << as_type<uint>(20u));
    uint _e247 = global_11[1u];
    global_3.member[(_e185 + 20u) + 1u] = _e247 >> as_type<uint>(12u);
    uint _e254 = global_11[0u];
    global_3.member[(_e185 + 20u) + 2u] = _e254 & 4095u;
    if (_e188) {
        global_3.member[_e185 + 0u] = 0u;
        global_3.member[_e185 + 2u] = 1u;
        global_3.member[_e185 + 24u] = 1u;
        uint _e263 = _e185 + 25u;
        uint _e265 = global_3.member[_e263];
        global_3.member[_e263] = _e265 + 1u;
    }
    uint _e268 = global_25;
    if (_e268 != 0u) {
        uint _e270 = global_25;
        uint _e273 = metal::atomic_load_explicit(&global_8.member[_e270 + 1u], metal::memory_order_relaxed);
        uint _e274 = global_25;
        uint _e277 = metal::atomic_load_explicit(&global_8.member[_e274 + 0u], metal::memory_order_relaxed);
        uint _e280 = global_3.member[_e185 + 52u];
        uint _e281 = global_25;
        uint _e283 = global_28;
        metal::atomic_store_explicit(&global_8.member[_e281 + 4u], _e283, metal::memory_order_relaxed);
        uint _e285 = global_25;
        uint _e287 = global_27;
        metal::atomic_store_explicit(&global_8.member[_e285 + 5u], _e287, metal::memory_order_relaxed);
        uint _e290 = function_3(_e280, 2u);
        if ((_e277 - _e273) > _e290) {
            uint _e292 = global_27;
            local_31 = _e292 != _e273;
        } else {
            local_31 = false;
        }
        bool _e294 = local_31;
        uint _e297 = global_3.member[_e185 + 0u];
        if (_e297 != 0u) {
            uint _e299 = global_28;
            if (!((_e277 != _e299))) {
                local_33 = _e294;
            } else {
                local_33 = true;
            }
            bool _e302 = local_33;
            local_32 = _e302;
        } else {
            local_32 = false;
        }
        bool _e303 = local_32;
        if (_e303) {
            uint _e304 = global_25;
            function_20(_e185, _e304, global_3, global_8, global_13, _buffer_sizes);
        }
    }
    uint _e306 = global_27;
    uint _e307 = global_28;
    uint _e312 = global_13.member.member_2;
    if (_e312 != 2u) {
        uint _e314 = global_33;
        uint _e316 = global_23;
        function_11(1u, _e314 + 4u, _e316, global_1, global_10, _buffer_sizes);
    }
    uint _e317 = global_33;
    uint _e318 = global_34;
    function_15(1u, _e317, metal::uint4(_e318, _e186, _e191, (_e188 ? 1u : 0u) | ((_e306 != _e307) ? 2u : 0u)), global_1, global_10, _buffer_sizes);
    return;
}

void function_39(
    uint param_80,
    uint param_81,
    thread type_3& global,
    device type_16& global_1,
    thread type_5& global_2,
    device type_16 const& global_3,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    constant _mslBufferSizes& _buffer_sizes
) {
    type_10 local_34 = type_10 {};
    uint _e180 = metal::atomic_load_explicit(&global_6, metal::memory_order_relaxed);
    uint _e181 = function_7(_e180, global);
    uint _e184 = global.member_9;
    function_14(1u, _e181 + 64u, param_80, 32u, param_81, _e184, global_1, global_5, global_10, _buffer_sizes);
    if (param_80 != 0u) {
        return;
    }
    uint _e187 = global_2.member_1;
    uint _e189 = global_2.member_2;
    uint _e191 = global_2.member_3;
    uint _e193 = global_2.member_10;
    uint _e195 = global_2.member_11;
    uint _e197 = global_2.member_8;
    uint _e199 = global_2.member_7;
    uint _e201 = global_2.member_9;
    local_34 = type_10 {_e187, _e189, _e191, _e193, _e195, _e197, 0u, _e199, _e201 & 3u, param_81, 0u};
    uint _e205 = global_2.member_1;
    if (_e205 == 0u) {
        uint _e207 = metal::atomic_fetch_add_explicit(&global_9, 1u, metal::memory_order_relaxed);
        local_34.member_1 = _e207 + 1u;
        uint _e211 = global.member_1;
        local_34.member_2 = _e211;
        uint _e214 = global.member_1;
        local_34.member_5 = _e214;
        uint _e217 = global.member_9;
        uint _e218 = function_32(2u, _e217, param_81, global_1, global_3, global_5, _buffer_sizes);
        local_34.member_10 = _e218;
    }
    type_10 _e220 = local_34;
    metal::uint2 _e221 = global_11;
    metal::uint2 _e222 = function_18(_e221, global_11, global_12);
    function_16(1u, _e181, _e220, _e222, global, global_1, global_10, _buffer_sizes);
    return;
}

void function_40(
    thread type_3& global,
    device type_16& global_1,
    thread type_5& global_2,
    device type_16& global_3,
    threadgroup uint& global_4,
    thread metal::uint2& global_5,
    threadgroup metal::atomic_uint& global_6,
    threadgroup uint& global_7,
    device type_47& global_8,
    threadgroup metal::atomic_uint& global_9,
    device type_21& global_10,
    threadgroup metal::uint2& global_11,
    thread metal::uint2& global_12,
    constant type_24& global_13,
    threadgroup type_3& global_14,
    threadgroup type_5& global_15,
    threadgroup metal::atomic_uint& global_16,
    threadgroup metal::atomic_uint& global_17,
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
    thread uint& global_28,
    thread bool& global_29,
    thread uint& global_30,
    thread uint& global_31,
    thread uint& global_32,
    thread uint& global_33,
    thread uint& global_34,
    thread uint& global_35,
    thread metal::uint3& global_36,
    constant _mslBufferSizes& _buffer_sizes
) {
    bool local_35 = bool {};
    metal::uint2 local_36 = metal::uint2(4294967295u, 4294967295u);
    uint _e177 = global_35;
    metal::uint3 _e178 = global_36;
    if (_e177 == 0u) {
        global_4 = uint {};
        metal::atomic_store_explicit(&global_6, uint {}, metal::memory_order_relaxed);
        global_7 = uint {};
        metal::atomic_store_explicit(&global_9, uint {}, metal::memory_order_relaxed);
        global_11 = metal::uint2 {};
        global_14 = type_3 {};
        global_15 = type_5 {};
        metal::atomic_store_explicit(&global_16, uint {}, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_17, uint {}, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    uint _e186 = global_3.member[3u];
    uint _e188 = global_13.member.member_3;
    if (_e186 != _e188) {
        return;
    }
    global_5 = metal::uint2(4294967295u, 4294967295u);
    global_18 = 0u;
    uint _e191 = global_3.member[1u];
    uint _e193 = global_3.member[2u];
    global_12 = metal::uint2(_e191, _e193);
    if (_e177 == 0u) {
        function_33(_e178.x, global_3, global_4, global_6, global_7, global_8, global_9, global_11, global_13, global_14, global_16, global_17, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, _buffer_sizes);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    type_3 _e197 = global_14;
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global = _e197;
    uint2 loop_bound_4 = uint2(4294967295u);
    while(true) {
        if (metal::all(loop_bound_4 == uint2(0u))) { break; }
        loop_bound_4 -= uint2(loop_bound_4.y == 0u, 1u);
        metal::uint2 _e198 = global_5;
        if (metal::all(metal::uint2(0u, 0u) == _e198)) {
            break;
        }
        global_5 = _e198 - metal::uint2((_e198.y == 0u) ? 1u : 0u, 1u);
        if (_e177 == 0u) {
            function_37(global_1, global_3, global_5, global_6, global_7, global_11, global_12, global_14, global_15, global_16, global_19, global_20, global_21, global_22, global_23, global_24, global_26, global_27, global_28, global_29, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        type_5 _e207 = global_15;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e207.member == 0u) {
            break;
        }
        global_2 = _e207;
        uint _e210 = global_18;
        uint _e212 = global_5[1u];
        global_18 = _e210 + (4294967295u - _e212);
        if (_e207.member_1 == 0u) {
            global_5 = metal::uint2(0u, 33554432u);
            function_22(type_2 {_e207.member_7, _e207.member_6, _e207.member_8, _e207.member_9, _e177, 32u, metal::uint2(_e207.member_10, _e207.member_11)}, global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, _buffer_sizes);
            uint _e226 = global_5[1u];
            uint _e227 = 33554432u - _e226;
            global_5 = metal::uint2(4294967295u, 4294967295u);
            if (_e227 == 33554432u) {
                metal::atomic_store_explicit(&global_17, 1u, metal::memory_order_relaxed);
            }
            uint _e229 = global_18;
            global_18 = _e229 + _e227;
            uint _e231 = global_18;
            uint _e232 = metal::atomic_fetch_max_explicit(&global_16, _e231, metal::memory_order_relaxed);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_device);
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        uint _e233 = global_4;
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        uint _e236 = (_e207.member_1 != 0u) ? 1u : _e233;
        uint _e237 = metal::atomic_load_explicit(&global_17, metal::memory_order_relaxed);
        bool _e238 = _e237 != 0u;
        if (_e236 != 0u) {
            local_35 = !(_e238);
        } else {
            local_35 = false;
        }
        bool _e241 = local_35;
        if (_e241) {
            function_39(_e177, _e236 - 1u, global, global_1, global_2, global_3, global_5, global_6, global_9, global_10, global_11, global_12, _buffer_sizes);
        }
        metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
        if (_e177 == 0u) {
            if (_e238) {
                global_29 = true;
            } else {
                if (_e236 != 0u) {
                    uint _e245 = metal::atomic_fetch_add_explicit(&global_6, 1u, metal::memory_order_relaxed);
                }
            }
            global_4 = 0u;
        }
        continue;
    }
    if (_e177 == 0u) {
        function_38(global, global_1, global_3, global_6, global_8, global_9, global_10, global_11, global_13, global_17, global_22, global_23, global_24, global_25, global_27, global_28, global_30, global_31, global_32, global_33, global_34, _buffer_sizes);
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
, device type_16& global_1 [[buffer(2)]]
, device type_16& global_3 [[buffer(0)]]
, device type_47& global_8 [[buffer(3)]]
, device type_21& global_10 [[buffer(1)]]
, constant type_24& global_13 [[buffer(4)]]
, constant _mslBufferSizes& _buffer_sizes [[buffer(5)]]
) {
    threadgroup uint global_4;
    threadgroup metal::atomic_uint global_6;
    threadgroup uint global_7;
    threadgroup metal::atomic_uint global_9;
    threadgroup metal::uint2 global_11;
    threadgroup type_3 global_14;
    threadgroup type_5 global_15;
    threadgroup metal::atomic_uint global_16;
    threadgroup metal::atomic_uint global_17;
    type_3 global = type_3 {};
    type_5 global_2 = type_5 {};
    metal::uint2 global_5 = metal::uint2 {};
    metal::uint2 global_12 = metal::uint2 {};
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
    uint global_28 = uint {};
    bool global_29 = bool {};
    uint global_30 = uint {};
    uint global_31 = uint {};
    uint global_32 = uint {};
    uint global_33 = uint {};
    uint global_34 = uint {};
    uint global_35 = {};
    metal::uint3 global_36 = {};
    if (param == 0u) {
        global_4 = {};
        metal::atomic_store_explicit(&global_6, 0, metal::memory_order_relaxed);
        global_7 = {};
        metal::atomic_store_explicit(&global_9, 0, metal::memory_order_relaxed);
        global_11 = {};
        global_14 = {};
        global_15 = {};
        metal::atomic_store_explicit(&global_16, 0, metal::memory_order_relaxed);
        metal::atomic_store_explicit(&global_17, 0, metal::memory_order_relaxed);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    global_35 = param;
    global_36 = param_1;
    function_40(global, global_1, global_2, global_3, global_4, global_5, global_6, global_7, global_8, global_9, global_10, global_11, global_12, global_13, global_14, global_15, global_16, global_17, global_18, global_19, global_20, global_21, global_22, global_23, global_24, global_25, global_26, global_27, global_28, global_29, global_30, global_31, global_32, global_33, global_34, global_35, global_36, _buffer_sizes);
}
