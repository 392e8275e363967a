/* Drivers trust SPIR-V: several crash on truncated code, or on a binding that the layout lacks. */
#include "gpu/spirv.h"

#include <stddef.h>
#include <string.h>

#include "base/status.h"

#define MAGIC 0x07230203u
#define HEADER_WORDS 5
/* Opcodes, execution models and decorations of the SPIR-V specification, sections 3.3, 3.20 and 3.49. */
enum {
  OP_ENTRY_POINT = 15, OP_EXECUTION_MODE = 16, OP_DECORATE = 71, MODEL_GLCOMPUTE = 5, MODE_LOCAL_SIZE = 17,
  DECORATION_BINDING = 33, DECORATION_SET = 34
};

static int32_t invalid(const char *what, uint32_t at) {
  return lf_fail(LF_ESHADER_INVALID, "", 0, "SPIR-V: %s (word %u)", what, at);
}

int32_t lf_spirv_check(const uint32_t *words, uint32_t bytes, uint32_t bindings, uint32_t size[3]) {
  if (!words || (uintptr_t)words % sizeof *words != 0)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "SPIR-V %s",
                   words ? "at an address that is no multiple of 4" : "is missing");
  if (bytes % sizeof *words != 0 || bytes < HEADER_WORDS * sizeof *words || words[0] != MAGIC)
    return lf_fail(LF_ESHADER_INVALID, "", 0,
                   "%u bytes that do not begin as SPIR-V (in this machine's byte order) does", bytes);
  uint32_t count = bytes / sizeof *words;
  int has_main = 0;
  for (uint32_t at = HEADER_WORDS, length; at < count; at += length) {
    const uint32_t *op = words + at;
    length = op[0] >> 16;
    if (length == 0 || length > count - at) return invalid("an instruction that is cut off", at);
    uint32_t code = op[0] & 0xffff;
    if (code == OP_ENTRY_POINT && length >= 5 && op[1] == MODEL_GLCOMPUTE)
      has_main |= memcmp(op + 3, "main\0\0\0", 8) == 0;
    if (code == OP_EXECUTION_MODE && length == 6 && op[2] == MODE_LOCAL_SIZE) memcpy(size, op + 3, 3 * sizeof *size);
    if (code != OP_DECORATE || length < 4) continue;
    if (op[2] == DECORATION_SET && op[3] != 0) return invalid("a binding outside descriptor set 0", at);
    if (op[2] == DECORATION_BINDING && op[3] >= bindings)
      return lf_fail(LF_ESHADER_INVALID, "", 0, "the shader has a binding %u: the pipeline has %u, from 0", op[3],
                     bindings);
  }
  return has_main ? LF_OK : lf_fail(LF_ESHADER_INVALID, "", 0, "SPIR-V without a compute entry point named main");
}
