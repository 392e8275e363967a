#ifndef LAVAFLOW_DEVICE_H
#define LAVAFLOW_DEVICE_H

#include "lavaflow/memory.h"

/* ---- vulkan and device: GPUs, through a Vulkan library that is opened at run time ---- */

enum { LF_GPU_DISCRETE = 0, LF_GPU_INTEGRATED = 1, LF_GPU_CPU = 2, LF_GPU_OTHER = 3 };

#define LF_UUID_BYTES 16

/* lf_gpu_info.shader_features: compute with 16-bit floats; 16-bit floats in operations on subgroups; and the groups of
 * operations on subgroups (VkSubgroupFeatureFlagBits, shifted left by 8 bits). */
enum {
  LF_SHADER_F16 = 1,
  LF_SHADER_SUBGROUP_F16 = 2,
  LF_SHADER_SUBGROUP_BASIC = 0x100,
  LF_SHADER_SUBGROUP_VOTE = 0x200,
  LF_SHADER_SUBGROUP_ARITHMETIC = 0x400,
  LF_SHADER_SUBGROUP_BALLOT = 0x800,
  LF_SHADER_SUBGROUP_SHUFFLE = 0x1000,
  LF_SHADER_SUBGROUP_SHUFFLE_RELATIVE = 0x2000,
  LF_SHADER_SUBGROUP_QUAD = 0x8000
};

/* One GPU and its capabilities. */
typedef struct {
  char name[256];
  char driver[256];  /* the driver's name and version, as the driver reports them */
  char missing[256]; /* why the GPU can't be used; "" when it can */
  uint8_t device_uuid[LF_UUID_BYTES];
  uint8_t driver_uuid[LF_UUID_BYTES];
  double heap_bytes; /* bytes of the largest device-local heap */
  double allocation_max; /* bytes of the largest single allocation */
  uint32_t api_version; /* as Vulkan packs it: major << 22 | minor << 12 | patch */
  int32_t type;         /* LF_GPU_... */
  uint32_t host_visible;       /* 1: device-local memory can be mapped */
  uint32_t external_memory;    /* 1: memory can be exported and imported as OS handles */
  uint32_t external_timeline;  /* 1: timeline semaphores can, too */
  uint32_t external_semaphore; /* 1: binary semaphores can, too */
  uint32_t host_import;        /* 1: the GPU can use host memory (VK_EXT_external_memory_host) */
  uint32_t storage_max;        /* bytes of a buffer that a shader can access */
  uint32_t workgroup_max;      /* bytes of the variables that a workgroup shares */
  uint32_t shader_features;    /* LF_SHADER_...; a device is opened with all of them */
} lf_gpu_info;

/* Opens a Vulkan instance; a handle. The library is the one that LAVA_FLOW_VULKAN names ("off": none), else the
 * system's. GPU_DEVICE_NOT_FOUND with the reason when there is none. */
LF_API int32_t lf_vulkan_open(void);
/* The number of GPUs. */
LF_API int32_t lf_vulkan_count(int32_t vulkan);
/* Describes GPU `index`, from 0, also one that can't be used. LF_OK; GPU_DEVICE_NOT_FOUND for an index out of range. */
LF_API int32_t lf_vulkan_describe(int32_t vulkan, int32_t index, lf_gpu_info *out);
/* The instance is released when its devices are closed, too. LF_OK. */
LF_API int32_t lf_vulkan_close(int32_t vulkan);

/* Opens a GPU; a handle. GPU_DEVICE_NOT_FOUND for an index out of range or a GPU that can't be used. */
LF_API int32_t lf_device_open(int32_t vulkan, int32_t index);
/* Bytes of device-local memory that this process can still allocate, as the driver reports them; -1 when it does not.
 * LF_OK. */
LF_API int32_t lf_device_available(int32_t device, double *out);
/* The device is released when its memory, semaphores and pipelines are closed, too. LF_OK. */
LF_API int32_t lf_device_close(int32_t device);

/* Allocates GPU memory of 1 byte up to allocation_max, exportable, not cleared. `host_visible` 1: mapped, in
 * device-local memory where the GPU maps such (then out->page_bytes is 1, else 0). LF_OK; GPU_OUT_OF_MEMORY with the
 * bytes available. */
