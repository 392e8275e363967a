/* Vulkan's memory as an OpenGL buffer. */
#include <stdlib.h>

#include "base/status.h"
#include "base/whole.h"
#include "gpu/external.h"
#include "interop/interop.h"
#include "interop/opengl.h"

struct lf_opengl_memory {
  const lf_gl_functions *gl;
  lf_gl_context *context;
  GLuint object, buffer; /* 0: not made yet */
};

/* The context must be current. */
static void delete_names(lf_opengl_memory *m) {
  if (m->buffer) m->gl->glDeleteBuffers(1, &m->buffer);
  if (m->object) m->gl->glDeleteMemoryObjectsEXT(1, &m->object);
}

int32_t lf_opengl_memory_free(lf_opengl_memory *m) {
  lf_gl_current before;
  int32_t status = lf_gl_enter(m->context, &before);
  if (status == 1) {
    lf_gl_clear();
    delete_names(m);
    status = lf_gl_leave(m->context, &before, lf_gl_check(LF_ESYSTEM, "glDeleteBuffers"));
  }
  status = lf_gl_context_release(m->context, status);
  free(m);
  return status;
}

static void drop(void *object) { lf_opengl_memory_free(object); }

/* *taken: OpenGL owns the descriptor. The caller's bindings stay unchanged. */
static int32_t attach(lf_opengl_memory *m, const lf_shared_memory *shared, uint64_t offset, uint64_t size, int *taken) {
  const lf_gl_functions *gl = m->gl;
  const GLint dedicated = 1;
  lf_gl_clear();
  gl->glCreateMemoryObjectsEXT(1, &m->object);
  gl->glMemoryObjectParameterivEXT(m->object, LF_GL_DEDICATED_MEMORY_OBJECT, &dedicated);
  int32_t status = lf_gl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "glMemoryObjectParameterivEXT");
  if (status < 0) return status;
  gl->glImportMemoryFdEXT(m->object, shared->allocation, LF_GL_HANDLE_TYPE_OPAQUE_FD, (GLint)shared->os);
  status = lf_gl_check(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "glImportMemoryFdEXT");
  if (status < 0) return status;
  *taken = 1;
  GLint bound = 0;
  gl->glGetIntegerv(LF_GL_COPY_WRITE_BUFFER, &bound);
  gl->glGenBuffers(1, &m->buffer);
  gl->glBindBuffer(LF_GL_COPY_WRITE_BUFFER, m->buffer);
  gl->glBufferStorageMemEXT(LF_GL_COPY_WRITE_BUFFER, (GLsizeiptr)size, m->object, offset);
  /* Nothing is allocated here: "out of memory" means that the driver needs a larger allocation. */
  GLenum error = gl->glGetError();
  if (error != LF_GL_NO_ERROR)
    status = lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "glBufferStorageMemEXT", (int32_t)error,
                     "the driver makes no buffer of %llu bytes at byte %llu of an allocation of %llu (OpenGL error 0x%04x)",
                     (unsigned long long)size, (unsigned long long)offset, (unsigned long long)shared->allocation,
                         error);
  gl->glBindBuffer(LF_GL_COPY_WRITE_BUFFER, (GLuint)bound);
  return status < 0 ? status : lf_gl_check(LF_ESYSTEM, "glBindBuffer");
}

int32_t lf_opengl_memory_import(lf_gpu_memory *memory, double offset, double size, lf_opengl_memory **out) {
  const lf_gl_functions *gl = lf_opengl_open();
  if (!gl) return LF_EBACKEND_UNAVAILABLE;
  lf_shared_memory shared;
  int32_t status = lf_share_memory_part(memory, offset, size, &shared);
  if (status < 0) return status;
  /* Mesa's software driver (22.3) accepts an offset, but makes the buffer from the memory's first byte. */
  if (offset > 0 && memory->device->info.type == LF_GPU_CPU) {
    lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0,
            "a part from byte %.0f on: OpenGL in software makes buffers of a memory's beginning only", offset);
    return lf_external_refuse(shared.os);
  }
  lf_opengl_memory *m = lf_import_object(sizeof *m, shared.os);
  if (!m) return LF_EHOST_OUT_OF_MEMORY;
  m->gl = gl;
  status = lf_gl_context_take(shared.device_uuid, "GL_EXT_memory_object_fd", &m->context);
  if (status < 0) {
    free(m);
    return lf_external_refuse(shared.os);
  }
  int taken = 0;
  status = attach(m, &shared, (uint64_t)offset, (uint64_t)size, &taken);
  if (!taken) lf_external_refuse(shared.os);
  if (status < 0) return lf_import_fail(m, drop);
  *out = m;
  return LF_OK;
}

GLuint lf_opengl_memory_buffer(const lf_opengl_memory *m) { return m->buffer; }

GLuint lf_opengl_memory_object(const lf_opengl_memory *m) { return m->object; }
