#include "interop/opengl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/once.h"
#include "base/status.h"
#include "base/uuid.h"

#define EGL_BAD_ACCESS_ 0x3002 /* the context is current on another thread */
#define DEVICES_MAX 32

static lf_egl_functions egl;
static lf_egl_device_functions egl_device;
static lf_gl_functions gl;
static int opened, viable;
static char missing[400], reason[400]; /* why OpenGL can't be opened; the result of lf_opengl_viable */

/* The shim's context of this thread, or NULL. A context of EGL is current on one thread. */
static _Thread_local lf_gl_context *made;

static void open_opengl(void) {
#if defined(_WIN32) || defined(__APPLE__)
  snprintf(missing, sizeof missing, "this system shares no memory with OpenGL through file descriptors");
#else
  static const char *const library_names[] = {"libEGL.so.1", NULL};
#define LF_NAME(result, name, arguments) #name,
  static const char *const egl_names[] = {LF_EGL_FUNCTIONS(LF_NAME) NULL};
  static const char *const gl_names[] = {LF_GL_FUNCTIONS(LF_NAME) NULL};
  static const char *const device_names[] = {LF_EGL_DEVICE_FUNCTIONS(LF_NAME) NULL};
#undef LF_NAME
  void *library = lf_library_find("LAVA_FLOW_EGL", library_names, missing, sizeof missing);
  if (!library) return;
  const char *lacks = lf_library_symbols(library, egl_names, (void **)&egl);
  void **table = (void **)&gl;
  for (size_t i = 0; !lacks && gl_names[i]; i++) {
    __eglMustCastToProperFunctionPointerType found = egl.eglGetProcAddress(gl_names[i]);
    memcpy(&table[i], &found, sizeof found);
    if (!found) lacks = gl_names[i];
  }
  if (lacks) {
    snprintf(missing, sizeof missing, "EGL has no %s", lacks);
    return;
  }
  table = (void **)&egl_device;
  for (size_t i = 0; device_names[i]; i++) {
    __eglMustCastToProperFunctionPointerType found = egl.eglGetProcAddress(device_names[i]);
    memcpy(&table[i], &found, sizeof found);
  }
  opened = 1;
#endif
}

const lf_gl_functions *lf_opengl_open(void) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, open_opengl);
  if (opened) return &gl;
  lf_fail(LF_EBACKEND_UNAVAILABLE, "", 0, "OpenGL can't be used: %s", missing);
  return NULL;
}

static int32_t egl_fail(int32_t code, const char *api) {
  EGLint error = egl.eglGetError();
  return lf_fail(code, api, error, "%s failed: EGL error 0x%04x", api, (unsigned)error);
}

/* Bounded, because a lost context always returns an error. */
void lf_gl_clear(void) {
  for (int i = 0; i < 16 && gl.glGetError() != LF_GL_NO_ERROR;) i++;
}

int32_t lf_gl_check(int32_t code, const char *api) {
  GLenum error = gl.glGetError();
  if (error == LF_GL_NO_ERROR) return LF_OK;
  if (error == LF_GL_OUT_OF_MEMORY) code = LF_EGPU_OUT_OF_MEMORY;
  return lf_fail(code, api, (int32_t)error, "%s failed: OpenGL error 0x%04x", api, error);
}

/* ---- the current context ---- */

static const char *renderer(void) {
  const GLubyte *name = gl.glGetString(LF_GL_RENDERER);
  return name ? (const char *)name : "a renderer without a name";
}

static int32_t check_extension(const char *extension) {
  GLint count = 0;
  gl.glGetIntegerv(LF_GL_NUM_EXTENSIONS, &count);
  for (GLint i = 0; i < count; i++) {
    const GLubyte *name = gl.glGetStringi(LF_GL_EXTENSIONS, (GLuint)i);
    if (name && strcmp((const char *)name, extension) == 0) return LF_OK;
  }
  const GLubyte *version = gl.glGetString(LF_GL_VERSION);
  return lf_fail(LF_EEXTERNAL_MEMORY_UNSUPPORTED, "", 0, "%s (OpenGL %s) has no %s", renderer(),
                 version ? (const char *)version : "?", extension);
}

/* Needs GL_EXT_memory_object or GL_EXT_semaphore: both have the query for UUIDs. */
static int32_t check_uuid(const uint8_t *uuid) {
  uint8_t own[LF_UUID_BYTES] = {0};
  GLint count = 0;
  gl.glGetIntegerv(LF_GL_NUM_DEVICE_UUIDS, &count);
  for (GLint i = 0; i < count; i++) {
    gl.glGetUnsignedBytei_vEXT(LF_GL_DEVICE_UUID, (GLuint)i, own);
    if (memcmp(own, uuid, LF_UUID_BYTES) == 0) return LF_OK;
  }
  return lf_fail(LF_EEXTERNAL_HANDLE_MISMATCH, "", 0, "OpenGL's %s has the UUID %s, the memory's GPU has %s",
                 renderer(),
                 lf_uuid_print(own).text, lf_uuid_print(uuid).text);
}

