/**
 * The results of statements by the rules of WGSL's specification, on a device: of statements that random bodies
 * (test/bodies) do not have. A kernel's body has one function for each row; `message.kind` selects the function.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../../src/gpu/device.ts";
import { device, validationIsSilent, vulkan } from "../../gpu/support.ts";
import { Bare, words, wordsOf } from "../port.ts";

/** A software device compiles a kernel for seconds, and more on a busy machine. */
setDefaultTimeout(240_000);

const PAYLOAD = words(3, 0, 0xffffffff, 0x80000000, 7);
/** Functions of one kernel: together they compile faster than one at a time, and they fit the limits of a body. */
const TOGETHER = 24;

/**
 * Name, declarations, statements that set r, which is 0 at first, and the expected r. Names that end in 1 are made
 * unique.
 */
const ROWS = `
compound order ¦ var<private> a1: u32; fn f1() -> u32 { a1 = 100u; return 1u; } ¦ a1 = 5u; a1 += f1(); r = a1; ¦ 6
compound order member ¦ var<private> a1: vec2u; fn f1() -> u32 { a1.x = 100u; return 1u; } ¦ a1.x = 5u; a1.x -= f1(); r = a1.x; ¦ 4
compound order pointer ¦ fn f1(p: ptr<function, u32>) -> u32 { *p = 100u; return 1u; } ¦ var x = 5u; x *= f1(&x) + 1u; r = x; ¦ 10
assign index order ¦ var<private> i1: u32; fn f1() -> u32 { i1 = 1u; return 9u; } ¦ var a = array<u32,3>(); i1 = 0u; a[i1] = f1(); r = a[0] * 10u + a[1]; ¦ 90
rhs order ¦ var<private> a1: u32; fn f1() -> u32 { a1 = 100u; return 1u; } ¦ a1 = 5u; r = a1 + f1(); ¦ 6
rhs order 2 ¦ var<private> a1: u32; fn f1() -> u32 { a1 = 100u; return 1u; } ¦ a1 = 5u; r = f1() + a1; ¦ 101
args order ¦ var<private> a1: u32; fn f1() -> u32 { a1 = 100u; return 1u; } fn g1(a: u32, b: u32, c: u32) -> u32 { return a * 10000u + b * 1000u + c; } ¦ a1 = 5u; r = g1(a1, f1(), a1); ¦ 51100
vec order ¦ var<private> a1: u32; fn f1() -> u32 { a1 = 100u; return 1u; } ¦ a1 = 5u; let v = vec3u(a1, f1(), a1); r = v.x * 10000u + v.y * 1000u + v.z; ¦ 51100
and skips ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return true; } ¦ a1 = 0u; let b = (payload(1u) != 0u) && f1(); r = a1; ¦ 0
or skips ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return true; } ¦ a1 = 0u; let b = (payload(1u) == 0u) || f1(); r = a1; ¦ 0
and in loop cond ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return a1 < 5u; } ¦ a1 = 0u; var i = 0u; while i < 3u && f1() { i++; } r = a1 * 10u + i; ¦ 33
for cond call ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return a1 < 5u; } ¦ a1 = 0u; var i = 0u; for (; f1() && i < 9u; i++) { } r = a1 * 10u + i; ¦ 54
and not skipped const ¦  ¦ let b = false && (payload(9u) == 1u); r = select(1u, 2u, b); ¦ 1
bit and evaluates ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return true; } ¦ a1 = 0u; let b = (payload(1u) != 0u) & f1(); r = a1; ¦ 1
nested short ¦ var<private> a1: u32; fn f1(x: bool) -> bool { a1 += 1u; return x; } ¦ a1 = 0u; let b = (f1(false) || f1(true)) && (f1(false) || f1(false)) && f1(true); r = a1 + select(0u, 100u, b); ¦ 4
short in index ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return true; } ¦ a1 = 0u; var a = array<u32,2>(7u, 8u); r = a[select(0u, 1u, payload(1u) == 1u && f1())] + a1; ¦ 7
short in args ¦ var<private> a1: u32; fn f1() -> bool { a1 += 1u; return true; } fn g1(a: bool, b: bool) -> u32 { return select(0u, 1u, a) + select(0u, 2u, b); } ¦ a1 = 0u; r = g1(payload(0u) == 3u || f1(), payload(0u) == 4u && f1()) + 10u * a1; ¦ 1
select evaluates ¦ var<private> a1: u32; fn f1() -> u32 { a1 += 1u; return a1; } ¦ a1 = 0u; r = select(f1(), f1(), true) * 10u + a1; ¦ 22
after return ¦ fn f1() -> u32 { return 1u; let x = 2u; return x; } ¦ r = f1(); ¦ 1
after break ¦  ¦ r = 0u; loop { r++; break; r = 100u; } ¦ 1
after continue ¦  ¦ r = 0u; for (var i = 0u; i < 3u; i++) { r++; continue; r = 100u; } ¦ 3
block return ¦ fn f1(x: u32) -> u32 { { return x; } } ¦ r = f1(4u); ¦ 4
if return ¦ fn f1(x: u32) -> u32 { if x > 2u { return 1u; } else { return 2u; } } ¦ r = f1(4u); ¦ 1
switch return ¦ fn f1(x: u32) -> u32 { switch x { case 1u: { return 1u; } case 2, 3: { return 9u; } default: { return 2u; } } } ¦ r = f1(3u); ¦ 9
switch default mid ¦  ¦ switch payload(0u) { case 1u {r = 1u;} default {r = 2u;} case 3u { r = 3u; } } ¦ 3
case default ¦  ¦ switch payload(4u) { case 1u, default, 2u {r = 7u;} case 3u { r = 3u; } } ¦ 7
switch i32 neg ¦  ¦ switch i32(payload(2u)) { case -1: {r = 7u;} default: { r = 3u; } } ¦ 7
switch const ¦ const k1 = 3u; ¦ switch payload(0u) { case k1: {r = 7u;} case k1 + 1u: { r = 8u; } default: { r = 3u; } } ¦ 7
switch break in loop ¦  ¦ r = 0u; for (var i = 0u; i < 4u; i++) { switch i { case 1u: { continue; } case 2u: { break; } default: { r += 10u; } } r++; } ¦ 23
switch only default ¦  ¦ switch payload(0u) { default { r = 5u; } } ¦ 5
switch body continue ¦  ¦ var i = 0u; r = 0u; loop { if i > 3u { break; } switch i { case 2u: { i++; continue; } default: {} } r += i; continuing { i++; } } ¦ 1
break if ¦  ¦ var i = 0u; loop { r += 2u; continuing { i++; break if i >= 3u; } } ¦ 6
continuing sees body ¦  ¦ var i = 0u; r = 0u; loop { let j = i * 2u; if i > 4u { break; } continuing { r += j; i++; } } ¦ 20
let pointer element ¦  ¦ var a = array<u32,3>(1u,2u,3u); var i = 1u; let p = &a[i]; i = 2u; *p = 9u; r = a[1] * 10u + a[2]; ¦ 93
pointer composite ¦  ¦ var v = vec3u(1u,2u,3u); let p = &v; p.y = 7u; r = p.y + p[2] + (*p).x; ¦ 11
pointer param composite ¦ struct S1 { a: u32, b: array<u32, 2> } fn f1(p: ptr<function, S1>) -> u32 { p.b[1] = 5u; return p.a + p.b[1]; } ¦ var s = S1(2u, array<u32,2>()); r = f1(&s) + s.b[1]; ¦ 12
pointer to private ¦ var<private> a1: array<u32, 2>; fn f1(p: ptr<private, array<u32, 2>>, i: u32) { (*p)[i] += 3u; } ¦ a1 = array<u32,2>(1u, 2u); f1(&a1, 7u); r = a1[1]; ¦ 5
i32 min / -1 ¦  ¦ r = u32(i32(payload(3u)) / i32(payload(2u))); ¦ 2147483648
i32 min % -1 ¦  ¦ r = u32(i32(payload(3u)) % i32(payload(2u))); ¦ 0
vec / 0 ¦  ¦ let v = vec2i(i32(payload(0u)), -7) / vec2i(i32(payload(1u)), 2); r = u32(v.x * 100 + v.y); ¦ 297
vec / scalar ¦  ¦ let v = vec2u(9u, 7u) / payload(1u); r = v.x * 10u + v.y; ¦ 97
scalar / vec ¦  ¦ let v = payload(4u) / vec2u(payload(1u), 2u); r = v.x * 10u + v.y; ¦ 73
/= ¦  ¦ var x = payload(4u); x /= payload(1u); r = x; ¦ 7
%= ¦  ¦ var x = payload(4u); x %= payload(1u); r = x; ¦ 0
<<= 33 ¦  ¦ var x = payload(4u); x <<= (payload(0u) + 30u); r = x; ¦ 14
vec <<= scalar vec ¦  ¦ var x = vec2i(-8, 8); x >>= vec2u(payload(0u) + 30u, 1u); r = u32(x.x * -100 + x.y); ¦ 404
f to u neg ¦  ¦ r = u32(-f32(payload(0u))); ¦ 0
f to u big ¦  ¦ r = u32(f32(payload(2u)) * 16.0); ¦ 4294967040
f to i big ¦  ¦ r = u32(i32(f32(payload(2u)) * 16.0)); ¦ 2147483520
f to i -big ¦  ¦ r = u32(i32(f32(payload(2u)) * -16.0)); ¦ 2147483648
vec f to u ¦  ¦ let v = vec2u(vec2f(-1.5, f32(payload(0u)) + 0.75)); r = v.x * 10u + v.y; ¦ 3
vec store dyn ¦  ¦ var v = vec3u(1u,2u,3u); v[payload(2u)] = 9u; r = v.z; ¦ 9
vec value dyn ¦  ¦ let v = vec3u(1u,2u,payload(0u) + 4u); r = v[payload(2u)]; ¦ 7
array value dyn ¦  ¦ let v = array<u32,3>(1u,2u,payload(0u) + 4u); r = v[payload(2u)]; ¦ 7
array neg index ¦  ¦ let v = array<u32,3>(1u,2u,payload(0u) + 4u); r = v[i32(payload(2u))]; ¦ 7
const table neg ¦ const t1 = array(4u, 5u, 6u); ¦ r = t1[i32(payload(2u))]; ¦ 6
call value index ¦ fn f1() -> array<u32, 2> { return array<u32, 2>(5u, 6u); } ¦ r = f1()[payload(0u)]; ¦ 6
swizzle ¦  ¦ let v = vec4u(1u,2u,3u,4u); r = v.wzyx.x * 1000u + v.bgra.y * 100u + v.xxy.z * 10u + v.rg.g; ¦ 4222
swizzle member assign ¦  ¦ var v = vec4u(); v.b = 3u; v.w = 4u; r = v.z * 10u + v.a; ¦ 34
modf ¦  ¦ let m = modf(f32(payload(0u)) + 0.5); r = u32(m.whole * 10.0 + m.fract * 2.0); ¦ 31
frexp ¦  ¦ let m = frexp(f32(payload(0u)) * 4.0); r = u32(m.exp) * 100u + u32(m.fract * 4.0); ¦ 403
ldexp ¦  ¦ r = u32(ldexp(f32(payload(0u)), 4)); ¦ 48
pack2x16float ¦  ¦ r = pack2x16float(vec2f(f32(payload(0u)), -2.0)); ¦ 3221242368
unpack2x16float ¦  ¦ let v = unpack2x16float(0xc0004200u + payload(1u)); r = u32(v.x * 10.0 - v.y); ¦ 32
quantize ¦  ¦ r = u32(quantizeToF16(f32(payload(0u)) * 2049.0)); ¦ 6148
unorm ¦  ¦ r = pack4x8unorm(vec4f(f32(payload(1u)), 1.0, 0.0, 1.0)); ¦ 4278255360
round even ¦  ¦ let f = f32(payload(0u)) * 0.5; r = u32(round(f) * 10.0 + round(f + 1.0)); ¦ 22
sign etc ¦  ¦ let f = -f32(payload(0u)) * 0.5; r = u32(floor(f) * -100.0 + ceil(f) * -10.0 + trunc(f) * -1.0); ¦ 211
mat ¦  ¦ let f = f32(payload(0u)); let m = mat2x2f(1.0, 2.0, f, 4.0); let v = m * vec2f(1.0, 10.0); r = u32(v.x * 100.0 + v.y); ¦ 3142
mat dyn ¦  ¦ var m = mat3x2f(); m[payload(2u)][payload(2u)] = 5.0; r = u32(m[2].y); ¦ 5
mat transpose ¦  ¦ let f = f32(payload(0u)); let m = transpose(mat2x3f(1.0,2.0,f, 4.0,5.0,6.0)); r = u32(m[2][0] * 10.0 + m[0][1]); ¦ 34
mat compound ¦  ¦ var m = mat2x2f(1.0,2.0,3.0,4.0); m *= f32(payload(0u)); m += m; r = u32(m[1][1]); ¦ 24
dot cross ¦  ¦ let f = f32(payload(0u)); let c = cross(vec3f(1.0, f, 0.0), vec3f(0.0, 1.0, 2.0)); r = u32(c.x * 100.0 + c.y * -10.0 + c.z); ¦ 621
shadow let ¦  ¦ let x = payload(0u); { let x = x + 1u; { var x = x * 2u; x++; r = x; } r += x; } r += x; ¦ 16
phony ¦ var<private> a1: u32; fn f1() -> u32 { a1 += 1u; return a1; } ¦ a1 = 0u; _ = f1(); _ = f1() + 1u; r = a1; ¦ 2
abstract shift ¦  ¦ let a = 1 << 3u; r = u32(a); ¦ 8
abstract mix ¦  ¦ let v = vec2(1, 2.5); r = u32(v.x + v.y * 2.0); ¦ 6
abstract const ¦ const c1 = 5; const d1 = c1 * 2.0; const e1 = 4294967295; ¦ let a: u32 = c1; let b: i32 = c1; let f: f32 = c1; r = a + u32(b) + u32(f) + u32(d1) + (e1 - 4294967290); ¦ 30
abstract neg ¦ const c1 = -2147483648; ¦ var x: i32 = c1; r = u32(x); ¦ 2147483648
abstract array ¦ const c1 = array(1, 2, 3); ¦ var a: array<u32, 3> = c1; var b: array<i32,3> = c1; r = a[payload(1u)] + u32(b[2]); ¦ 4
abstract max ¦  ¦ r = max(payload(1u), 7); ¦ 7
abstract ops ¦  ¦ let x = payload(0u); r = 2 * x + (x - 1) / 2; ¦ 7
template ¦  ¦ let a = payload(0u); let b = 5u; let c = 9u; let t = a < b && c > (b); r = select(0u, 1u, t); ¦ 1
private init ¦ const k1 = 4u; var<private> p1 = k1 * 2u; var<private> p2: array<u32, 2> = array<u32, 2>(p3, 6u); const p3 = 5u; ¦ r = p1 * 100u + p2[0] * 10u + p2[1]; ¦ 856
diagnostics ¦ @diagnostic(off, derivative_uniformity) fn f1() -> u32 { return 1u; } ¦ @diagnostic(off, derivative_uniformity) if payload(0u) == 3u { r = f1(); } @diagnostic(off, derivative_uniformity) { r++; } @diagnostic(off,derivative_uniformity) switch r { default {} } @diagnostic(off, derivative_uniformity) for (;false;) {} ¦ 2
diag on branches ¦  ¦ if payload(0u) == 3u @diagnostic(off, derivative_uniformity) { r = 4u; } else @diagnostic(off, derivative_uniformity) { r = 5u; } ¦ 4
diag loop ¦  ¦ @diagnostic(off, derivative_uniformity) loop @diagnostic(off, derivative_uniformity) { break; continuing @diagnostic(off, derivative_uniformity) { } } r = 1u; ¦ 1
diag switch body ¦  ¦ switch payload(0u) @diagnostic(off, derivative_uniformity) { default @diagnostic(off, derivative_uniformity) { r = 1u; } } ¦ 1
const_assert ¦ const_assert 1 < 2; ¦ const_assert 3u > 2u; const x = 4u; const_assert(x == 4u); r = x; ¦ 4
align size ¦ struct S1 { @size(32) a: u32, @align(16) b: vec2u, @size(16) @align(4) c: u32 } ¦ var s = S1(1u, vec2u(2u, 3u), 4u); r = s.a + s.b.y * 10u + s.c * 100u; ¦ 431
struct in struct ¦ struct S1 { a: array<T1, 2>, b: u32 } struct T1 { v: vec3u, w: u32, } ¦ var s: S1; s.a[payload(2u)].v.y = 5u; s.a[0].w = 2u; let t = s; s.a[1].v.y = 7u; r = t.a[1].v.y * 10u + t.a[0].w; ¦ 52
zero values ¦ struct S1 { a: vec2u, b: bool } ¦ let s = S1(); let v = vec3<i32>(); let b = bool(); r = s.a.x + u32(v.z) + select(1u, 2u, b || s.b); ¦ 1
inc ref ¦  ¦ var a = array<vec2u, 2>(); a[1].y++; a[payload(2u)].y++; a[0].x--; r = a[1].y + a[0].x; ¦ 1
const select ¦ const c1 = select(3u, 4u, true); ¦ r = c1; ¦ 4
const reverseBits ¦ const c1 = reverseBits(1u); ¦ r = c1; ¦ 2147483648
const flb ¦ const c1 = firstLeadingBit(8u) + firstTrailingBit(8u) + countLeadingZeros(1u) + countTrailingZeros(4u); ¦ r = c1; ¦ 39
const dot ¦ const c1 = dot(vec2u(1u, 2u), vec2u(3u, 4u)); ¦ r = c1; ¦ 11
const all any ¦ const c1 = all(vec2(true, false)) || any(vec2(true, false)); ¦ r = select(0u, 1u, c1); ¦ 1
const vec ops ok ¦ const c1 = (vec2u(1u, 2u) * 3u + vec2u(1u)) << vec2u(1u, 2u); ¦ r = c1.x * 100u + c1.y; ¦ 828
const swizzle ¦ const c1 = vec3u(1u, 2u, 3u).zy; ¦ r = c1.x * 10u + c1.y; ¦ 32
const index ¦ const c1 = array(1u, 2u, 3u)[1 + 1]; ¦ r = c1; ¦ 3
const vec index ¦ const c1 = vec3(1u, 2u, 3u)[1]; ¦ r = c1; ¦ 2
const member ¦ struct S1 { a: u32, b: u32 } const c1 = S1(1u, 2u).b; ¦ r = c1; ¦ 2
const mat ¦ const c1 = (mat2x2f(1.0, 2.0, 3.0, 4.0) * vec2f(1.0, 2.0)).y; ¦ r = u32(c1); ¦ 10
const compare vec ¦ const c1 = all(vec2u(1u, 2u) < vec2u(2u, 3u)); ¦ r = select(0u, 1u, c1); ¦ 1
const conv ¦ const c1 = u32(2.7) + u32(-1i) + u32(true) ; const d1 = i32(c1); const e1 = f32(3u); const g1 = bool(2u); ¦ r = c1; ¦ 2
const short ¦ const c1 = false && (1 / 0 == 1); ¦ r = select(0u, 1u, c1); ¦ 0
override expr ¦ override o1 = 4u; override o2: u32 = o1 * 2u + 1u; override o3 = max(o2, 3u); ¦ r = o2 + o3; ¦ 18
override array size ¦ override o1 = 4u; var<workgroup> w1: array<u32, o1 * 2u>; ¦ w1[7] = 3u; workgroupBarrier(); r = w1[payload(2u)]; ¦ 3
workgroupUniformLoad ¦ var<workgroup> w1: u32; ¦ w1 = 4u; r = workgroupUniformLoad(&w1); ¦ 4
atomics ¦ var<workgroup> w1: atomic<u32>; var<workgroup> w2: array<atomic<i32>, 2>; ¦ atomicStore(&w1, 5u); r = atomicAdd(&w1, 2u) + atomicSub(&w1, 1u) * 10u + atomicMax(&w1, 9u) * 100u; atomicStore(&w2[1], -4); _ = atomicMin(&w2[payload(2u)], -6); r += u32(-atomicLoad(&w2[1])) * 10000u + atomicXor(&w1, 1u) * 100000u + atomicExchange(&w1, 3u) * 1000000u; ¦ 8960675
atomicCAS ¦ var<workgroup> w1: atomic<u32>; ¦ atomicStore(&w1, 5u); let x = atomicCompareExchangeWeak(&w1, 5u, 8u); r = x.old_value + select(0u, 100u, x.exchanged) + atomicLoad(&w1) * 10u; ¦ 185
alias ¦ alias A1 = array<B1, 2>; alias B1 = vec2<C1>; alias C1 = u32; ¦ var a = A1(B1(1u, 2u), B1()); a[1] = B1(3u); r = a[0].y * 10u + a[payload(2u)].x; ¦ 23
alias param ¦ alias P1 = ptr<function, u32>; fn f1(p: P1) { *p += 1u; } ¦ var x = 1u; f1(&x); r = x; ¦ 2
early return loop ¦ fn f1(n: u32) -> u32 { for (var i = 0u; i < 10u; i++) { for (var j = 0u; j < 10u; j++) { if i * j == n { return i * 100u + j; } } } return 9999u; } ¦ r = f1(12u); ¦ 206
many elses ¦  ¦ let x = payload(0u); if x == 0u { r = 1u; } else if x == 1u { r = 2u; } else if x == 3u { r = 3u; } else { r = 4u; } ¦ 3
unary ¦  ¦ let x = i32(payload(0u)); r = u32(- -x) + u32(~~x) + select(0u, 1u, !!(x == 3)) + u32(-(-(-(-x)))); ¦ 10
bool ops ¦  ¦ let a = payload(0u) == 3u; let b = payload(1u) == 1u; r = select(0u, 1u, a | b) + select(0u, 2u, a & b) + select(0u, 4u, a != b) + select(0u, 8u, !(vec2(a, b) == vec2(b, b)).x); ¦ 13
bool var ¦  ¦ var a = vec3<bool>(); a.y = payload(0u) == 3u; a[payload(2u)] = true; a.x |= false; a.y &= true; r = u32(all(a.yz)) + u32(a.x) * 10u; ¦ 1
bool |=  ¦  ¦ var a = false; a |= payload(0u) == 3u; a &= true; r = u32(a); ¦ 1
vec cmp scalar ctor ¦  ¦ let v = vec3u(payload(0u)); r = select(0u, 1u, all(v == vec3(3u))); ¦ 1
select vec ¦  ¦ let v = select(vec2u(1u, 2u), vec2u(3u, 4u), vec2(payload(0u) == 3u, false)); let w = select(vec2u(1u), vec2u(2u), payload(0u) == 3u); r = v.x * 100u + v.y * 10u + w.y; ¦ 322
mixed vec ctor ¦  ¦ let v = vec4u(vec2u(1u, 2u), 3u, payload(0u) + 1u); let w = vec4(v.xy, v.zw); let z = vec3(1u, v.wz); r = w.w * 10u + z.z; ¦ 43
vec conv ¦  ¦ let v = vec3i(vec3u(payload(2u), 1u, 2u)); let f = vec3f(v); r = u32(f.x * -1.0 + f.z); ¦ 3
vec1 arg ¦ fn f1(v: vec3<u32>, a: array<u32, 2>, b: bool) -> vec2<u32> { return vec2(v.z + a[1], u32(b)); } ¦ r = f1(vec3(1u, 2u, 3u), array(4u, 5u), true).x; ¦ 8
hex floats ¦  ¦ r = u32(0x1p3 + 0x.8p1f + 1e1 + 1.e1f + .5e1); ¦ 34
literal forms ¦  ¦ r = 0xFFu + 0X1Fu + 10u + u32(0) + u32(1.) + u32(2f); ¦ 299
must_use ¦ @must_use fn f1() -> u32 { return 3u; } ¦ r = f1(); ¦ 3
empty ¦ ;; ¦ ;; { } {;} r = 1u;; ¦ 1
unicode ¦ fn é1(日本: u32) -> u32 { let ñ = 日本; return ñ; } ¦ r = é1(4u); ¦ 4
fn in const name ¦ const max1 = 3u; fn min1(max1: u32) -> u32 { let min1 = max1; return min1; } ¦ r = min1(max1); ¦ 3
local named as builtin ¦  ¦ let min = 3u; let vec2u = 4u; let select = min + vec2u; r = select; ¦ 7
local named as fn ¦ fn f1() -> u32 { return 3u; } ¦ let f1 = f1() + 1u; r = f1; ¦ 4
param named as type ¦ fn f1(u32: i32) -> i32 { return u32; } ¦ r = u32(f1(3)); ¦ 3
var named payload ¦  ¦ let payload = payload(0u); r = payload; ¦ 3
loop var shadow ¦  ¦ let i = 9u; for (var i = 0u; i < 2u; i++) { let i = i + 5u; r += i; } r += i; ¦ 20
long else chain in fn end ¦ fn f1(x: u32) -> u32 { if x == 1u { return 1u; } else if x == 2u { return 2u; } else { loop { } } } ¦ r = f1(2u); ¦ 2
switch in loop return ¦ fn f1() -> u32 { loop { switch payload(0u) { case 3u: { return 8u; } default: { break; } } } } ¦ r = f1(); ¦ 8
ptr let of ptr ¦  ¦ var x = 1u; let p = &x; let q = p; *q = 5u; r = *p; ¦ 5
ptr deref chain ¦  ¦ var x = vec2u(1u, 2u); let p = &(x); r = (*p).y + (*(&x)).x + (&x).y; ¦ 5
nested call ptr ¦ fn f1(p: ptr<function, u32>) { f2(p); } fn f2(p: ptr<function, u32>) { *p = *p + 1u; } ¦ var x = 1u; f1(&x); f1(&x); r = x; ¦ 3
compare chain ¦  ¦ r = u32((payload(0u) < 4u) == (payload(4u) > 4u)); ¦ 1
int overflow ¦  ¦ r = payload(2u) + 1u + (payload(2u) * payload(2u)) + u32(i32(0x7fffffff) + i32(payload(0u) - 2u)); ¦ 2147483649
neg min ¦  ¦ r = u32(-i32(payload(3u))) + u32(abs(i32(payload(3u)))); ¦ 0
const builtins ¦ const c1 = max(3u, 4u) + min(1u, 2u) + countOneBits(255u) + clamp(9u, 1u, 5u) + abs(-3); ¦ r = u32(c1); ¦ 21
const numbers ¦ const c1 = trunc(2.5) + floor(1.5) + ceil(0.5) + round(2.5) + sqrt(4.0) + sign(-1.0) + fract(0.5) * 2.0 + step(1.0, 2.0) + saturate(3.0) + fma(1.0,2.0,3.0); ¦ r = u32(c1); ¦ 15`;

