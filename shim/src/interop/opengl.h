/*
 * OpenGL through EGL, opened at run time: contexts (opengl.c), memory (opengl_memory.c), semaphores
 * (opengl_semaphore.c). The context that is current on the thread is used. Without one, the shim makes a context on the
 * matching GPU, without a window or a display server, and makes it current.
 */
#ifndef LF_OPENGL_H
#define LF_OPENGL_H

#include <stdint.h>

#include "gpu/gpu_memory.h"
#include "gpu/semaphore.h"
#include "interop/opengl_api.h"
#include "lavaflow.h"

/* A context with objects of the shim; counted. */
typedef struct {
  EGLDisplay display;
  EGLContext context;
  uint32_t references;
  int own; /* 1: the shim made it */
} lf_gl_context;

typedef struct {
  EGLDisplay display;
  EGLContext context;
  EGLSurface draw, read;
} lf_gl_current;

/* The functions of OpenGL, or NULL with BACKEND_UNAVAILABLE recorded. */
const lf_gl_functions *lf_opengl_open(void);
/* The context to import into, which is made current. LF_OK; EXTERNAL_HANDLE_MISMATCH unless it is on the GPU that
 * `uuid` names; EXTERNAL_MEMORY_UNSUPPORTED unless it has `extension`. */
int32_t lf_gl_context_take(const uint8_t *uuid, const char *extension, lf_gl_context **out);
/* The last release destroys a context of the shim. Returns `status`; or the failure of the release, if `status` is
 * none. */
int32_t lf_gl_context_release(lf_gl_context *context, int32_t status);
/* Makes the context current for a cleanup: 1; 0 when the context was destroyed, with its objects; or a failure.
 * lf_gl_leave restores the caller's context, and returns `status` or its own failure. */
int32_t lf_gl_enter(const lf_gl_context *context, lf_gl_current *before);
int32_t lf_gl_leave(const lf_gl_context *context, const lf_gl_current *before, int32_t status);

/* lf_gl_clear discards errors of earlier calls. lf_gl_check returns LF_OK; or records the first error since, as `code`
 * or GPU_OUT_OF_MEMORY. */
void lf_gl_clear(void);
int32_t lf_gl_check(int32_t code, const char *api);

/* ---- opengl_memory.c ---- */

typedef struct lf_opengl_memory lf_opengl_memory;

/* As lf_opengl_import. */
int32_t lf_opengl_memory_import(lf_gpu_memory *memory, double offset, double size, lf_opengl_memory **out);
/* The names of the buffer and of its memory object. */
GLuint lf_opengl_memory_buffer(const lf_opengl_memory *memory);
GLuint lf_opengl_memory_object(const lf_opengl_memory *memory);
/* LF_OK, SYSTEM. */
int32_t lf_opengl_memory_free(lf_opengl_memory *memory);

/* ---- opengl_semaphore.c ---- */

typedef struct lf_opengl_semaphore lf_opengl_semaphore;

#define LF_OPENGL_BUFFERS_MAX 16u /* of one signal or wait: bounds an array on the stack */

/* As lf_opengl_semaphore_import. */
int32_t lf_opengl_semaphore_make(lf_semaphore *semaphore, lf_opengl_semaphore **out);
/* As lf_opengl_semaphore_wait and lf_opengl_semaphore_signal, with at most LF_OPENGL_BUFFERS_MAX buffers. */
int32_t lf_opengl_semaphore_enqueue(const lf_opengl_semaphore *semaphore, lf_opengl_memory *const *buffers,
                                    uint32_t count, int is_wait);
/* LF_OK, SYSTEM. */
int32_t lf_opengl_semaphore_free(lf_opengl_semaphore *semaphore);

#endif