static int32_t check_current(const uint8_t *uuid, const char *extension) {
  lf_gl_clear();
  int32_t status = check_extension(extension);
  return status < 0 || !uuid ? status : check_uuid(uuid);
}

/* ---- contexts of the shim ---- */

static void remember(lf_gl_current *out) {
  out->display = egl.eglGetCurrentDisplay();
  out->context = egl.eglGetCurrentContext();
  out->draw = egl.eglGetCurrentSurface(LF_EGL_DRAW);
  out->read = egl.eglGetCurrentSurface(LF_EGL_READ);
}

/* Restores the context that was current. `display` is the current context's. */
static int32_t restore(EGLDisplay display, const lf_gl_current *before, int32_t status) {
  EGLBoolean done = before->context ? egl.eglMakeCurrent(before->display, before->draw, before->read, before->context)
                                    : egl.eglMakeCurrent(display, NULL, NULL, NULL);
  return done || status < 0 ? status : egl_fail(LF_ESYSTEM, "eglMakeCurrent");
}

/* The display stays initialized: the process has one, which other code may use, too. */
static int32_t make_context(EGLDeviceEXT device, lf_gl_context *out) {
  static const EGLint wanted[] = {LF_EGL_SURFACE_TYPE, 0, LF_EGL_RENDERABLE_TYPE, LF_EGL_OPENGL_BIT, LF_EGL_NONE};
  static const EGLint version[] = {LF_EGL_CONTEXT_MAJOR_VERSION, 4, LF_EGL_CONTEXT_MINOR_VERSION, 5, LF_EGL_NONE};
  EGLConfig config = NULL;
  EGLint configs = 0;
  out->display = egl_device.eglGetPlatformDisplayEXT(LF_EGL_PLATFORM_DEVICE, device, NULL);
  if (!out->display) return egl_fail(LF_EBACKEND_UNAVAILABLE, "eglGetPlatformDisplayEXT");
  if (!egl.eglInitialize(out->display, NULL, NULL)) return egl_fail(LF_EBACKEND_UNAVAILABLE, "eglInitialize");
  if (!egl.eglChooseConfig(out->display, wanted, &config, 1, &configs))
    return egl_fail(LF_EBACKEND_UNAVAILABLE, "eglChooseConfig");
  if (configs < 1) return lf_fail(LF_EBACKEND_UNAVAILABLE, "eglChooseConfig", 0, "the EGL device offers no OpenGL");
  EGLenum api = egl.eglQueryAPI();
  if (!egl.eglBindAPI(LF_EGL_OPENGL_API)) return egl_fail(LF_EBACKEND_UNAVAILABLE, "eglBindAPI");
  int32_t status = LF_OK;
  out->context = egl.eglCreateContext(out->display, config, NULL, version);
  if (!out->context) status = egl_fail(LF_EBACKEND_UNAVAILABLE, "eglCreateContext");
  if (!egl.eglBindAPI(api) && status == LF_OK) status = egl_fail(LF_ESYSTEM, "eglBindAPI");
  if (status == LF_OK && !egl.eglMakeCurrent(out->display, NULL, NULL, out->context))
    status = egl_fail(LF_EBACKEND_UNAVAILABLE, "eglMakeCurrent");
  if (status < 0 && out->context) egl.eglDestroyContext(out->display, out->context);
  return status;
}

static int32_t destroy_context(const lf_gl_context *c, int32_t status) {
  if (egl.eglGetCurrentContext() == c->context && !egl.eglMakeCurrent(c->display, NULL, NULL, NULL) && status == LF_OK)
    status = egl_fail(LF_ESYSTEM, "eglMakeCurrent");
  if (!egl.eglDestroyContext(c->display, c->context) && status == LF_OK)
    status = egl_fail(LF_ESYSTEM, "eglDestroyContext");
  return status;
}

/* Makes a context on the first EGL device that matches, and makes it current. If none matches, the failure is the most
 * specific one. */