const rows = ROWS.trim()
  .split("\n")
  .map((row, n) => {
    const [name = "", declarations = "", statements = "", wanted = ""] = row.split("¦").map((part) => part.trim());
    const own = (text: string) => text.replace(/(?<![\p{L}\d.])(\p{L}+)1(?![\p{L}\d])/gu, `$1_${n}`);
    return { name, declarations: own(declarations), statements: own(statements), wanted: Number(wanted) };
  });

describe.skipIf(!vulkan)("statements", () => {
  for (let from = 0; from < rows.length; from += TOGETHER) {
    const some = rows.slice(from, from + TOGETHER);
    test(`have the specified results: ${some[0]?.name} to ${some.at(-1)?.name}`, async () => {
      const functions = some.map(
        ({ declarations, statements }, kind) =>
          `${declarations}\nfn row_${kind}_(message: Message) -> u32 { var r = 0u; ${statements} return r; }`,
      );
      const calls = some.map((_, kind) => `case ${kind}u: { answer = row_${kind}_(message); }`);
      const gpu = GpuDevice.open(device);
      await using bare = await Bare.open(gpu);
      gpu.release();
      const kernel = await bare.launch(`${functions.join("\n")}
        fn on_message(message: Message) {
          var answer = 0u;
          switch message.kind { ${calls.join(" ")} default: { } }
          set_reply(0u, answer);
          reply(4u);
        }`);
      const got: Record<string, number | undefined> = {};
      for (const [kind, { name }] of some.entries()) {
        got[name] = wordsOf(await bare.call(kernel, PAYLOAD, { type: kind }))[0];
      }
      expect(got).toEqual(Object.fromEntries(some.map(({ name, wanted }) => [name, wanted])));
    });
  }

  validationIsSilent();
});
