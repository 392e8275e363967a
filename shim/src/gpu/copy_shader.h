/*
 * The compute shader that copies within a GPU: vkCmdCopyBuffer moves a fifth of what the memory gives on some GPUs
 * (docs/performance.md), this all of it. SPIR-V 1.3, written by hand; in GLSL it would be
 *
 *   layout(local_size_x = 256) in;
 *   layout(binding = 0) readonly buffer From { uvec4 from[]; };
 *   layout(binding = 1) writeonly buffer To { uvec4 to[]; };
 *   layout(push_constant) uniform Push { uint count; };
 *   void main() {
 *     uint stride = gl_NumWorkGroups.x * 256;
 *     for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) to[i] = from[i];
 *   }
 */
#ifndef LF_COPY_SHADER_H
#define LF_COPY_SHADER_H

#include <stdint.h>

#define LF_COPY_GROUP 256u /* invocations in a workgroup */
#define LF_COPY_UNIT 16u   /* bytes that an invocation moves at a time */

enum {
  COPY_MAIN = 1, COPY_VOID, COPY_FUNCTION, COPY_BOOL, COPY_UINT, COPY_UVEC3, COPY_UVEC4, COPY_IN_UVEC3, COPY_IN_UINT,
  COPY_INVOCATION, COPY_GROUPS, COPY_ARRAY, COPY_BUFFER, COPY_PTR_BUFFER, COPY_PTR_UVEC4, COPY_FROM, COPY_TO, COPY_PUSH,
  COPY_PTR_PUSH, COPY_PTR_COUNT, COPY_PUSHED, COPY_0, COPY_256, COPY_ENTRY, COPY_LOOP, COPY_BODY, COPY_NEXT, COPY_END,
  COPY_V1, COPY_V2, COPY_V3, COPY_V4, COPY_V5, COPY_V6, COPY_V7, COPY_I, COPY_MORE, COPY_V8, COPY_V9, COPY_V10,
  COPY_STEP, COPY_BOUND
};

