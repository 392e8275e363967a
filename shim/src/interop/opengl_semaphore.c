/* Vulkan's binary semaphores in the order of an OpenGL context's commands. */
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"
#include "interop/interop.h"
#include "interop/opengl.h"

struct lf_opengl_semaphore {
  const lf_gl_functions *gl;
  lf_gl_context *context;
  GLuint name;
};

int32_t lf_opengl_semaphore_free(lf_opengl_semaphore *s) {
  lf_gl_current before;
  int32_t status = lf_gl_enter(s->context, &before);
  if (status == 1) {
    lf_gl_clear();
    if (s->name) s->gl->glDeleteSemaphoresEXT(1, &s->name);
    status = lf_gl_leave(s->context, &before, lf_gl_check(LF_ESYSTEM, "glDeleteSemaphoresEXT"));
  }
  status = lf_gl_context_release(s->context, status);
  free(s);
  return status;
}

static void drop(void *object) { lf_opengl_semaphore_free(object); }

int32_t lf_opengl_semaphore_make(lf_semaphore *semaphore, lf_opengl_semaphore **out) {
  const lf_gl_functions *gl = lf_opengl_open();
  if (!gl) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_semaphore shared;
  int32_t status = lf_share_semaphore(semaphore, "OpenGL", &shared);
  if (status < 0) return status;
  lf_opengl_semaphore *s = lf_import_object(sizeof *s, shared.os);
  if (!s) return LF_EHOST_OUT_OF_MEMORY;
  s->gl = gl;
  status = lf_gl_context_take(shared.device_uuid, "GL_EXT_semaphore_fd", &s->context);
  if (status < 0) {
    free(s);
    return lf_external_refuse(shared.os);
  }
  lf_gl_clear();
  gl->glGenSemaphoresEXT(1, &s->name);
  gl->glImportSemaphoreFdEXT(s->name, LF_GL_HANDLE_TYPE_OPAQUE_FD, (GLint)shared.os);
  status = lf_gl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "glImportSemaphoreFdEXT");
  if (status < 0) lf_external_refuse(shared.os);
  if (status < 0) return lf_import_fail(s, drop);
  *out = s;
  return LF_OK;
}

int32_t lf_opengl_semaphore_enqueue(const lf_opengl_semaphore *s, lf_opengl_memory *const *buffers, uint32_t count,
                                    int is_wait) {
  GLuint names[LF_OPENGL_BUFFERS_MAX];
  for (uint32_t i = 0; i < count; i++) names[i] = lf_opengl_memory_buffer(buffers[i]);
  lf_gl_clear();
  if (is_wait) s->gl->glWaitSemaphoreEXT(s->name, count, names, 0, NULL, NULL);
  else s->gl->glSignalSemaphoreEXT(s->name, count, names, 0, NULL, NULL);
  int32_t status = lf_gl_check(LF_EINVALID_ARGUMENT, is_wait ? "glWaitSemaphoreEXT" : "glSignalSemaphoreEXT");
  if (status < 0) return status;
  /* Flushed, because work outside of OpenGL waits for the signal, or for the wait to consume it. */
  s->gl->glFlush();
  return lf_gl_check(LF_ESYSTEM, "glFlush");
}
