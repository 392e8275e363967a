/* A compute shader for tests. */
#ifndef LF_TEST_ADDER_H
#define LF_TEST_ADDER_H

#include <stdint.h>

/*
 * SPIR-V 1.3, written by hand; in GLSL it would be
 *
 *   layout(local_size_x = 1) in;
 *   layout(binding = 0) buffer From { uint from[]; };
 *   layout(binding = 1) buffer To { uint to[]; };
 *   layout(push_constant) uniform Push { uint addend; };
 *   void main() { to[gl_GlobalInvocationID.x] = from[gl_GlobalInvocationID.x] + addend; }
 */
enum {
  A_MAIN = 1, A_VOID, A_FUNCTION, A_UINT, A_UVEC3, A_ARRAY, A_BLOCK, A_PUSH, A_IN_UVEC3, A_IN_UINT, A_OUT_BLOCK,
  A_OUT_UINT, A_PUSH_BLOCK, A_PUSH_UINT, A_ID, A_FROM, A_TO, A_ADDEND, A_ZERO, A_ENTRY, A_V1, A_V2, A_V3, A_V4, A_V5,
  A_V6, A_V7, A_V8, A_BOUND
};
#define OP(words, code) ((uint32_t)(words) << 16 | (code))
/* clang-format off */
static const uint32_t adder[] = {
  0x07230203, 0x00010300, 0, A_BOUND, 0,
  OP(2, 17), 1,                                       /* OpCapability Shader */
  OP(3, 14), 0, 1,                                    /* OpMemoryModel Logical GLSL450 */
  OP(6, 15), 5, A_MAIN, 0x6e69616d, 0, A_ID,          /* OpEntryPoint GLCompute "main" */
  OP(6, 16), A_MAIN, 17, 1, 1, 1,                     /* OpExecutionMode LocalSize */
  OP(4, 71), A_ID, 11, 28,                            /* OpDecorate BuiltIn GlobalInvocationId */
  OP(4, 71), A_ARRAY, 6, 4,                           /* OpDecorate ArrayStride */
  OP(3, 71), A_BLOCK, 2,                              /* OpDecorate Block */
  OP(5, 72), A_BLOCK, 0, 35, 0,                       /* OpMemberDecorate Offset */
  OP(4, 71), A_FROM, 34, 0,                           /* OpDecorate DescriptorSet */
  OP(4, 71), A_FROM, 33, 0,                           /* OpDecorate Binding */
  OP(4, 71), A_TO, 34, 0,
  OP(4, 71), A_TO, 33, 1,
  OP(3, 71), A_PUSH, 2,
  OP(5, 72), A_PUSH, 0, 35, 0,
  OP(2, 19), A_VOID,                                  /* OpTypeVoid */
  OP(3, 33), A_FUNCTION, A_VOID,                      /* OpTypeFunction */
  OP(4, 21), A_UINT, 32, 0,                           /* OpTypeInt */
  OP(4, 23), A_UVEC3, A_UINT, 3,                      /* OpTypeVector */
  OP(3, 29), A_ARRAY, A_UINT,                         /* OpTypeRuntimeArray */
  OP(3, 30), A_BLOCK, A_ARRAY,                        /* OpTypeStruct */
  OP(3, 30), A_PUSH, A_UINT,
  OP(4, 32), A_IN_UVEC3, 1, A_UVEC3,                  /* OpTypePointer Input */
  OP(4, 32), A_IN_UINT, 1, A_UINT,
  OP(4, 32), A_OUT_BLOCK, 12, A_BLOCK,                /* OpTypePointer StorageBuffer */
  OP(4, 32), A_OUT_UINT, 12, A_UINT,
  OP(4, 32), A_PUSH_BLOCK, 9, A_PUSH,                 /* OpTypePointer PushConstant */
  OP(4, 32), A_PUSH_UINT, 9, A_UINT,
  OP(4, 59), A_IN_UVEC3, A_ID, 1,                     /* OpVariable */
  OP(4, 59), A_OUT_BLOCK, A_FROM, 12,
  OP(4, 59), A_OUT_BLOCK, A_TO, 12,
  OP(4, 59), A_PUSH_BLOCK, A_ADDEND, 9,
  OP(4, 43), A_UINT, A_ZERO, 0,                       /* OpConstant */
  OP(5, 54), A_VOID, A_MAIN, 0, A_FUNCTION,           /* OpFunction */
  OP(2, 248), A_ENTRY,                                /* OpLabel */
  OP(5, 65), A_IN_UINT, A_V1, A_ID, A_ZERO,           /* OpAccessChain */
  OP(4, 61), A_UINT, A_V2, A_V1,                      /* OpLoad */
  OP(6, 65), A_OUT_UINT, A_V3, A_FROM, A_ZERO, A_V2,
  OP(4, 61), A_UINT, A_V4, A_V3,
  OP(5, 65), A_PUSH_UINT, A_V5, A_ADDEND, A_ZERO,
  OP(4, 61), A_UINT, A_V6, A_V5,
  OP(5, 128), A_UINT, A_V7, A_V4, A_V6,               /* OpIAdd */
  OP(6, 65), A_OUT_UINT, A_V8, A_TO, A_ZERO, A_V2,
  OP(3, 62), A_V8, A_V7,                              /* OpStore */
  OP(1, 253), OP(1, 56),                              /* OpReturn, OpFunctionEnd */
};
/* clang-format on */

#endif
