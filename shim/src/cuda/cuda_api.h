/*
 * The part of CUDA's driver API that the shim uses, declared here so that it builds without CUDA. The types have CUDA's
 * names. If <cuda.h> was included before, its types are used: test/interop/declarations.test.ts compares the two.
 */
#ifndef LF_CUDA_API_H
#define LF_CUDA_API_H

#include <stddef.h>

#if defined(_WIN32)
#define LF_CUDAAPI __stdcall
#else
#define LF_CUDAAPI
#endif

#if !defined(CUDA_VERSION)
typedef int CUresult; /* an enum in <cuda.h> */
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef unsigned long long CUmemGenericAllocationHandle;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUextMemory_st *CUexternalMemory;
typedef struct CUextSemaphore_st *CUexternalSemaphore;
#endif

typedef struct {
  int type;
  union {
    int fd;
    struct {
      void *handle;
      const void *name;
    } win32;
  } handle;
  unsigned long long size;
  unsigned int flags;
  unsigned int reserved[16];
} lf_cu_memory_handle;

typedef struct {
  unsigned long long offset;
  unsigned long long size;
  unsigned int flags;
  unsigned int reserved[16];
} lf_cu_mapped_buffer;

typedef struct {
  int type;
  union {
    int fd;
    struct {
      void *handle;
      const void *name;
    } win32;
  } handle;
  unsigned int flags;
  unsigned int reserved[16];
} lf_cu_semaphore_handle;

/* For a signal and for a wait. Other kinds of semaphore use the members behind the value. */
typedef struct {
  struct {
    unsigned long long value;
    unsigned char others[64];
  } params;
  unsigned int flags;
  unsigned int reserved[16];
} lf_cu_semaphore_params;

/* A device's access to a mapping. */
typedef struct {
  struct {
    int type;
    int id;
  } location;
  int flags;
} lf_cu_access;

enum {
  LF_CU_SUCCESS = 0,
  LF_CU_OUT_OF_MEMORY = 2,
  LF_CU_NO_DEVICE = 100,
  LF_CU_ECC_UNCORRECTABLE = 214,
  LF_CU_PEER_ACCESS_UNSUPPORTED = 217,
  LF_CU_NOT_READY = 600,
  LF_CU_ILLEGAL_ADDRESS = 700,
  LF_CU_PEER_ACCESS_ALREADY_ENABLED = 704,
  LF_CU_TOO_MANY_PEERS = 711,
  LF_CU_HARDWARE_STACK_ERROR = 714,
  LF_CU_LAUNCH_FAILED = 719,

  LF_CU_MEMORY_OPAQUE_FD = 1,
  LF_CU_MEMORY_OPAQUE_WIN32 = 2,
  LF_CU_MEMORY_DEDICATED = 1,
  LF_CU_SEMAPHORE_OPAQUE_FD = 1,
  LF_CU_SEMAPHORE_OPAQUE_WIN32 = 2,
  LF_CU_SEMAPHORE_TIMELINE_FD = 9,
  LF_CU_SEMAPHORE_TIMELINE_WIN32 = 10,
  LF_CU_SHAREABLE_POSIX_FD = 1,
  LF_CU_SHAREABLE_WIN32 = 2,

  LF_CU_POINTER_MEMORY_TYPE = 2,
  LF_CU_POINTER_DEVICE_ORDINAL = 9,
  LF_CU_MEMORYTYPE_DEVICE = 2,
  LF_CU_STREAM_NON_BLOCKING = 1,
  LF_CU_EVENT_DISABLE_TIMING = 2,
  LF_CU_HOST_REGISTER_PORTABLE = 1,

  LF_CU_LOCATION_DEVICE = 1,
  LF_CU_ACCESS_READWRITE = 3
};

/* Each function by its exported name, F(name, arguments). CUDA's enumerations are passed as ints, its structs as
 * pointers to memory of the same layout. All functions return a CUresult. */
