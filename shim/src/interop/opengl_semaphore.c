/* Vulkan's binary semaphores in the order of an OpenGL context's commands. */
#include <stdlib.h>

#include "base/status.h"
#include "gpu/external.h"
#include "interop/interop.h"
#include "interop/opengl.h"

#define BUFFERS_MAX 16u /* of one call: bounds an array on the stack */

typedef struct {
  const lf_gl_functions *gl;
  lf_gl_context *context;
  GLuint name;
} opengl_semaphore;

static int32_t unmake(opengl_semaphore *s) {
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

static void destroy(void *object) { unmake(object); }

int32_t lf_opengl_semaphore_import(int32_t semaphore) {
  const lf_gl_functions *gl = lf_opengl_open();
  if (!gl) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_semaphore shared;
  int32_t status = lf_share_semaphore(semaphore, "OpenGL", &shared);
  if (status < 0) return status;
  opengl_semaphore *s = lf_import_object(sizeof *s, shared.os);
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
  return lf_import_handle(LF_KIND_OPENGL_SEMAPHORE, s, destroy, status);
}

static int32_t enqueue(int32_t handle, const int32_t *buffers, uint32_t count, int wait) {
  const opengl_semaphore *s = lf_handle_get(LF_KIND_OPENGL_SEMAPHORE, handle);
  if (!s) return lf_handle_stale(LF_KIND_OPENGL_SEMAPHORE, handle);
  if (count > BUFFERS_MAX || (count > 0 && !buffers))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u buffers; at most %u can be named", count, BUFFERS_MAX);
  GLuint names[BUFFERS_MAX];
  for (uint32_t i = 0; i < count; i++) {
    uint32_t object;
    int32_t status = lf_opengl_describe(buffers[i], &names[i], &object);
    if (status < 0) return status;
  }
  lf_gl_clear();
  if (wait) s->gl->glWaitSemaphoreEXT(s->name, count, names, 0, NULL, NULL);
  else s->gl->glSignalSemaphoreEXT(s->name, count, names, 0, NULL, NULL);
  int32_t status = lf_gl_check(LF_EINVALID_ARGUMENT, wait ? "glWaitSemaphoreEXT" : "glSignalSemaphoreEXT");
  if (status < 0) return status;
  /* Flushed, because work outside of OpenGL waits for the signal, or for the wait to consume it. */
  s->gl->glFlush();
  return lf_gl_check(LF_ESYSTEM, "glFlush");
}

int32_t lf_opengl_semaphore_signal(int32_t handle, const int32_t *buffers, uint32_t count) {
  return enqueue(handle, buffers, count, 0);
}

int32_t lf_opengl_semaphore_wait(int32_t handle, const int32_t *buffers, uint32_t count) {
  return enqueue(handle, buffers, count, 1);
}

int32_t lf_opengl_semaphore_close(int32_t handle) {
  opengl_semaphore *s = lf_handle_take(LF_KIND_OPENGL_SEMAPHORE, handle);
  return s ? unmake(s) : lf_handle_stale(LF_KIND_OPENGL_SEMAPHORE, handle);
}
