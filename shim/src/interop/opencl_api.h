/*
 * The part of OpenCL 3.0 and of its extensions for external memory and semaphores that the shim uses, declared here so
 * that it builds without OpenCL. The types have OpenCL's names. If <CL/cl_ext.h> was included before, its types are
 * used: test/interop/declarations.test.ts compares the two.
 */
#ifndef LF_OPENCL_API_H
#define LF_OPENCL_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define LF_CL_CALL __stdcall
#else
#define LF_CL_CALL
#endif

#if !defined(CL_VERSION_3_0)
typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;
typedef cl_ulong cl_bitfield;
typedef cl_ulong cl_mem_properties;
typedef cl_ulong cl_semaphore_properties_khr;
typedef cl_ulong cl_semaphore_payload_khr;
typedef intptr_t cl_context_properties;
typedef struct _cl_platform_id *cl_platform_id;
typedef struct _cl_device_id *cl_device_id;
typedef struct _cl_context *cl_context;
typedef struct _cl_command_queue *cl_command_queue;
typedef struct _cl_mem *cl_mem;
typedef struct _cl_event *cl_event;
typedef struct _cl_semaphore_khr *cl_semaphore_khr;
#endif

enum {
  LF_CL_SUCCESS = 0,
  LF_CL_DEVICE_NOT_FOUND = -1,
  LF_CL_MEM_OBJECT_ALLOCATION_FAILURE = -4,
  LF_CL_OUT_OF_RESOURCES = -5,
  LF_CL_OUT_OF_HOST_MEMORY = -6,
  LF_CL_PLATFORM_NOT_FOUND = -1001, /* of the loader: there is no driver */

  LF_CL_COMPLETE = 0, /* the state of an event that has completed; greater before that, less after a failure */
  LF_CL_EVENT_COMMAND_EXECUTION_STATUS = 0x11D3,
  LF_CL_DEVICE_NAME = 0x102B,
  LF_CL_DEVICE_EXTENSIONS = 0x1030,
  LF_CL_DEVICE_PLATFORM = 0x1031,
  LF_CL_DEVICE_UUID = 0x106A,
  LF_CL_CONTEXT_DEVICES = 0x1081,
  LF_CL_CONTEXT_PLATFORM = 0x1084,
  LF_CL_QUEUE_CONTEXT = 0x1090,
  LF_CL_QUEUE_DEVICE = 0x1091,
  LF_CL_MEM_SIZE = 0x1102,
  LF_CL_MEM_CONTEXT = 0x1106,
  LF_CL_DEVICE_MEM_BASE_ADDR_ALIGN = 0x1019, /* bits */
  LF_CL_BUFFER_CREATE_TYPE_REGION = 0x1220,
  LF_CL_MEM_READ_WRITE = 1,
  LF_CL_DEVICE_HANDLE_LIST = 0x2051,
  LF_CL_MEMORY_OPAQUE_FD = 0x2060,
  LF_CL_MEMORY_OPAQUE_WIN32 = 0x2061,
  LF_CL_SEMAPHORE_TYPE = 0x203D,
  LF_CL_SEMAPHORE_TYPE_BINARY = 1,
  LF_CL_SEMAPHORE_OPAQUE_FD = 0x2055,
  LF_CL_SEMAPHORE_OPAQUE_WIN32 = 0x2056
};

/* cl_buffer_region */
typedef struct {
  size_t origin, size;
} lf_cl_region;

/* F(result, name, arguments). OpenCL's enumerations are cl_uint, its flags cl_bitfield. */
#define LF_OPENCL_FUNCTIONS(F) \
  F(cl_int, clGetPlatformIDs, (cl_uint, cl_platform_id *, cl_uint *)) \
  F(cl_int, clGetDeviceIDs, (cl_platform_id, cl_bitfield, cl_uint, cl_device_id *, cl_uint *)) \
  F(cl_int, clGetDeviceInfo, (cl_device_id, cl_uint, size_t, void *, size_t *)) \
  F(cl_context, clCreateContext, \
    (const cl_context_properties *, cl_uint, const cl_device_id *, \
     void(LF_CL_CALL *)(const char *, const void *, size_t, void *), void *, cl_int *)) \
  F(cl_int, clRetainContext, (cl_context)) \
  F(cl_int, clReleaseContext, (cl_context)) \
  F(cl_int, clGetContextInfo, (cl_context, cl_uint, size_t, void *, size_t *)) \
  F(cl_int, clGetCommandQueueInfo, (cl_command_queue, cl_uint, size_t, void *, size_t *)) \
  F(cl_mem, clCreateBufferWithProperties, \
    (cl_context, const cl_mem_properties *, cl_bitfield, size_t, void *, cl_int *)) \
  F(cl_mem, clCreateSubBuffer, (cl_mem, cl_bitfield, cl_uint, const void *, cl_int *)) \
  F(cl_int, clReleaseMemObject, (cl_mem)) \
  F(cl_int, clGetMemObjectInfo, (cl_mem, cl_uint, size_t, void *, size_t *)) \
  F(cl_int, clEnqueueCopyBuffer, \
    (cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, cl_uint, const cl_event *, cl_event *)) \
  F(cl_int, clFlush, (cl_command_queue)) \
  F(cl_int, clGetEventInfo, (cl_event, cl_uint, size_t, void *, size_t *)) \
  F(cl_int, clReleaseEvent, (cl_event)) \
  F(void *, clGetExtensionFunctionAddressForPlatform, (cl_platform_id, const char *))

/* Functions of extensions, loaded by platform. */
#define LF_OPENCL_MEMORY_FUNCTIONS(F) \
  F(cl_int, clEnqueueAcquireExternalMemObjectsKHR, \
    (cl_command_queue, cl_uint, const cl_mem *, cl_uint, const cl_event *, cl_event *)) \
  F(cl_int, clEnqueueReleaseExternalMemObjectsKHR, \
    (cl_command_queue, cl_uint, const cl_mem *, cl_uint, const cl_event *, cl_event *))
#define LF_OPENCL_SEMAPHORE_FUNCTIONS(F) \
  F(cl_semaphore_khr, clCreateSemaphoreWithPropertiesKHR, \
    (cl_context, const cl_semaphore_properties_khr *, cl_int *)) \
  F(cl_int, clEnqueueSignalSemaphoresKHR, \
    (cl_command_queue, cl_uint, const cl_semaphore_khr *, const cl_semaphore_payload_khr *, cl_uint, const cl_event *, \
     cl_event *)) \
  F(cl_int, clEnqueueWaitSemaphoresKHR, \
    (cl_command_queue, cl_uint, const cl_semaphore_khr *, const cl_semaphore_payload_khr *, cl_uint, const cl_event *, \
     cl_event *)) \
  F(cl_int, clReleaseSemaphoreKHR, (cl_semaphore_khr))

#define LF_FIELD(result, name, arguments) result(LF_CL_CALL *name) arguments;
typedef struct {
  LF_OPENCL_FUNCTIONS(LF_FIELD)
} lf_opencl_functions;
typedef struct {
  LF_OPENCL_MEMORY_FUNCTIONS(LF_FIELD)
} lf_opencl_memory_functions;
typedef struct {
  LF_OPENCL_SEMAPHORE_FUNCTIONS(LF_FIELD)
} lf_opencl_semaphore_functions;
#undef LF_FIELD

#endif
