/* SPIR-V, as far as it has to be read before a driver sees it. */
#ifndef LF_SPIRV_H
#define LF_SPIRV_H

#include <stdint.h>

/* SHADER_INVALID unless it is whole, has a compute entry point `main`, and names no binding outside set 0, bindings 0
 * to `bindings` - 1. Puts the size of its workgroups into `size`, where it has one. What the shader does is not looked
 * at. */
int32_t lf_spirv_check(const uint32_t *words, uint32_t bytes, uint32_t bindings, uint32_t size[3]);

#endif
