#ifndef LAVAFLOW_DEVICE_H
#define LAVAFLOW_DEVICE_H

#include "lavaflow/memory.h"

/* ---- vulkan and device: GPUs, through a Vulkan library that is opened at run time ---- */

enum { LF_GPU_DISCRETE = 0, LF_GPU_INTEGRATED = 1, LF_GPU_CPU = 2, LF_GPU_OTHER = 3 };

#define LF_UUID_BYTES 16

/* What shaders may do beside what all may, lf_gpu_info's shader_features: compute with 16-bit floats; operations between the
 * invocations of a subgroup, by their groups (Vulkan's VkSubgroupFeatureFlagBits, moved by 8 bits); those with 16-bit floats. */
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

/* What one GPU is, and what of it the library can use. */
typedef struct {
  char name[256];
  char driver[256];  /* its name and version, as it says them */
  char missing[256]; /* why it can't be used; "" where it can */
  uint8_t device_uuid[LF_UUID_BYTES];
  uint8_t driver_uuid[LF_UUID_BYTES];
  double heap_bytes; /* the largest device-local heap */
  double allocation_max; /* bytes of the largest single allocation */
  uint32_t api_version; /* as Vulkan packs it: major << 22 | minor << 12 | patch */
  int32_t type;         /* LF_GPU_... */
  uint32_t host_visible;       /* 1: device-local memory can be mapped */
  uint32_t external_memory;    /* 1: memory can be exported and imported as OS handles */
  uint32_t external_timeline;  /* 1: so can timeline semaphores */
  uint32_t external_semaphore; /* 1: so can binary semaphores */
  uint32_t host_import;        /* 1: host memory can be made reachable (VK_EXT_external_memory_host) */
  uint32_t storage_max;        /* bytes of a buffer that a shader reaches */
  uint32_t workgroup_max;      /* bytes of the variables that a workgroup shares */
  uint32_t shader_features;    /* LF_SHADER_...: a device is opened with all of them */
} lf_gpu_info;

/* A handle of a Vulkan instance. The library is the one that LAVA_FLOW_VULKAN names ("off": none), else the system's.
 * GPU_DEVICE_NOT_FOUND with the reason when there is none. */
LF_API int32_t lf_vulkan_open(void);
LF_API int32_t lf_vulkan_count(int32_t vulkan);
LF_API int32_t lf_vulkan_describe(int32_t vulkan, int32_t index, lf_gpu_info *out);
/* Devices that were opened from it keep it alive. */
LF_API int32_t lf_vulkan_close(int32_t vulkan);

/* A handle of a GPU made ready for work. GPU_DEVICE_NOT_FOUND for an index out of range or a GPU that can't be used. */
LF_API int32_t lf_device_open(int32_t vulkan, int32_t index);
/* Bytes of device-local memory that this process can still have, as the driver says (-1 where it does not). */
LF_API int32_t lf_device_available(int32_t device, double *out);
/* Memory and semaphores of the device keep it alive until they are closed too. */
LF_API int32_t lf_device_close(int32_t device);

/* GPU memory of 1 byte up to allocation_max, exportable, not cleared. `host_visible` 1: mapped where the GPU can, in
 * device-local memory where it has such (then out->page_bytes is 1, else 0). GPU_OUT_OF_MEMORY with the bytes
 * available. */
LF_API int32_t lf_memory_allocate_gpu(int32_t device, double size, int32_t host_visible, lf_memory_info *out);
/* The GPU's own memory, mapped, for this process alone: some drivers map what they do not share. The host writes it, and
 * reads it only slowly. NOT_HOST_VISIBLE where there is none, or not so much. */
LF_API int32_t lf_memory_allocate_bar(int32_t device, double size, lf_memory_info *out);
/* Host memory, zeroed, that the GPU reads and writes itself: through Vulkan, else through CUDA (out->pinned_by).
 * GPU_PINNING_FAILED with the reason of both, HOST_OUT_OF_MEMORY. */
LF_API int32_t lf_memory_allocate_pinned(int32_t device, double size, lf_memory_info *out);
/* Takes ownership of the OS handle (also when it fails). `allocation` is what the exporter's driver allocated, `uuids`
 * are the exporter's device and driver UUID, 2 x LF_UUID_BYTES: EXTERNAL_HANDLE_MISMATCH unless they are this device's. */
LF_API int32_t lf_memory_import_gpu(int32_t device, int64_t os_handle, double size, double allocation, int32_t host_visible,
                                    const uint8_t *uuids, lf_memory_info *out);

/* ---- queue: the work of a device, in one order ----
 * Every submission reaches a point of the device's timeline: `value`, 1 and up, greater than all before it. Work starts
 * when all work before it has ended, and when the peers' work that its memory waits for has. 256 submissions can be
 * under way: beyond that there is LF_FULL, with the value to wait for before trying again. */

/* Copies between memories of the device: GPU, or GPU-pinned. Ranges of one memory must not overlap. 1 with the value. */
LF_API int32_t lf_queue_copy(int32_t device, int32_t source, double source_offset, int32_t target, double target_offset,
                             double size, double *value);
/* Offset and size are multiples of 4. */
LF_API int32_t lf_queue_fill(int32_t device, int32_t memory, double offset, double size, uint32_t value32, double *value);
/* Copies the first bytes of `data` to GPU memory through the staging ring; when it returns, `data` is no longer needed.
 * Returns how many, or LF_FULL, with the value 0 where reads that were not ended fill the ring. `first` 1 begins a new
 * piece of work, 0 goes on with the last one. */
LF_API int32_t lf_queue_write(int32_t device, int32_t memory, double offset, const void *data, double size, int32_t first,
                              double *value);
/* Starts the way back: the first bytes of GPU memory come into a place of the staging ring. Returns how many, or
 * LF_FULL as lf_queue_write does. When `value` is reached, lf_queue_read_end copies them out and frees the place
 * (`target` NULL: only frees). */
typedef struct {
  double value;
  uint32_t token;
  uint32_t reserved;
} lf_staged_read;
LF_API int32_t lf_queue_read(int32_t device, int32_t memory, double offset, double size, int32_t first,
                             lf_staged_read *out);
LF_API int32_t lf_queue_read_end(int32_t device, uint32_t token, void *target, double size);

/* 1 when the timeline has reached `value`, 0 when not after spinning for `spin_us`. GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_reached(int32_t device, double value, double spin_us);
/* The value of the last work that uses the memory, 0 when it has ended. */
LF_API int32_t lf_queue_pending(int32_t device, int32_t memory, double *value);
/* A descriptor that becomes readable when a value asked for with lf_queue_notify_at is reached or the device is lost; the
 * caller owns it. LF_EMPTY where the system has no such thing: then poll. */
LF_API int32_t lf_queue_event_fd(int32_t device, int64_t *out);
LF_API int32_t lf_queue_notify_at(int32_t device, double value);

#endif
