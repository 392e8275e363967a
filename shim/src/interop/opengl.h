/*
 * OpenGL through EGL, opened at run time: contexts (opengl.c), memory (opengl_memory.c), semaphores
 * (opengl_semaphore.c). The context that is current on the thread is used; where there is none, one is made that needs
 * neither a window nor a display server, on the GPU that is meant, and becomes the current one.
 */
#ifndef LF_OPENGL_H
#define LF_OPENGL_H

#include <stdint.h>

#include "interop/opengl_api.h"
#include "lavaflow.h"

/* A context in which something of ours lives; counted. */
typedef struct {
  EGLDisplay display;
  EGLContext context;
  uint32_t references;
  int own; /* made here */
} lf_gl_context;

typedef struct {
  EGLDisplay display;
  EGLContext context;
  EGLSurface draw, read;
} lf_gl_current;

/* The functions of OpenGL, or NULL with the failure recorded. */
const lf_gl_functions *lf_opengl_open(void);
/* The context to import into, now current. EXTERNAL_HANDLE_MISMATCH unless it is of the GPU that `uuid` names,
 * EXTERNAL_MEMORY_UNSUPPORTED unless it has `extension`. */
int32_t lf_gl_context_take(const uint8_t *uuid, const char *extension, lf_gl_context **out);
/* The last one destroys a context of our own. Returns `status`, or the failure where there was none before. */
int32_t lf_gl_context_release(lf_gl_context *context, int32_t status);
/* Makes it current for the cleaning up, and back again: 1, or 0 where the context is gone and all in it with it. */
int32_t lf_gl_enter(const lf_gl_context *context, lf_gl_current *before);
int32_t lf_gl_leave(const lf_gl_context *context, const lf_gl_current *before, int32_t status);

/* Forgets errors of earlier calls, which nobody asked for; then the first error since, as `code` or GPU_OUT_OF_MEMORY. */
void lf_gl_clear(void);
int32_t lf_gl_check(int32_t code, const char *api);

#endif