/* clang-format off */
#define OP(words, code) ((uint32_t)(words) << 16 | (code))
static const uint32_t lf_copy_shader[] = {
  0x07230203, 0x00010300, 0, COPY_BOUND, 0,
  OP(2, 17), 1,                                                     /* OpCapability Shader */
  OP(3, 14), 0, 1,                                                  /* OpMemoryModel Logical GLSL450 */
  OP(7, 15), 5, COPY_MAIN, 0x6e69616d, 0, COPY_INVOCATION, COPY_GROUPS, /* OpEntryPoint GLCompute "main" */
  OP(6, 16), COPY_MAIN, 17, LF_COPY_GROUP, 1, 1,                    /* OpExecutionMode LocalSize */
  OP(4, 71), COPY_INVOCATION, 11, 28,                               /* OpDecorate BuiltIn GlobalInvocationId */
  OP(4, 71), COPY_GROUPS, 11, 24,                                   /* OpDecorate BuiltIn NumWorkgroups */
  OP(4, 71), COPY_ARRAY, 6, LF_COPY_UNIT,                           /* OpDecorate ArrayStride */
  OP(3, 71), COPY_BUFFER, 2,                                        /* OpDecorate Block */
  OP(5, 72), COPY_BUFFER, 0, 35, 0,                                 /* OpMemberDecorate Offset 0 */
  OP(4, 71), COPY_FROM, 34, 0,                                      /* OpDecorate DescriptorSet 0 */
  OP(4, 71), COPY_FROM, 33, 0,                                      /* OpDecorate Binding 0 */
  OP(3, 71), COPY_FROM, 24,                                         /* OpDecorate NonWritable */
  OP(4, 71), COPY_TO, 34, 0,
  OP(4, 71), COPY_TO, 33, 1,
  OP(3, 71), COPY_TO, 25,                                           /* OpDecorate NonReadable */
  OP(3, 71), COPY_PUSH, 2,
  OP(5, 72), COPY_PUSH, 0, 35, 0,
  OP(2, 19), COPY_VOID,                                             /* OpTypeVoid */
  OP(3, 33), COPY_FUNCTION, COPY_VOID,                              /* OpTypeFunction */
  OP(2, 20), COPY_BOOL,                                             /* OpTypeBool */
  OP(4, 21), COPY_UINT, 32, 0,                                      /* OpTypeInt */
  OP(4, 23), COPY_UVEC3, COPY_UINT, 3,                              /* OpTypeVector */
  OP(4, 23), COPY_UVEC4, COPY_UINT, 4,
  OP(4, 32), COPY_IN_UVEC3, 1, COPY_UVEC3,                          /* OpTypePointer Input */
  OP(4, 32), COPY_IN_UINT, 1, COPY_UINT,
  OP(4, 59), COPY_IN_UVEC3, COPY_INVOCATION, 1,                     /* OpVariable Input */
  OP(4, 59), COPY_IN_UVEC3, COPY_GROUPS, 1,
  OP(3, 29), COPY_ARRAY, COPY_UVEC4,                                /* OpTypeRuntimeArray */
  OP(3, 30), COPY_BUFFER, COPY_ARRAY,                               /* OpTypeStruct */
  OP(4, 32), COPY_PTR_BUFFER, 12, COPY_BUFFER,                      /* OpTypePointer StorageBuffer */
  OP(4, 32), COPY_PTR_UVEC4, 12, COPY_UVEC4,
  OP(4, 59), COPY_PTR_BUFFER, COPY_FROM, 12,                        /* OpVariable StorageBuffer */
  OP(4, 59), COPY_PTR_BUFFER, COPY_TO, 12,
  OP(3, 30), COPY_PUSH, COPY_UINT,
  OP(4, 32), COPY_PTR_PUSH, 9, COPY_PUSH,                           /* OpTypePointer PushConstant */
  OP(4, 32), COPY_PTR_COUNT, 9, COPY_UINT,
  OP(4, 59), COPY_PTR_PUSH, COPY_PUSHED, 9,
  OP(4, 43), COPY_UINT, COPY_0, 0,                                  /* OpConstant */
  OP(4, 43), COPY_UINT, COPY_256, LF_COPY_GROUP,
  OP(5, 54), COPY_VOID, COPY_MAIN, 0, COPY_FUNCTION,                /* OpFunction */
  OP(2, 248), COPY_ENTRY,                                           /* OpLabel */
  OP(5, 65), COPY_IN_UINT, COPY_V1, COPY_INVOCATION, COPY_0,        /* OpAccessChain */
  OP(4, 61), COPY_UINT, COPY_V2, COPY_V1,                           /* OpLoad: the first index */
  OP(5, 65), COPY_IN_UINT, COPY_V3, COPY_GROUPS, COPY_0,
  OP(4, 61), COPY_UINT, COPY_V4, COPY_V3,
  OP(5, 132), COPY_UINT, COPY_V5, COPY_V4, COPY_256,                /* OpIMul: the stride */
  OP(5, 65), COPY_PTR_COUNT, COPY_V6, COPY_PUSHED, COPY_0,
  OP(4, 61), COPY_UINT, COPY_V7, COPY_V6,                           /* the count */
  OP(2, 249), COPY_LOOP,                                            /* OpBranch */
  OP(2, 248), COPY_LOOP,
  OP(7, 245), COPY_UINT, COPY_I, COPY_V2, COPY_ENTRY, COPY_STEP, COPY_NEXT, /* OpPhi */
  OP(5, 176), COPY_BOOL, COPY_MORE, COPY_I, COPY_V7,                /* OpULessThan */
  OP(4, 246), COPY_END, COPY_NEXT, 0,                               /* OpLoopMerge */
  OP(4, 250), COPY_MORE, COPY_BODY, COPY_END,                       /* OpBranchConditional */
  OP(2, 248), COPY_BODY,
  OP(6, 65), COPY_PTR_UVEC4, COPY_V8, COPY_FROM, COPY_0, COPY_I,
  OP(4, 61), COPY_UVEC4, COPY_V9, COPY_V8,
  OP(6, 65), COPY_PTR_UVEC4, COPY_V10, COPY_TO, COPY_0, COPY_I,
  OP(3, 62), COPY_V10, COPY_V9,                                     /* OpStore */
  OP(2, 249), COPY_NEXT,
  OP(2, 248), COPY_NEXT,
  OP(5, 128), COPY_UINT, COPY_STEP, COPY_I, COPY_V5,                /* OpIAdd */
  OP(2, 249), COPY_LOOP,
  OP(2, 248), COPY_END,
  OP(1, 253),                                                       /* OpReturn */
  OP(1, 56),                                                        /* OpFunctionEnd */
};
#undef OP
/* clang-format on */

#endif