static int32_t find_context(const uint8_t *uuid, const char *extension, lf_gl_context *out) {
  EGLDeviceEXT devices[DEVICES_MAX];
  EGLint count = 0;
  if (!egl_device.eglQueryDevicesEXT || !egl_device.eglGetPlatformDisplayEXT)
    return lf_fail(LF_EBACKEND_UNAVAILABLE, "", 0, "EGL can't list its devices (EGL_EXT_device_enumeration)");
  if (!egl_device.eglQueryDevicesEXT(DEVICES_MAX, devices, &count))
    return egl_fail(LF_EBACKEND_UNAVAILABLE, "eglQueryDevicesEXT");
  int32_t status = lf_fail(LF_EBACKEND_UNAVAILABLE, "eglQueryDevicesEXT", 0, "EGL has no device here");
  int32_t mismatch = LF_OK;
  lf_status told = {0};
  for (EGLint i = 0; i < count; i++) {
    status = make_context(devices[i], out);
    if (status < 0) continue;
    status = check_current(uuid, extension);
    if (status == LF_OK) return LF_OK;
    if (status == LF_EEXTERNAL_HANDLE_MISMATCH || !mismatch) {
      mismatch = status;
      lf_status_last(&told);
    }
    destroy_context(out, status);
  }
  /* A device that works but does not match says more than one that fails. */
  return mismatch ? lf_fail(mismatch, told.api, told.native_status, "%s", told.text) : status;
}

static void probe(void) {
  if (!lf_opengl_open()) {
    snprintf(reason, sizeof reason, "%s", missing);
    return;
  }
  lf_gl_current before;
  lf_gl_context context = {0};
  remember(&before);
  int32_t status = find_context(NULL, "GL_EXT_memory_object_fd", &context);
  if (status == LF_OK) {
    viable = 1;
    int semaphores = check_extension("GL_EXT_semaphore_fd") == LF_OK;
    snprintf(reason, sizeof reason, "%s, OpenGL %s, with GL_EXT_memory_object_fd and %s GL_EXT_semaphore_fd",
             renderer(),
             (const char *)gl.glGetString(LF_GL_VERSION), semaphores ? "with" : "without");
    status = destroy_context(&context, LF_OK);
  }
  if (before.context) status = restore(before.display, &before, status);
  if (status < 0) {
    lf_status last;
    lf_status_last(&last);
    viable = 0;
    snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, last.text);
  }
}

int32_t lf_opengl_viable(uint32_t capacity, char *why) {
  static lf_once once = LF_ONCE;
  lf_once_run(&once, probe);
  return lf_status_viable(viable, reason, capacity, why);
}

/* The current context; or the shim's context of this thread, made current again if it is not. */
static int32_t known_context(const uint8_t *uuid, const char *extension, lf_gl_context **out) {
  EGLContext current = egl.eglGetCurrentContext();
  int own = made && (!current || current == made->context);
  if (own && !current && !egl.eglMakeCurrent(made->display, NULL, NULL, made->context))
    return egl_fail(LF_ESYSTEM, "eglMakeCurrent");
  int32_t status = check_current(uuid, extension);
  if (status < 0) return status;
  if (own) {
    made->references++;
    *out = made;
    return LF_OK;
  }
  lf_gl_context *context = calloc(1, sizeof *context);
  if (!context) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes", sizeof *context);
  context->display = egl.eglGetCurrentDisplay();
  context->context = current;
  context->references = 1;
  *out = context;
  return LF_OK;
}

int32_t lf_gl_context_take(const uint8_t *uuid, const char *extension, lf_gl_context **out) {
  if (made || egl.eglGetCurrentContext()) return known_context(uuid, extension, out);
  lf_gl_context *context = calloc(1, sizeof *context);
  if (!context) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "%zu bytes", sizeof *context);
  int32_t status = find_context(uuid, extension, context);
  if (status < 0) {
    free(context);
    return status;
  }
  context->references = 1;
  context->own = 1;
  *out = made = context;
  return LF_OK;
}

int32_t lf_gl_context_release(lf_gl_context *context, int32_t status) {
  if (--context->references > 0) return status;
  if (context->own) {
    status = destroy_context(context, status);
    made = NULL;
  }
  free(context);
  return status;
}

int32_t lf_gl_enter(const lf_gl_context *context, lf_gl_current *before) {
  remember(before);
  if (before->context == context->context) return 1;
  if (egl.eglMakeCurrent(context->display, NULL, NULL, context->context)) return 1;
  EGLint error = egl.eglGetError();
  if (error != EGL_BAD_ACCESS_) return 0;
  return lf_fail(LF_ESYSTEM, "eglMakeCurrent", error,
                 "the OpenGL context is current on another thread: close it there");
}

int32_t lf_gl_leave(const lf_gl_context *context, const lf_gl_current *before, int32_t status) {
  return before->context == context->context ? status : restore(context->display, before, status);
}
