/* Checks of SPIR-V before a driver gets it. */
#ifndef LF_SPIRV_H
#define LF_SPIRV_H

#include <stdint.h>

/* LF_OK; SHADER_INVALID unless the code is complete, has a compute entry point `main`, and names no binding outside set
 * 0, bindings 0 to `bindings` - 1. Writes the workgroup's size into `size`, if the code has one. Does not check the
 * instructions' operands. */
int32_t lf_spirv_check(const uint32_t *words, uint32_t bytes, uint32_t bindings, uint32_t size[3]);

#endif
