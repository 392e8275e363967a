/*
 * The part of EGL, OpenGL, GL_EXT_memory_object_fd and GL_EXT_semaphore_fd that the shim uses, declared here so that it
 * builds without their headers. The types have their names. If their headers were included before, those types are
 * used: test/interop/declarations.test.ts compares the two.
 */
#ifndef LF_OPENGL_API_H
#define LF_OPENGL_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define LF_GL_CALL __stdcall
#else
#define LF_GL_CALL
#endif

#if !defined(EGL_VERSION_1_4)
typedef int32_t EGLint;
typedef unsigned int EGLBoolean;
typedef unsigned int EGLenum;
typedef void *EGLDisplay;
typedef void *EGLConfig;
typedef void *EGLContext;
typedef void *EGLSurface;
typedef void *EGLDeviceEXT;
typedef void (*__eglMustCastToProperFunctionPointerType)(void);
#endif
#if !defined(GL_VERSION_1_1)
typedef unsigned int GLenum;
typedef unsigned int GLuint;
typedef unsigned char GLubyte;
typedef int GLint;
typedef int GLsizei;
typedef ptrdiff_t GLsizeiptr;
typedef uint64_t GLuint64;
#endif

enum {
  LF_EGL_EXTENSIONS = 0x3055,
  LF_EGL_PLATFORM_DEVICE = 0x313F,
  LF_EGL_OPENGL_API = 0x30A2,
  LF_EGL_SURFACE_TYPE = 0x3033,
  LF_EGL_RENDERABLE_TYPE = 0x3040,
  LF_EGL_OPENGL_BIT = 8,
  LF_EGL_CONTEXT_MAJOR_VERSION = 0x3098,
  LF_EGL_CONTEXT_MINOR_VERSION = 0x30FB,
  LF_EGL_DRAW = 0x3059,
  LF_EGL_READ = 0x305A,
  LF_EGL_NONE = 0x3038,

  LF_GL_NO_ERROR = 0,
  LF_GL_OUT_OF_MEMORY = 0x0505,
  LF_GL_RENDERER = 0x1F01,
  LF_GL_VERSION = 0x1F02,
  LF_GL_EXTENSIONS = 0x1F03,
  LF_GL_NUM_EXTENSIONS = 0x821D,
  LF_GL_COPY_WRITE_BUFFER = 0x8F37, /* also the query of the buffer that is bound there */
  LF_GL_NUM_DEVICE_UUIDS = 0x9596,
  LF_GL_DEVICE_UUID = 0x9597,
  LF_GL_DEDICATED_MEMORY_OBJECT = 0x9581,
  LF_GL_HANDLE_TYPE_OPAQUE_FD = 0x9586
};

/* F(result, name, arguments). Exported by EGL's library. */
#define LF_EGL_FUNCTIONS(F) \
  F(__eglMustCastToProperFunctionPointerType, eglGetProcAddress, (const char *)) \
  F(EGLint, eglGetError, (void)) \
  F(const char *, eglQueryString, (EGLDisplay, EGLint)) \
  F(EGLContext, eglGetCurrentContext, (void)) \
  F(EGLDisplay, eglGetCurrentDisplay, (void)) \
  F(EGLSurface, eglGetCurrentSurface, (EGLint)) \
  F(EGLBoolean, eglMakeCurrent, (EGLDisplay, EGLSurface, EGLSurface, EGLContext)) \
  F(EGLBoolean, eglInitialize, (EGLDisplay, EGLint *, EGLint *)) \
  F(EGLenum, eglQueryAPI, (void)) \
  F(EGLBoolean, eglBindAPI, (EGLenum)) \
  F(EGLBoolean, eglChooseConfig, (EGLDisplay, const EGLint *, EGLConfig *, EGLint, EGLint *)) \
  F(EGLContext, eglCreateContext, (EGLDisplay, EGLConfig, EGLContext, const EGLint *)) \
  F(EGLBoolean, eglDestroyContext, (EGLDisplay, EGLContext))

/* Loaded by eglGetProcAddress, always needed. */
#define LF_GL_FUNCTIONS(F) \
  F(GLenum, glGetError, (void)) \
  F(const GLubyte *, glGetString, (GLenum)) \
  F(const GLubyte *, glGetStringi, (GLenum, GLuint)) \
  F(void, glGetIntegerv, (GLenum, GLint *)) \
  F(void, glFlush, (void)) \
  F(void, glGenBuffers, (GLsizei, GLuint *)) \
  F(void, glDeleteBuffers, (GLsizei, const GLuint *)) \
  F(void, glBindBuffer, (GLenum, GLuint)) \
  F(void, glGetUnsignedBytei_vEXT, (GLenum, GLuint, GLubyte *)) \
  F(void, glCreateMemoryObjectsEXT, (GLsizei, GLuint *)) \
  F(void, glDeleteMemoryObjectsEXT, (GLsizei, const GLuint *)) \
  F(void, glMemoryObjectParameterivEXT, (GLuint, GLenum, const GLint *)) \
  F(void, glImportMemoryFdEXT, (GLuint, GLuint64, GLenum, GLint)) \
  F(void, glBufferStorageMemEXT, (GLenum, GLsizeiptr, GLuint, GLuint64)) \
  F(void, glGenSemaphoresEXT, (GLsizei, GLuint *)) \
  F(void, glDeleteSemaphoresEXT, (GLsizei, const GLuint *)) \
  F(void, glImportSemaphoreFdEXT, (GLuint, GLenum, GLint)) \
  F(void, glSignalSemaphoreEXT, (GLuint, GLuint, const GLuint *, GLuint, const GLuint *, const GLenum *)) \
  F(void, glWaitSemaphoreEXT, (GLuint, GLuint, const GLuint *, GLuint, const GLuint *, const GLenum *))

/* Loaded by eglGetProcAddress, needed only for contexts of the shim. */
#define LF_EGL_DEVICE_FUNCTIONS(F) \
  F(EGLBoolean, eglQueryDevicesEXT, (EGLint, EGLDeviceEXT *, EGLint *)) \
  F(EGLDisplay, eglGetPlatformDisplayEXT, (EGLenum, void *, const EGLint *))

#define LF_FIELD(result, name, arguments) result(LF_GL_CALL *name) arguments;
typedef struct {
  LF_EGL_FUNCTIONS(LF_FIELD)
} lf_egl_functions;
typedef struct {
  LF_GL_FUNCTIONS(LF_FIELD)
} lf_gl_functions;
typedef struct {
  LF_EGL_DEVICE_FUNCTIONS(LF_FIELD)
} lf_egl_device_functions;
#undef LF_FIELD

#endif
