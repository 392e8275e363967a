/* What TypeScript believes of these structs is compared with what the compiler made of them. */
#include <stddef.h>
#include <stdio.h>

#include "lavaflow.h"
#include "ring.h"
#include "status.h"

int32_t lf_layout_json(uint32_t capacity, char *out) {
  if (!out || capacity == 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no place for the layout");
  uint32_t used = 0;
#define PRINT(...) \
  do { \
    int n = snprintf(out + used, capacity - used, __VA_ARGS__); \
    if (n < 0 || (uint32_t)n >= capacity - used) \
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u bytes are too few for the layout", capacity); \
    used += (uint32_t)n; \
  } while (0)
#define STRUCT(type) PRINT("%s\"%s\":{\"sizeof\":%zu", used > 1 ? "}," : "", #type, sizeof(type))
#define FIELD(type, field) PRINT(",\"%s\":%zu", #field, offsetof(type, field))
#define VALUE(name) PRINT("%s\"%s\":%lld", first++ ? "," : "", #name, (long long)(name))
  PRINT("{");
  STRUCT(lf_status);
  FIELD(lf_status, code);
  FIELD(lf_status, native_status);
  FIELD(lf_status, api);
  FIELD(lf_status, text);
  STRUCT(lf_memory_info);
  FIELD(lf_memory_info, address);
  FIELD(lf_memory_info, size);
  FIELD(lf_memory_info, allocated);
  FIELD(lf_memory_info, page_bytes);
  FIELD(lf_memory_info, handle);
  FIELD(lf_memory_info, strategy);
  FIELD(lf_memory_info, numa_node);
  FIELD(lf_memory_info, hugetlb);
  FIELD(lf_memory_info, pinned_by);
  FIELD(lf_memory_info, beyond_window);
  STRUCT(lf_gpu_info);
  FIELD(lf_gpu_info, name);
  FIELD(lf_gpu_info, driver);
  FIELD(lf_gpu_info, missing);
  FIELD(lf_gpu_info, device_uuid);
  FIELD(lf_gpu_info, driver_uuid);
  FIELD(lf_gpu_info, heap_bytes);
  FIELD(lf_gpu_info, allocation_max);
  FIELD(lf_gpu_info, api_version);
  FIELD(lf_gpu_info, type);
  FIELD(lf_gpu_info, host_visible);
  FIELD(lf_gpu_info, external_memory);
  FIELD(lf_gpu_info, external_timeline);
  FIELD(lf_gpu_info, external_semaphore);
  FIELD(lf_gpu_info, host_import);
  FIELD(lf_gpu_info, reserved);
  STRUCT(lf_staged_read);
  FIELD(lf_staged_read, value);
  FIELD(lf_staged_read, place);
  FIELD(lf_staged_read, reserved);
  STRUCT(lf_rendezvous_info);
  FIELD(lf_rendezvous_info, refused);
  FIELD(lf_rendezvous_info, last_uid);
  STRUCT(lf_mpi_info);
  FIELD(lf_mpi_info, implementation);
  FIELD(lf_mpi_info, version);
  FIELD(lf_mpi_info, library);
  FIELD(lf_mpi_info, kind);
  FIELD(lf_mpi_info, standard);
  STRUCT(lf_job_info);
  FIELD(lf_job_info, rank);
  FIELD(lf_job_info, size);
  FIELD(lf_job_info, node);
  FIELD(lf_job_info, node_size);
  FIELD(lf_job_info, ours);
  FIELD(lf_job_info, reserved);
  FIELD(lf_job_info, id);
  FIELD(lf_job_info, processor);
  STRUCT(lf_link_message);
  FIELD(lf_link_message, kind);
  FIELD(lf_link_message, length);
  STRUCT(lf_loan);
  FIELD(lf_loan, region);
  FIELD(lf_loan, block);
  FIELD(lf_loan, offset);
  STRUCT(lf_frame);
  FIELD(lf_frame, payload);
  FIELD(lf_frame, region);
  FIELD(lf_frame, token);
  FIELD(lf_frame, offset);
  FIELD(lf_frame, length);
  FIELD(lf_frame, sequence);
  FIELD(lf_frame, reach);
  STRUCT(lf_region_info);
  FIELD(lf_region_info, address);
  FIELD(lf_region_info, size);
  FIELD(lf_region_info, allocation);
  FIELD(lf_region_info, memory);
  FIELD(lf_region_info, kind);
  FIELD(lf_region_info, host_visible);
  STRUCT(lf_port_stats);
  FIELD(lf_port_stats, queued);
  FIELD(lf_port_stats, regions);
  FIELD(lf_port_stats, region_bytes);
  FIELD(lf_port_stats, imports);
  FIELD(lf_port_stats, peer);
  FIELD(lf_port_stats, frames);
  FIELD(lf_port_stats, bytes);
  STRUCT(lf_ring);
  FIELD(lf_ring, producer);
  FIELD(lf_ring, taken);
  FIELD(lf_ring, released);
  FIELD(lf_ring, consumer);
  FIELD(lf_ring, returns);
  STRUCT(lf_slot);
  FIELD(lf_slot, word);
  FIELD(lf_slot, payload);
  PRINT("},\"constants\":{");
  int first = 0;
  VALUE(LF_ABI_VERSION);
  VALUE(LF_WIRE_VERSION);
  VALUE(LF_INLINE_MAX);
  VALUE(LF_PIECE_BYTES);
  VALUE(LF_LINK_MESSAGE_MAX);
  VALUE(LF_VALUE);
  VALUE(LF_FULL);
  VALUE(LF_EMPTY);
  VALUE(LF_TIMEOUT);
  VALUE(LF_REGION);
  VALUE(LF_RETIRE);
  VALUE(LF_UNTIL_ROOM);
  VALUE(LF_UNTIL_RELEASED);
  VALUE(LF_UNTIL_SENT);
  VALUE(LF_PENDING);
  VALUE(LF_MEMORY_STANDARD);
  VALUE(LF_MEMORY_NUMA);
  VALUE(LF_MEMORY_HUGEPAGES);
  VALUE(LF_MEMORY_SHARED);
  VALUE(LF_MEMORY_GPU);
  VALUE(LF_MEMORY_GPU_PINNED);
  VALUE(LF_PINNED_BY_NONE);
  VALUE(LF_PINNED_BY_VULKAN);
  VALUE(LF_PINNED_BY_CUDA);
  VALUE(LF_UUID_BYTES);
  VALUE(LF_GPU_DISCRETE);
  VALUE(LF_GPU_INTEGRATED);
  VALUE(LF_GPU_CPU);
  VALUE(LF_GPU_OTHER);
  VALUE(LF_SEMAPHORE_TIMELINE);
  VALUE(LF_SEMAPHORE_BINARY);
  VALUE(LF_REGION_POOLED);
  VALUE(LF_REGION_HOST);
  VALUE(LF_REGION_GPU);
  VALUE(LF_REACH_HERE);
  VALUE(LF_REACH_STAGED);
  VALUE(LF_REACH_FOREIGN);
  VALUE(LF_ROLE_PRODUCER);
  VALUE(LF_ROLE_CONSUMER);
  PRINT("},\"status\":{");
  first = 0;
#define STATUS(name) PRINT("%s\"%s\":%d", first++ ? "," : "", &#name[4], (int)(name))
  STATUS(LF_EINVALID_ARGUMENT);
  STATUS(LF_ECLOSED);
  STATUS(LF_ETIMEOUT);
  STATUS(LF_EABORTED);
  STATUS(LF_ENOT_HOST_VISIBLE);
  STATUS(LF_EHOST_OUT_OF_MEMORY);
  STATUS(LF_EGPU_OUT_OF_MEMORY);
  STATUS(LF_ENUMA_NODE_NOT_FOUND);
  STATUS(LF_EHUGEPAGES_UNAVAILABLE);
  STATUS(LF_EGPU_PINNING_FAILED);
  STATUS(LF_EGPU_DEVICE_NOT_FOUND);
  STATUS(LF_EEXTERNAL_MEMORY_UNSUPPORTED);
  STATUS(LF_EEXTERNAL_HANDLE_MISMATCH);
  STATUS(LF_EPEER_DIED);
  STATUS(LF_ECHANNEL_CLOSED);
  STATUS(LF_ENAME_IN_USE);
  STATUS(LF_EPERMISSION_DENIED);
  STATUS(LF_EWIRE_VERSION_MISMATCH);
  STATUS(LF_ECORRUPT_SEGMENT);
  STATUS(LF_ENO_ROUTE);
  STATUS(LF_EMPI_UNAVAILABLE);
  STATUS(LF_EMPI_FAILED);
  STATUS(LF_ESHIM_NOT_FOUND);
  STATUS(LF_ESHIM_VERSION_MISMATCH);
  STATUS(LF_EBACKEND_UNAVAILABLE);
  STATUS(LF_EKERNEL_EXISTS);
  STATUS(LF_EKERNEL_NOT_ACTIVE);
  STATUS(LF_EINVALID_TRANSITION);
  STATUS(LF_ESHADER_INVALID);
  STATUS(LF_EQUEUE_FULL);
  STATUS(LF_EMAX_HOPS_EXCEEDED);
  STATUS(LF_ECLOCK_DRIFT);
  STATUS(LF_ESYSTEM);
  STATUS(LF_EGPU_DEVICE_LOST);
  PRINT("}}");
  return (int32_t)used;
}