LF_API int32_t lf_memory_allocate_gpu(int32_t device, double size, int32_t host_visible, lf_memory_info *out);
/* Allocates BAR memory for this process alone: some drivers map device memory that they cannot share. Reads by the host
 * are slow. LF_OK; NOT_HOST_VISIBLE when the GPU maps none, or less than `size`; GPU_OUT_OF_MEMORY. */
LF_API int32_t lf_memory_allocate_bar(int32_t device, double size, lf_memory_info *out);
/* Allocates zeroed host memory that the GPU accesses directly: pinned through Vulkan, else through CUDA
 * (out->pinned_by). LF_OK; GPU_PINNING_FAILED with the reason of both; HOST_OUT_OF_MEMORY. */
LF_API int32_t lf_memory_allocate_pinned(int32_t device, double size, lf_memory_info *out);
/* Imports GPU memory that another process exported. Takes ownership of the OS handle, also when it fails. `allocation`
 * is the exporter's lf_memory_allocated. `uuids` are the exporter's device and driver UUID, 2 x LF_UUID_BYTES. LF_OK;
 * EXTERNAL_HANDLE_MISMATCH unless the UUIDs are this device's and the handle is of such memory. */
LF_API int32_t lf_memory_import_gpu(int32_t device, int64_t os_handle, double size, double allocation,
                                    int32_t host_visible, const uint8_t *uuids, lf_memory_info *out);

/* ---- queue: the work of a device, in one order ----
 * Each submission has a timeline value, from 1, greater than those before it, which the device's timeline reaches when
 * the submission ends. A submission starts when all submissions before it have ended, and the peers' work that its
 * memory waits for. Up to 256 submissions can be in flight. Beyond that a call returns LF_FULL, with the value to wait
 * for before the next try. */

/* Copies between memories of the device, GPU or GPU-pinned. Offsets and size are bytes. Ranges of one memory must not
 * overlap. 1 with the timeline value, LF_FULL, INVALID_ARGUMENT. */
LF_API int32_t lf_queue_copy(int32_t device, int32_t source, double source_offset, int32_t target, double target_offset,
                             double size, double *value);
/* Fills a range with copies of `value32`. Offset and size are multiples of 4. 1 with the timeline value, LF_FULL,
 * INVALID_ARGUMENT. */
LF_API int32_t lf_queue_fill(int32_t device, int32_t memory, double offset, double size, uint32_t value32,
                             double *value);
/* Copies a first part of `data` to GPU memory through the staging ring. `data` is not used after the return. Returns
 * the bytes of the part, 1 to `size`, with its timeline value; or LF_FULL, with the value 0 when reads that were not
 * ended fill the ring. `first` 1: a new transfer; 0: the transfer continues where the last call ended. */
LF_API int32_t lf_queue_write(int32_t device, int32_t memory, double offset, const void *data, double size,
                              int32_t first, double *value);
/* Copies a first part of GPU memory into the staging ring. Returns the bytes of the part, or LF_FULL, as
 * lf_queue_write. When `value` is reached, lf_queue_read_end copies the bytes to `target` and frees the part's slot
 * (`target` NULL: only frees it). CLOSED for a token that was ended. */
typedef struct {
  double value;
  uint32_t token;
  uint32_t reserved;
} lf_staged_read;
LF_API int32_t lf_queue_read(int32_t device, int32_t memory, double offset, double size, int32_t first,
                             lf_staged_read *out);
LF_API int32_t lf_queue_read_end(int32_t device, uint32_t token, void *target, double size);

/* 1 when the timeline has reached `value`; 0 when it has not after polling for `spin_us` microseconds (0 to 1,000,000).
 * GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_reached(int32_t device, double value, double spin_us);
/* The timeline value of the last submission that uses the memory; 0 when that has ended. LF_OK, GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_pending(int32_t device, int32_t memory, double *value);
/* A descriptor that becomes readable when a value of lf_queue_notify_at is reached or the device is lost; the caller
 * owns it. LF_OK; LF_EMPTY on systems without such descriptors, where the caller polls. */
LF_API int32_t lf_queue_event_fd(int32_t device, int64_t *out);
/* Requests one notification, for `value`. LF_OK, LF_EMPTY as above, GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_notify_at(int32_t device, double value);

#endif