#define LF_CUDA_FUNCTIONS(F) \
  F(cuInit, (unsigned int)) \
  F(cuDriverGetVersion, (int *)) \
  F(cuGetErrorName, (CUresult, const char **)) \
  F(cuGetErrorString, (CUresult, const char **)) \
  F(cuDeviceGetCount, (int *)) \
  F(cuDeviceGet, (CUdevice *, int)) \
  F(cuDeviceGetUuid, (void *, CUdevice)) \
  F(cuDeviceCanAccessPeer, (int *, CUdevice, CUdevice)) \
  F(cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice)) \
  F(cuDevicePrimaryCtxRelease_v2, (CUdevice)) \
  F(cuCtxPushCurrent_v2, (CUcontext)) \
  F(cuCtxPopCurrent_v2, (CUcontext *)) \
  F(cuCtxEnablePeerAccess, (CUcontext, unsigned int)) \
  F(cuStreamCreate, (CUstream *, unsigned int)) \
  F(cuStreamDestroy_v2, (CUstream)) \
  F(cuStreamSynchronize, (CUstream)) \
  F(cuStreamWaitEvent, (CUstream, CUevent, unsigned int)) \
  F(cuEventCreate, (CUevent *, unsigned int)) \
  F(cuEventDestroy_v2, (CUevent)) \
  F(cuEventRecord, (CUevent, CUstream)) \
  F(cuEventQuery, (CUevent)) \
  F(cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream)) \
  F(cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream)) \
  F(cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream)) \
  F(cuMemcpyPeerAsync, (CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t, CUstream)) \
  F(cuMemFree_v2, (CUdeviceptr)) \
  F(cuMemGetAddressRange_v2, (CUdeviceptr *, size_t *, CUdeviceptr)) \
  F(cuMemHostRegister_v2, (void *, size_t, unsigned int)) \
  F(cuMemHostUnregister, (void *)) \
  F(cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle *, void *)) \
  F(cuMemExportToShareableHandle, (void *, CUmemGenericAllocationHandle, int, unsigned long long)) \
  F(cuMemRelease, (CUmemGenericAllocationHandle)) \
  F(cuMemImportFromShareableHandle, (CUmemGenericAllocationHandle *, void *, int)) \
  F(cuMemAddressReserve, (CUdeviceptr *, size_t, size_t, CUdeviceptr, unsigned long long)) \
  F(cuMemAddressFree, (CUdeviceptr, size_t)) \
  F(cuMemMap, (CUdeviceptr, size_t, size_t, CUmemGenericAllocationHandle, unsigned long long)) \
  F(cuMemUnmap, (CUdeviceptr, size_t)) \
  F(cuMemSetAccess, (CUdeviceptr, size_t, const void *, size_t)) \
  F(cuPointerGetAttribute, (void *, int, CUdeviceptr)) \
  F(cuImportExternalMemory, (CUexternalMemory *, const lf_cu_memory_handle *)) \
  F(cuExternalMemoryGetMappedBuffer, (CUdeviceptr *, CUexternalMemory, const lf_cu_mapped_buffer *)) \
  F(cuDestroyExternalMemory, (CUexternalMemory)) \
  F(cuImportExternalSemaphore, (CUexternalSemaphore *, const lf_cu_semaphore_handle *)) \
  F(cuSignalExternalSemaphoresAsync, \
    (const CUexternalSemaphore *, const lf_cu_semaphore_params *, unsigned int, CUstream)) \
  F(cuWaitExternalSemaphoresAsync, \
    (const CUexternalSemaphore *, const lf_cu_semaphore_params *, unsigned int, CUstream)) \
  F(cuDestroyExternalSemaphore, (CUexternalSemaphore))

typedef struct {
#define LF_FIELD(name, arguments) CUresult(LF_CUDAAPI *name) arguments;
  LF_CUDA_FUNCTIONS(LF_FIELD)
#undef LF_FIELD
  /* Since CUDA 11.4 (NULL before): the UUID of a slice, on a GPU that is divided into slices (MIG). */
  CUresult(LF_CUDAAPI *cuDeviceGetUuid_v2)(void *, CUdevice);
} lf_cuda_functions;

#endif
