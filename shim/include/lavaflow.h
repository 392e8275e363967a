/*
 * The whole C ABI of lava-flow's shim. It is called from TypeScript through bun:ffi and from nowhere else. This is the one source of
 * the boundary: scripts/boundary.ts makes the TypeScript declarations, layouts and error codes from it.
 *
 * Every function returns 0 or a value >= 0, or a negative LF_E... status; out-parameters come last. FULL, EMPTY and
 * TIMEOUT are values. Objects are handles (a positive int32: index and generation), so a stale one is an error and
 * never a wild pointer. Every argument is checked here: the caller's runtime passes NULL for missing arguments.
 * A handle is used by one thread at a time; handles that a thread leaves open are closed when it ends.
 */
#ifndef LAVAFLOW_H
#define LAVAFLOW_H

#include <stdint.h>

#if defined(_WIN32)
#define LF_API __declspec(dllexport)
#else
#define LF_API __attribute__((visibility("default")))
#endif

/* Raised whenever a signature, a struct or a status changes its meaning. */
#define LF_ABI_VERSION 5
/* Raised whenever two processes of different builds could misread each other. (Tests build a shim with another one.) */
#ifndef LF_WIRE_VERSION
#define LF_WIRE_VERSION 5
#endif

/* ---- status: the negative ones are errors; their names without LF_E are the error codes of TypeScript ---- */

enum {
  LF_OK = 0,
  LF_EINVALID_ARGUMENT = -1,
  LF_ECLOSED = -2,
  LF_ETIMEOUT = -3,
  LF_EABORTED = -4,
  LF_ENOT_HOST_VISIBLE = -5,
  LF_EHOST_OUT_OF_MEMORY = -6,
  LF_EGPU_OUT_OF_MEMORY = -7,
  LF_ENUMA_NODE_NOT_FOUND = -8,
  LF_EHUGEPAGES_UNAVAILABLE = -9,
  LF_EGPU_PINNING_FAILED = -10,
  LF_EGPU_DEVICE_NOT_FOUND = -11,
  LF_EEXTERNAL_MEMORY_UNSUPPORTED = -12,
  LF_EEXTERNAL_HANDLE_MISMATCH = -13,
  LF_EPEER_DIED = -14,
  LF_ECHANNEL_CLOSED = -15,
  LF_ENAME_IN_USE = -16,
  LF_EPERMISSION_DENIED = -17,
  LF_EWIRE_VERSION_MISMATCH = -18,
  LF_ECORRUPT_SEGMENT = -19,
  LF_ENO_ROUTE = -20,
  LF_EMPI_UNAVAILABLE = -21,
  LF_EMPI_FAILED = -22,
  LF_ESHIM_NOT_FOUND = -23,
  LF_ESHIM_VERSION_MISMATCH = -24,
  LF_EBACKEND_UNAVAILABLE = -25,
  LF_EKERNEL_EXISTS = -26,
  LF_EKERNEL_NOT_ACTIVE = -27,
  LF_EINVALID_TRANSITION = -28,
  LF_ESHADER_INVALID = -29,
  LF_EQUEUE_FULL = -30,
  LF_EMAX_HOPS_EXCEEDED = -31,
  LF_ECLOCK_DRIFT = -32,
  LF_ESYSTEM = -33,
  LF_EGPU_DEVICE_LOST = -34,
  LF_EHANDLER_FAILED = -35,
  LF_ENO_REPLY = -36
};

/* Values that are not lengths: all above LF_VALUE, which no length or handle reaches. */
enum {
  LF_VALUE = 0x40000000,
  LF_FULL = 0x40000001,    /* no room now; try again when the peer has released something */
  LF_EMPTY = 0x40000002,   /* nothing there now */
  LF_TIMEOUT = 0x40000003, /* the given time passed */
  LF_REGION = 0x40000004,  /* a frame that lies in a region: lf_frame says where */
  LF_RETIRE = 0x40000005,  /* a region has to go first: lf_frame.region or lf_loan.region says which */
  LF_PENDING = 0x40000006  /* GPU work on the memory has to end first */
};

/* The failing call underneath, kept per thread until the next failure. */
typedef struct {
  int32_t code;          /* LF_E... */
  int32_t native_status; /* errno, GetLastError(), VkResult, CUresult, ... */
  char api[56];          /* "memfd_create", "" where the shim itself refused */
  char text[448];        /* the API's own words, or the shim's */
} lf_status;

LF_API int32_t lf_abi_version(void);
/* The last failure of this thread. */
LF_API int32_t lf_status_last(lf_status *out);

/* ---- memory: blocks of host and of GPU memory ---- */

enum {
  LF_MEMORY_STANDARD = 0,
  LF_MEMORY_NUMA = 1,
  LF_MEMORY_HUGEPAGES = 2,
  LF_MEMORY_SHARED = 3,
  LF_MEMORY_GPU = 4,
  LF_MEMORY_GPU_PINNED = 5
};

/* How a GPU reaches pinned memory. What CUDA pinned is plain memory to the device's queue. */
enum { LF_PINNED_BY_NONE = 0, LF_PINNED_BY_VULKAN = 1, LF_PINNED_BY_CUDA = 2 };

typedef struct {
  uint64_t address;    /* 0 for GPU memory that is not mapped */
  uint64_t size;       /* bytes the caller asked for */
  uint64_t allocated;  /* bytes really taken: whole pages, or what the GPU's driver says */
  uint64_t page_bytes; /* what the memory is made of: 4096, 2 MiB, ... */
  int32_t handle;
  int32_t strategy; /* LF_MEMORY_... */
  int32_t numa_node; /* the node it is bound to, or -1 */
  int32_t hugetlb;   /* 1: reserved huge pages; 0: none, or transparent ones where page_bytes says so */
  int32_t pinned_by; /* LF_PINNED_BY_... */
  uint32_t beyond_window; /* 1: mapped GPU memory that is the host's only because of its size */
} lf_memory_info;

/* Zeroed memory. HOST_OUT_OF_MEMORY here, never a killed process later: all pages are taken before this returns.
 * `numa_node` counts for LF_MEMORY_NUMA only; -1 means the node of this thread's processor. */
LF_API int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out);
/* Takes ownership of the OS handle (also when it fails). */
LF_API int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out);
/* A new OS handle to a shared block or to GPU memory; the caller owns it. The first export of small GPU memory gives it an
 * allocation of its own: it copies the bytes behind all work before, and blocks until then. ETIMEOUT after 30 s. */
LF_API int32_t lf_memory_export(int32_t handle, int64_t *out);
/* The bytes that the driver allocated for GPU memory, or those of its block that it has; what an importer has to be told,
 * once it was exported. */
LF_API int32_t lf_memory_allocated(int32_t handle, double *out);
LF_API int32_t lf_memory_close(int32_t handle);
/* Holds the memory that begins at `base`, of whatever function here gave its address out: it stays mapped until as many
 * releases, whatever is closed. For an ArrayBuffer that will show it the release is the engine's: `deallocator` (may be NULL)
 * gets the address of void (*)(void *bytes, void *base), which it is to call once. On any thread. */
LF_API int32_t lf_backing_retain(void *base, uint64_t *deallocator);
LF_API int32_t lf_backing_release(void *base);
/* The NUMA node of each of the first `count` pages (of page_bytes), as the kernel reports it (negative: an errno). */
LF_API int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out);
/* Closes an OS handle that no object owns. */
LF_API int32_t lf_os_handle_close(int64_t os_handle);
/* 1 when libnuma is here and the kernel has NUMA support; 0 when not, with the reason in lf_status_last. */
LF_API int32_t lf_numa_viable(void);

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
LF_API int32_t lf_memory_allocate_window(int32_t device, double size, lf_memory_info *out);
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
  uint32_t place;
  uint32_t reserved;
} lf_staged_read;
LF_API int32_t lf_queue_read(int32_t device, int32_t memory, double offset, double size, int32_t first,
                             lf_staged_read *out);
LF_API int32_t lf_queue_read_end(int32_t device, uint32_t place, void *target, double size);

/* 1 when the timeline has reached `value`, 0 when not after spinning for `spin_us`. GPU_DEVICE_LOST. */
LF_API int32_t lf_queue_reached(int32_t device, double value, double spin_us);
/* The value of the last work that uses the memory, 0 when it has ended. */
LF_API int32_t lf_queue_pending(int32_t device, int32_t memory, double *value);
/* A descriptor that becomes readable when a value asked for with lf_queue_ring_at is reached or the device is lost; the
 * caller owns it. LF_EMPTY where the system has no such thing: then poll. */
LF_API int32_t lf_queue_bell(int32_t device, int64_t *out);
LF_API int32_t lf_queue_ring_at(int32_t device, double value);

/* ---- pipeline: a compute shader ---- */

/* SPIR-V whose entry point is `main`, with `bindings` storage buffers (set 0, bindings 0 and up) and `push_bytes` of push
 * constants (at most 128). SHADER_INVALID. It returns at once: the driver compiles on a thread of the shim, and until then the
 * pipeline can only be closed. */
LF_API int32_t lf_pipeline_create(int32_t device, const uint32_t *spirv, uint32_t spirv_bytes, uint32_t bindings,
                                  uint32_t push_bytes);
/* 1 when it is compiled, 0 while it is not; the driver's failure, if it has refused it: SHADER_INVALID, SYSTEM, out of memory,
 * GPU_DEVICE_LOST. */
LF_API int32_t lf_pipeline_ready(int32_t pipeline);
/* Runs it on x * y * z workgroups. INVALID_ARGUMENT until it is compiled. */
LF_API int32_t lf_queue_dispatch(int32_t device, int32_t pipeline, const int32_t *memories, uint32_t count,
                                 const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z, double *value);
/* Also while it is compiled: the compile goes on, and frees what it needs when it ends. */
LF_API int32_t lf_pipeline_close(int32_t pipeline);

/* ---- step: several commands of one submission, one after the other ---- */

enum {
  LF_STEP_DISPATCH = 0, /* x = groups */
  LF_STEP_INDIRECT = 1, /* x, y and z are three words at `offset` of `memory`; 0 of them is nothing to do */
  LF_STEP_ZERO = 2,     /* `bytes` bytes from `offset` of `memory` */
  LF_STEP_COPY = 3      /* they come to `to_offset` of `to`; not within one memory */
};
/* Different ones in one submission. */
#define LF_STEP_PIPELINES_MAX 32

/* Offsets and sizes are bytes, and multiples of 4; a memory is named by its place in the submission's list. */
typedef struct {
  int32_t kind;
  uint32_t beside; /* 1: may run at the same time as the step before it; 0: after that, and sees what it wrote */
  int32_t pipeline;
  uint32_t groups;
  uint32_t memory, offset, bytes;
  uint32_t to, to_offset;
  uint32_t push[7]; /* as many as the pipeline's push constants */
} lf_step;

/* Submits the steps. A pipeline's bindings are the first of the memories. 1 with the value, LF_FULL as for the queue. */
LF_API int32_t lf_queue_steps(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* Submits steps that wait on the GPU until lf_queue_go, or until anything else is submitted to the device: then they run first,
 * wanted or not. They are there sooner than what is submitted when it is wanted, and see what the host wrote before they were let
 * go. 1 with the value; LF_FULL where there is no room, or commands of the same steps are under way. */
LF_API int32_t lf_queue_prepare(int32_t device, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                                uint32_t step_count, double *value);
/* 1 as long as the steps of this value wait. */
LF_API int32_t lf_queue_prepared(int32_t device, double value);
/* Lets what waits run; LF_OK also where nothing does. */
LF_API int32_t lf_queue_go(int32_t device);

/* ---- semaphore: order between this device and other users of it ---- */

enum { LF_SEMAPHORE_TIMELINE = 0, LF_SEMAPHORE_BINARY = 1 };

/* Exportable. EXTERNAL_MEMORY_UNSUPPORTED where the driver can't share that kind. */
LF_API int32_t lf_semaphore_create(int32_t device, int32_t kind);
/* A new OS handle; the caller owns it. */
LF_API int32_t lf_semaphore_export(int32_t semaphore, int64_t *out);
/* Takes ownership of the OS handle (also when it fails). EXTERNAL_HANDLE_MISMATCH as for memory. */
LF_API int32_t lf_semaphore_import(int32_t device, int32_t kind, int64_t os_handle, const uint8_t *uuids);
/* In the order of the queue: signals when all work before it has ended; all work after it waits. `value` counts for
 * timelines only. */
LF_API int32_t lf_semaphore_signal(int32_t semaphore, double value, double *queue_value);
LF_API int32_t lf_semaphore_wait(int32_t semaphore, double value, double *queue_value);
/* A timeline's value now. */
LF_API int32_t lf_semaphore_value(int32_t semaphore, double *out);
LF_API int32_t lf_semaphore_close(int32_t semaphore);

/* ---- rendezvous: two processes meet under a name in a directory ---- */

enum { LF_ROLE_PRODUCER = 0, LF_ROLE_CONSUMER = 1 };
#define LF_SCOPE_MAX 16

typedef struct {
  uint32_t refused;  /* peers turned away because they run as another user */
  int32_t last_uid;  /* the user id of the last of them */
} lf_rendezvous_info;

/* Takes the role under the name (NAME_IN_USE when a live process has it); returns a handle. `directory` is made with
 * mode 0700; one that others can write to is refused. Both strings are UTF-8 with their lengths in bytes. `scope` (up to
 * LF_SCOPE_MAX digits and lower-case letters) sets equal names apart: of no bytes for the host's, else of the job's. */
LF_API int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name,
                                  uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes);
/* 0 while nobody is there; else the handle of a link to a peer of the same user. Never blocks. */
LF_API int32_t lf_rendezvous_poll(int32_t handle);
/* Stops listening; the role stays taken until lf_rendezvous_close. */
LF_API int32_t lf_rendezvous_settle(int32_t handle);
LF_API int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out);
LF_API int32_t lf_rendezvous_close(int32_t handle);

#define LF_PLACE_MAX_BYTES 256

enum { LF_HOLDER_HAS = 0, LF_HOLDER_LEFT = 1, LF_HOLDER_DIED = 2 };

/* Who has a role or had it last, as that process has written it down in the directory. */
typedef struct {
  double since_ms; /* since 1970 */
  double left_ms;  /* LF_HOLDER_LEFT: since 1970 */
  int32_t state;   /* LF_HOLDER_... */
  int32_t pid;
  int32_t here; /* 1: this process */
  int32_t met;  /* 1: it had a peer */
  uint32_t place_bytes;
  char place[LF_PLACE_MAX_BYTES]; /* where in the program it was opened, UTF-8 of any content */
} lf_role_holder;

/* Writes down where in the program the rendezvous was opened, for lf_rendezvous_holder. */
LF_API int32_t lf_rendezvous_note(int32_t handle, const char *place, uint32_t bytes);
/* 1; 0 where nobody has had the role in that directory; LF_EMPTY where that is not known. The directory is left as it is. */
LF_API int32_t lf_rendezvous_holder(const char *directory, uint32_t directory_bytes, const char *name,
                                    uint32_t name_bytes, int32_t role, const char *scope, uint32_t scope_bytes,
                                    lf_role_holder *out);

/* Where many rendezvous of a thread sleep. LF_EMPTY where the system offers none (all but Linux): then they are polled. */
LF_API int32_t lf_watch_open(void);
/* A duplicate of the descriptor, for the caller to close: readable while lf_watch_next has anything to say. */
LF_API int32_t lf_watch_bell(int32_t watch, int64_t *out);
/* A rendezvous that is to be polled, or 0. Tells of each once, until it is polled. */
LF_API int32_t lf_watch_next(int32_t watch);
LF_API int32_t lf_watch_close(int32_t watch);
/* 1: `watch` tells when the rendezvous is to be polled. LF_EMPTY: it has to be polled now and then. Asked for anew before
 * each sleep. */
LF_API int32_t lf_rendezvous_watch(int32_t handle, int32_t watch);

/* ---- link: the connection to one peer: messages, OS handles, a bell, and the proof that it lives ---- */

#define LF_LINK_MESSAGE_MAX 16384

typedef struct {
  uint32_t kind;
  uint32_t length;
} lf_link_message;

/* Returns 1, or LF_FULL when the peer does not read. */
LF_API int32_t lf_link_send(int32_t link, uint32_t kind, const void *data, uint32_t length);
/* Returns 1, or LF_EMPTY; PEER_DIED when the peer is gone. `data` has room for LF_LINK_MESSAGE_MAX bytes. */
LF_API int32_t lf_link_receive(int32_t link, void *data, lf_link_message *out);
/* A duplicate of the descriptor that becomes readable when the peer rings, and ends when the peer dies; the caller
 * owns it. LF_EMPTY where the system has no such thing: then poll. */
LF_API int32_t lf_link_bell(int32_t link, int64_t *out);
/* The user's process id of the peer as the kernel knows it; 0 where it does not say. */
LF_API int32_t lf_link_peer_pid(int32_t link);
/* 1 while the peer lives, else 0. */
LF_API int32_t lf_link_alive(int32_t link);
LF_API int32_t lf_link_close(int32_t link);

/* ---- producer and consumer: the two ends of a ring in shared memory ---- */

/* Payloads up to this many bytes ride in the slot itself. */
#define LF_INLINE_MAX 120

/* Room for one message outside the ring, in a region that both sides have mapped. */
typedef struct {
  uint32_t region;
  uint32_t block; /* token for commit and abort */
  double offset;  /* in the region, bytes */
} lf_loan;

/* One received message. */
typedef struct {
  uint8_t payload[LF_INLINE_MAX]; /* where the result was a length */
  uint32_t region;                /* else: which region, */
  uint32_t token;                 /* what to release, */
  double offset;                  /* where in the region, bytes, */
  double length;                  /* and how many bytes; */
  double sequence;                /* of either kind: the message's number, from 0 */
  uint32_t reach; /* in a region: LF_REACH_... */
  uint32_t reserved;
} lf_frame;

enum {
  LF_REACH_HERE = 0,
  LF_REACH_STAGED = 1, /* a copy of a MemoryBuffer that this side can't reach */
  LF_REACH_FOREIGN = 2 /* memory of another GPU */
};

enum {
  LF_REGION_POOLED = 0, /* blocks of the ring */
  LF_REGION_HOST = 1,   /* a MemoryBuffer in shared memory */
  LF_REGION_GPU = 2     /* a MemoryBuffer on a GPU */
};

typedef struct {
  uint64_t address; /* 0 where it is not mapped */
  double size;
  double allocation; /* GPU memory: bytes that the producer's driver allocated */
  int32_t memory;    /* handle of the imported memory; 0 for pooled blocks, and for memory of another GPU */
  uint32_t kind;     /* LF_REGION_... */
  uint32_t host_visible;
  uint32_t reserved;
} lf_region_info;

typedef struct {
  double queued;  /* producer: sent and not yet released; consumer: committed and not yet received */
  double regions; /* mapped now */
  double region_bytes;
  double imports; /* consumer: MemoryBuffers mapped; producer: MemoryBuffers known to the peer */
  double peer;    /* 0 open, 1 closed, 2 died */
  double frames;  /* that went through this end */
  double bytes;
  double held; /* received there and not yet released; 0 where the end can't know (a sender of a job) */
} lf_port_stats;

/* Makes the segment and passes it over the link, which must stay open as long as the producer.
 * `fenced` is 1 unless both processes registered for membarrier (lf_membarrier_viable). */
LF_API int32_t lf_producer_open(int32_t link, uint32_t slot_count, int32_t fenced);
/* From now on GPU memory of the device can be sent. `share_timeline` 1: the peer waits for work under way on its own
 * queue, so that sending need not. Once a producer. */
LF_API int32_t lf_producer_use_device(int32_t producer, int32_t device, int32_t share_timeline);
/* 1: sent. LF_FULL, or LF_RETIRE: see lf_producer_retirable. */
LF_API int32_t lf_producer_send(int32_t producer, const void *data, uint32_t length);
/* The same for a payload in shared memory or in memory of the producer's device: nothing is copied. LF_PENDING while
 * work on it is under way and the peer can't wait for that itself: no timeline is shared, or it may look at the bytes.
 * EXTERNAL_HANDLE_MISMATCH for memory of another device. */
LF_API int32_t lf_producer_send_memory(int32_t producer, int32_t memory);
/* The same for `size` bytes of it from `offset` on: the peer knows the whole memory, and the frame is the part. */
LF_API int32_t lf_producer_send_part(int32_t producer, int32_t memory, double offset, double size);
/* 1 with the device's `value` when the peer may wait for work up to there that has not ended, else 0. Close afterwards:
 * a peer whose producer is gone waits no more. */
LF_API int32_t lf_producer_pending(int32_t producer, double *value);
/* How many frames of it the peer has not released: 0 where it never was sent here, and once the peer closed or died.
 * CORRUPT_SEGMENT. */
LF_API int32_t lf_producer_unreleased(int32_t producer, int32_t memory);
/* Tells the peer to unmap it; frames under way stay valid. */
LF_API int32_t lf_producer_forget_memory(int32_t producer, int32_t memory);
/* 1: `out` says where; its slot in the ring is kept free. LF_FULL, LF_RETIRE. */
LF_API int32_t lf_producer_loan(int32_t producer, double length, lf_loan *out);
/* `staged` 1: the bytes are a copy of a MemoryBuffer that the peer can't reach. */
LF_API int32_t lf_producer_commit(int32_t producer, uint32_t block, double length, int32_t staged);
LF_API int32_t lf_producer_abort(int32_t producer, uint32_t block);
/* Keeps one slot for a small payload that is committed later; commit_inline uses it, abort_inline gives it back. */
LF_API int32_t lf_producer_reserve(int32_t producer);
LF_API int32_t lf_producer_commit_inline(int32_t producer, const void *data, uint32_t length);
LF_API int32_t lf_producer_abort_inline(int32_t producer);
LF_API int32_t lf_producer_region(int32_t producer, uint32_t region, lf_region_info *out);
/* The region that LF_RETIRE is about; the caller detaches its views, then calls lf_producer_retire. */
LF_API int32_t lf_producer_retirable(int32_t producer, uint32_t *out);
LF_API int32_t lf_producer_retire(int32_t producer, uint32_t region);
/* A step towards giving back the pages of large blocks that have been idle for a while: 1 when pages went, and there may be
 * more; LF_EMPTY: some may go later; 0: none is left that would, until another large block is used. */
LF_API int32_t lf_producer_trim(int32_t handle);
/* Asks for the bell. 1: something changed already (room, or everything is released), do not sleep. CHANNEL_CLOSED or
 * PEER_DIED when what is waited for can't come any more. */
LF_API int32_t lf_producer_arm(int32_t producer, int32_t until_released);
/* Asks the kernel whether the consumer lives, whoever sends or not: CHANNEL_CLOSED or PEER_DIED, which stays. */
LF_API int32_t lf_producer_look(int32_t producer);
/* Looks `spins` times, without a system call: 1 as soon as trying again may help (the peer took or gave back what there is
 * no room without, or closed; with `until_released`, everything is released), else 0. */
LF_API int32_t lf_producer_moved(int32_t producer, int32_t until_released, int32_t spins);
LF_API int32_t lf_producer_stats(int32_t producer, lf_port_stats *out);
LF_API int32_t lf_producer_close(int32_t producer);

/* A handle, or LF_EMPTY while the segment has not arrived. */
LF_API int32_t lf_consumer_open(int32_t link, int32_t fenced);
/* From now on GPU memory can be received: of the device and driver that `uuids` names (2 x LF_UUID_BYTES). It is imported
 * when that is `device`, else its OS handle is kept for lf_consumer_claim. Once a consumer. */
LF_API int32_t lf_consumer_use_device(int32_t consumer, int32_t device, const uint8_t *uuids);
/* 0..LF_INLINE_MAX: an inline payload of that length. LF_REGION, LF_EMPTY, LF_RETIRE (detach the views of
 * out->region, call lf_consumer_retire, try again); CHANNEL_CLOSED or PEER_DIED once drained. */
LF_API int32_t lf_consumer_receive(int32_t consumer, lf_frame *out);
/* Blocks the thread: spins, then sleeps. Also LF_TIMEOUT. */
LF_API int32_t lf_consumer_receive_wait(int32_t consumer, double timeout_ms, double spin_us, lf_frame *out);
/* `token` 0 for an inline payload. LF_PENDING: work of this side on the memory is under way; the frame is released when
 * that has ended, by whichever call comes next (see lf_consumer_settle). */
LF_API int32_t lf_consumer_release(int32_t consumer, uint32_t token);
/* Looks at what went on without the ring: releases frames whose work has ended, and lets work go on that waits for a
 * producer that died. 1 with the device's `value` to wait for when frames are still to be released (`all` 1: when
 * any work on the peer's memory is under way), else 0. */
LF_API int32_t lf_consumer_settle(int32_t consumer, int32_t all, double *value);
LF_API int32_t lf_consumer_region(int32_t consumer, uint32_t region, lf_region_info *out);
/* The OS handle of a region of another GPU; the caller owns it from now on. Once a region. */
LF_API int32_t lf_consumer_claim(int32_t consumer, uint32_t region, int64_t *out);
LF_API int32_t lf_consumer_retire(int32_t consumer, uint32_t region);
LF_API int32_t lf_consumer_arm(int32_t consumer);
/* Asks the kernel whether the producer lives, LF_OK or LF_EMPTY, and the next empty receive does so again. */
LF_API int32_t lf_consumer_look(int32_t consumer);
/* Looks `spins` times, without a system call: 1 as soon as there is a message, or the end of them, else 0. */
LF_API int32_t lf_consumer_moved(int32_t consumer, int32_t spins);
LF_API int32_t lf_consumer_stats(int32_t consumer, lf_port_stats *out);
LF_API int32_t lf_consumer_close(int32_t consumer);

/* ---- mpi: a Message Passing Interface library that is opened at run time ---- */

enum { LF_MPI_STANDARD_ABI = 0, LF_MPI_OPEN_MPI = 1, LF_MPI_MPICH = 2, LF_MPI_MICROSOFT = 3 };

typedef struct {
  char implementation[64]; /* "Open MPI", "MPICH", "Intel MPI", ... */
  char version[64];        /* of the library, as it says it */
  char library[384];       /* the file it was loaded from */
  int32_t kind;            /* LF_MPI_...: which handles and structs it has */
  int32_t standard;        /* the MPI standard that it follows: version * 100 + subversion */
} lf_mpi_info;

/* Opens the library: the one that LAVA_FLOW_MPI names ("off": none), else the one of the launcher that started this
 * process, else the first of the usual names. MPI is not initialised. MPI_UNAVAILABLE with the reason of each place. */
LF_API int32_t lf_mpi_describe(lf_mpi_info *out);

/* ---- launch: what started this process ---- */

/* NONE: no launcher's variables. RANK: this process may come to MPI as a rank. PLAIN: variables that are not this process's
 * to use, or of no use. */
enum { LF_LAUNCH_NONE = 0, LF_LAUNCH_RANK = 1, LF_LAUNCH_PLAIN = 2 };

typedef struct {
  int32_t standing; /* LF_LAUNCH_... */
  int32_t rank;     /* as the launcher says, to all processes of the rank; -1: not said */
  int32_t size;     /* of the job; 0: not said */
  int32_t open_mpi; /* 1: the launcher is Open MPI's own */
  char job[128];    /* the launcher's or scheduler's name of the job, the same in all processes of it on this host; "" for none */
  char reason[384]; /* PLAIN: a clause that says why, after "this process" */
} lf_launch_info;

/* Examined once a process: MPI is not touched. `directory` is the runtime directory (0 bytes: none). A process that is a
 * rank stays the only one of that rank on this host, as far as the others ask the same. */
LF_API int32_t lf_launch_examine(const char *directory, uint32_t directory_bytes, lf_launch_info *out);

/* ---- job: the processes that one launcher started together, and what they know of each other ----
 * One job a process, whatever the thread. Ranks are those of MPI_COMM_WORLD. */

typedef struct {
  int32_t rank;
  int32_t size;
  int32_t node;      /* the lowest rank of those that MPI says share memory with this one */
  int32_t node_size; /* how many those are */
  int32_t ours;      /* 1: initialised here; 0: by somebody else in this process, who also finalises it */
  int32_t reserved;
  uint8_t id[16];    /* random, the same on every rank */
  char processor[256]; /* MPI's name for the machine */
} lf_job_info;

/* What lf_job_open waits for while it is pending. */
enum { LF_JOB_NOTHING = 0, LF_JOB_RANKS = 1, LF_JOB_NETWORK = 2 };
/* LF_JOB_RANKS: other ranks have not initialised MPI. LF_JOB_NETWORK: they have, and the first messages between the ranks do
 * not arrive. */
LF_API int32_t lf_job_awaits(void);
/* Initialises MPI, on a thread of its own, once a process: LF_PENDING while other ranks have not come to it, then 1.
 * MPI_UNAVAILABLE, MPI_FAILED, WIRE_VERSION_MISMATCH (naming a rank and host of another version). */
LF_API int32_t lf_job_open(void);
LF_API int32_t lf_job_describe(lf_job_info *out);
/* Tells the job's directory that this rank is found under `key`; `text` is what a lookup shows (both UTF-8, up to 255
 * bytes). */
LF_API int32_t lf_job_publish(const char *key, uint32_t key_bytes, const char *text, uint32_t text_bytes);
/* The end of this process's part, with the status it exits with. Channels that are still open end as by death. Sends
 * what is under way and waits for the other ranks, as long as they live, then finalises; not where `status` is not 0,
 * or a rank is known to be dead. At most `timeout_ms` of silence are waited for. 1 when MPI was finalised here, else 0;
 * TIMEOUT when it was not even initialised, MPI_FAILED. */
LF_API int32_t lf_job_close(int32_t status, double timeout_ms);
/* The same for status 0, when the process exits and nobody did it before (not on Windows). Once a process. */
LF_API int32_t lf_job_close_at_exit(double timeout_ms);
/* Ends all processes of the job, with the text on stderr. Returns only when there is no job, or MPI fails to. */
LF_API int32_t lf_job_abort(int32_t status, const char *text, uint32_t text_bytes);

/* ---- lookup: which ranks published a key ---- */

LF_API int32_t lf_lookup_open(const char *key, uint32_t key_bytes);
/* LF_PENDING, or how many ranks there are; `out` gets one line "RANK TEXT" for each, lowest ranks first, as far as whole
 * lines fit (and no more than 4 KiB of texts), and a NUL. PEER_DIED when the rank that keeps the key for the job is gone. */
LF_API int32_t lf_lookup_poll(int32_t lookup, uint32_t capacity, char *out);
LF_API int32_t lf_lookup_close(int32_t lookup);

/* ---- seek: a role under a name, in the whole job ---- */

/* Takes the role. Two seekers with the same `place` (any bytes) meet without the job, and are never matched here. */
LF_API int32_t lf_seek_open(const char *name, uint32_t name_bytes, int32_t role, const uint8_t *place,
                            uint32_t place_bytes);
/* 0 while nobody is there; else the handle of a mail link to a peer, who is not offered to anybody else meanwhile: close
 * the link to look again, or settle. NAME_IN_USE naming the rank that has the role, PEER_DIED when the rank that keeps
 * the name for the job is gone. */
LF_API int32_t lf_seek_poll(int32_t seek);
/* Stops looking, whoever it was that was met; the role stays taken until lf_seek_close. */
LF_API int32_t lf_seek_settle(int32_t seek);
LF_API int32_t lf_seek_close(int32_t seek);

/* ---- mail: a link to a peer in the job; as a link, without OS handles and without a bell ---- */

/* Returns 1, or LF_FULL when much waits for a peer that has not heard of the match yet. Up to LF_LINK_MESSAGE_MAX bytes.
 * What was sent arrives although the link is closed afterwards. */
LF_API int32_t lf_mail_send(int32_t mail, uint32_t kind, const void *data, uint32_t length);
/* Returns 1, or LF_EMPTY; once drained, PEER_DIED when the peer closed it or is gone, CORRUPT_SEGMENT when it sent far more
 * than was received. `data` has room for LF_LINK_MESSAGE_MAX bytes. */
LF_API int32_t lf_mail_receive(int32_t mail, void *data, lf_link_message *out);
/* The peer's rank. */
LF_API int32_t lf_mail_rank(int32_t mail);
LF_API int32_t lf_mail_close(int32_t mail);

/* ---- sender and receiver: the two ends of a channel over MPI ----
 * A sender numbers its lanes; a lane's messages go to one receiver, which tells the sender with credits what was
 * released. Functions that have the name of a producer's or consumer's do what that does. */

/* What goes with a frame over MPI that the receiver's side puts into memory of its own choice, in pieces. */
#define LF_PIECE_BYTES (4u << 20)

/* To `rank`, with up to `slots` frames under way. `link`: a link to that process when both share a host (it proves that
 * the peer lives), else 0. `who` names the peer in errors, UTF-8. `lane` is what the receiver has to be told. */
LF_API int32_t lf_sender_open(int32_t rank, int32_t link, uint32_t slots, const char *who, uint32_t who_bytes,
                              uint32_t *lane);
/* The receiver is there, under this address; before this, nothing is sent but the lane's first message. */
LF_API int32_t lf_sender_agree(int32_t sender, double address);
LF_API int32_t lf_sender_send(int32_t sender, const void *data, uint32_t length);
/* The same; but of small frames that follow each other closely, all after the first may wait for company: 2 for one that
 * does, until lf_sender_flush, or until this process waits for something to come. */
LF_API int32_t lf_sender_put(int32_t sender, const void *data, uint32_t length);
LF_API int32_t lf_sender_flush(int32_t sender);
/* Sends from the caller's memory, which must stay as it is until lf_sender_sent says so: a ticket, 1 and up. LF_FULL. */
LF_API int32_t lf_sender_start(int32_t sender, const void *data, double length, double *ticket);
/* A frame that is sent in pieces of LF_PIECE_BYTES (the last one shorter), each with lf_sender_piece, before any other
 * frame: 1. LF_FULL. */
LF_API int32_t lf_sender_begin(int32_t sender, double length);
LF_API int32_t lf_sender_piece(int32_t sender, const void *data, double length, double *ticket);
/* The last ticket before which, and with which, everything has left the caller's memory. */
LF_API int32_t lf_sender_sent(int32_t sender, double *ticket);
LF_API int32_t lf_sender_loan(int32_t sender, double length, lf_loan *out);
LF_API int32_t lf_sender_commit(int32_t sender, uint32_t block, double length);
LF_API int32_t lf_sender_abort(int32_t sender, uint32_t block);
LF_API int32_t lf_sender_reserve(int32_t sender);
LF_API int32_t lf_sender_commit_inline(int32_t sender, const void *data, uint32_t length);
LF_API int32_t lf_sender_abort_inline(int32_t sender);
LF_API int32_t lf_sender_region(int32_t sender, uint32_t region, lf_region_info *out);
LF_API int32_t lf_sender_retirable(int32_t sender, uint32_t *out);
LF_API int32_t lf_sender_retire(int32_t sender, uint32_t region);
/* Rings its bell when `until` has come: room may be there, all is released, or a ticket more was sent. */
enum { LF_UNTIL_ROOM = 0, LF_UNTIL_RELEASED = 1, LF_UNTIL_SENT = 2 };
LF_API int32_t lf_sender_arm(int32_t sender, int32_t until);
/* A descriptor that becomes readable when what was armed for has come; the caller owns it. LF_EMPTY where the system
 * has no such thing: then poll. */
LF_API int32_t lf_sender_bell(int32_t sender, int64_t *out);
LF_API int32_t lf_sender_stats(int32_t sender, lf_port_stats *out);
LF_API int32_t lf_sender_close(int32_t sender);

/* The other end of a lane of `rank`. `pieces` 1: frames that are sent in pieces are put where lf_receiver_piece says;
 * 0: into blocks, like all others. */
LF_API int32_t lf_receiver_open(int32_t rank, int32_t link, uint32_t lane, uint32_t slots, int32_t pieces,
                                const char *who, uint32_t who_bytes);
/* 1 with its address once the lane's first message has come, else LF_EMPTY. */
LF_API int32_t lf_receiver_ready(int32_t receiver, double *address);
/* As lf_consumer_receive; a frame that comes in pieces is LF_REGION with `reach` LF_REACH_STAGED, region 0 and its
 * length. */
LF_API int32_t lf_receiver_receive(int32_t receiver, lf_frame *out);
LF_API int32_t lf_receiver_receive_wait(int32_t receiver, double timeout_ms, double spin_us, lf_frame *out);
/* The next piece of the frames that come in pieces, in order, goes to `data`: a ticket. */
LF_API int32_t lf_receiver_piece(int32_t receiver, void *data, double length, double *ticket);
/* The last ticket before which, and with which, every piece is there. */
LF_API int32_t lf_receiver_arrived(int32_t receiver, double *ticket);
LF_API int32_t lf_receiver_release(int32_t receiver, uint32_t token);
LF_API int32_t lf_receiver_region(int32_t receiver, uint32_t region, lf_region_info *out);
/* 1 with a region that has to go before more can be taken from the sender, else LF_EMPTY. The bell rings for it, armed or
 * not. */
LF_API int32_t lf_receiver_retirable(int32_t receiver, uint32_t *out);
LF_API int32_t lf_receiver_retire(int32_t receiver, uint32_t region);
/* Rings its bell at the next frame, and when a piece has arrived. */
LF_API int32_t lf_receiver_arm(int32_t receiver);
LF_API int32_t lf_receiver_bell(int32_t receiver, int64_t *out);
LF_API int32_t lf_receiver_stats(int32_t receiver, lf_port_stats *out);
LF_API int32_t lf_receiver_close(int32_t receiver);

/* ---- interop: the same memory and semaphores in CUDA, OpenCL and OpenGL, each opened at run time ----
 * BACKEND_UNAVAILABLE with the reason where an API is not here; EXTERNAL_HANDLE_MISMATCH where it has no device with
 * the UUID that is needed. A failing call of an API is recorded under its own name, with its own status. */

/* 1 when the API can be used, 0 when not; `why` is told either way (UTF-8, cut to `capacity` bytes with its end). */
LF_API int32_t lf_cuda_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opencl_viable(uint32_t capacity, char *why);
LF_API int32_t lf_opengl_viable(uint32_t capacity, char *why);

/* GPU memory as CUDA memory of the same device; a handle. The memory may be closed before or after it. */
LF_API int32_t lf_cuda_import(int32_t memory);
/* The same for GPU memory that another process exported, on whichever GPU `device_uuid` names. Takes ownership of the
 * OS handle (also when it fails). */
LF_API int32_t lf_cuda_import_foreign(int64_t os_handle, double allocation, double size, const uint8_t *device_uuid);
/* Memory that was born in CUDA, at `pointer`, and stays its owner's. */
LF_API int32_t lf_cuda_adopt(uint64_t pointer, double size);
/* Its device pointer, and the UUID of its device (LF_UUID_BYTES). */
LF_API int32_t lf_cuda_describe(int32_t cuda, uint8_t *device_uuid, uint64_t *pointer);
/* A new OS handle to the allocation that it begins, which is `allocation` bytes; the caller owns it.
 * EXTERNAL_MEMORY_UNSUPPORTED unless it was allocated for export. */
LF_API int32_t lf_cuda_export(int32_t cuda, double *allocation, int64_t *os_handle);
/* Copies a few bytes to or from host memory; done when it returns. */
LF_API int32_t lf_cuda_read(int32_t cuda, double offset, void *to, uint32_t size);
LF_API int32_t lf_cuda_write(int32_t cuda, double offset, const void *from, uint32_t size);
/* Starts a copy, which may be from one GPU to another: 1. Copies to one target come one after the other. */
LF_API int32_t lf_cuda_copy(int32_t target, double target_offset, int32_t source, double source_offset, double size);
/* 1 when all copies to the target have ended, else 0. Does not block. */
LF_API int32_t lf_cuda_copied(int32_t target);
/* Waits for the copies from and to it (ETIMEOUT after 30 s: it stays open), then unmaps it. */
LF_API int32_t lf_cuda_close(int32_t cuda);
/* 1 when CUDA sees both devices and copies between them directly, both ways; else 0 with the reason in lf_status_last. */
LF_API int32_t lf_cuda_peer_viable(const uint8_t *source_uuid, const uint8_t *target_uuid);
/* On a CUstream of the device (0: its default stream). `value` counts for timelines only. */
LF_API int32_t lf_cuda_semaphore_import(int32_t semaphore);
LF_API int32_t lf_cuda_semaphore_signal(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_wait(int32_t cuda_semaphore, double value, uint64_t stream);
LF_API int32_t lf_cuda_semaphore_close(int32_t cuda_semaphore);

/* `size` bytes of GPU memory from `offset` on as a cl_mem; a handle. Of all of the memory it is a cl_mem as large as the
 * allocation. `context` 0: in a context of its own, on the matching device. EXTERNAL_MEMORY_UNSUPPORTED for a part that begins
 * where OpenCL's may not. */
LF_API int32_t lf_opencl_import(int32_t memory, double offset, double size, uint64_t context);
/* Its cl_mem, cl_context and cl_device_id, in this order. */
LF_API int32_t lf_opencl_describe(int32_t opencl, uint64_t *out);
/* In the order of a cl_command_queue of the context: OpenCL may use the memory after acquire and until release. */
LF_API int32_t lf_opencl_acquire(int32_t opencl, uint64_t queue);
LF_API int32_t lf_opencl_release(int32_t opencl, uint64_t queue);
/* The bytes and the context of a cl_mem that was born in OpenCL, and the UUID of the device of `queue`. */
LF_API int32_t lf_opencl_inspect(uint64_t mem, uint64_t queue, uint8_t *device_uuid, uint64_t *context, double *size);
/* Starts a copy of the first bytes of a cl_mem into the imported memory, acquire and release included: 1. */
LF_API int32_t lf_opencl_copy(int32_t opencl, uint64_t mem, double size, uint64_t queue);
/* 1 when the copy has ended, else 0. Does not block. */
LF_API int32_t lf_opencl_copied(int32_t opencl);
LF_API int32_t lf_opencl_close(int32_t opencl);
/* Binary semaphores only: OpenCL knows no timelines. */
LF_API int32_t lf_opencl_semaphore_import(int32_t semaphore, uint64_t context);
LF_API int32_t lf_opencl_semaphore_signal(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_wait(int32_t opencl_semaphore, uint64_t queue);
LF_API int32_t lf_opencl_semaphore_close(int32_t opencl_semaphore);

/* `size` bytes of GPU memory, from `offset` on, as an OpenGL buffer; a handle. In the EGL context that is current on this
 * thread, else in one that is made for the matching device and stays current until the last handle that uses it is
 * closed. */
LF_API int32_t lf_opengl_import(int32_t memory, double offset, double size);
/* The names that OpenGL knows it by. */
LF_API int32_t lf_opengl_describe(int32_t opengl, uint32_t *buffer, uint32_t *memory_object);
LF_API int32_t lf_opengl_close(int32_t opengl);
/* Binary semaphores only, and in the order of the context's commands. `buffers` are handles of imported memory. */
LF_API int32_t lf_opengl_semaphore_import(int32_t semaphore);
LF_API int32_t lf_opengl_semaphore_signal(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_wait(int32_t opengl_semaphore, const int32_t *buffers, uint32_t count);
LF_API int32_t lf_opengl_semaphore_close(int32_t opengl_semaphore);

/* ---- metal: an Apple GPU, through the Objective-C runtime opened at run time ----
 * Every submission reaches the next value, 1 and up. 64 can be under way: beyond that there is LF_FULL, with the value to
 * wait for. Handles may be closed in any order, and while the GPU works: Metal keeps what it uses. */

typedef struct {
  char name[256];
  double buffer_max; /* bytes of the largest buffer */
  uint32_t workgroup_max; /* bytes of the variables that a workgroup shares */
  uint32_t reserved;
} lf_metal_info;

/* 1 with the name of the system's device when Metal can be used; 0 with the reason. The library is the one that
 * LAVA_FLOW_METAL names ("off": none), else the system's. */
LF_API int32_t lf_metal_viable(uint32_t capacity, char *why);
/* A handle of the system's default device. BACKEND_UNAVAILABLE with the reason. */
LF_API int32_t lf_metal_open(void);
LF_API int32_t lf_metal_describe(int32_t metal, lf_metal_info *out);
LF_API int32_t lf_metal_close(int32_t metal);

/* A handle of zeroed memory, shared with the host where `host_visible` is 1: *address is then where it lies, else 0.
 * GPU_OUT_OF_MEMORY. */
LF_API int32_t lf_metal_memory_create(int32_t metal, double size, int32_t host_visible, uint64_t *address);
LF_API int32_t lf_metal_memory_close(int32_t memory);

/* A handle of the compute function `main_` of MSL (UTF-8), run on `threads` threads a workgroup. Its storage buffers have the
 * indices 0 to buffers - 1; the next index is that of its push words, where it has any; and the next that of the sizes, where
 * `sized` lists buffers: their bytes, 32 bits each, in this order. SHADER_INVALID with Metal's words, INVALID_ARGUMENT where
 * the device has not so many threads. */
LF_API int32_t lf_metal_pipeline_create(int32_t metal, const char *msl, uint32_t bytes, uint32_t threads, uint32_t buffers,
                                        uint32_t push_words, const uint8_t *sized, uint32_t sized_count);
LF_API int32_t lf_metal_pipeline_close(int32_t pipeline);

/* Submits steps as lf_queue_steps does, over at most 16 memories. 1 with the value, or LF_FULL. GPU_DEVICE_LOST. */
LF_API int32_t lf_metal_steps(int32_t metal, const int32_t *memories, uint32_t memory_count, const lf_step *steps,
                              uint32_t step_count, double *value);
/* 1 when the work of `value` has ended, 0 when not after spinning for `spin_us`. GPU_DEVICE_LOST with Metal's words when
 * any work has failed. */
LF_API int32_t lf_metal_reached(int32_t metal, double value, double spin_us);

/* ---- a hybrid logical clock: eight bytes, aligned and 0 at first, that threads may share ---- */

/* A stamp greater than all that the clock gave or saw: microseconds since 1970 in out[0], the logical counter in out[1].
 * `wall` is the time of day in microseconds; below 0: the system's. */
LF_API int32_t lf_clock_tick(void *word, double wall, double *out);
/* The same, and greater than the stamp of another clock. CLOCK_DRIFT, with the clock as it was, where that is more than
 * `max_drift` microseconds ahead of the wall. */
LF_API int32_t lf_clock_update(void *word, double wall, double physical, double logical, double max_drift, double *out);

/* ---- boxes: parts of arrays of two or three dimensions ---- */

/* What is copied from one array to another, in words of 4 bytes: x of them in a row, y rows, z planes. */
typedef struct {
  uint32_t source, target; /* the first word of each */
  uint32_t x, y, z;        /* 1 and up */
  uint32_t source_row, source_plane; /* from row to row, and from plane to plane */
  uint32_t target_row, target_plane;
} lf_box;

/* Copies all boxes. What one box writes, no box of the same call reads or writes. INVALID_ARGUMENT, with nothing written,
 * where one does not lie within the arrays, which begin at multiples of 4. */
LF_API int32_t lf_boxes_copy(void *target, double target_bytes, const void *source, double source_bytes,
                             const lf_box *boxes, uint32_t count);

/* 1 when this process can take part in asymmetric barriers (Linux membarrier), else 0. */
LF_API int32_t lf_membarrier_viable(void);

/* Does nothing: what a call costs (bench ffi/noop). */
LF_API int32_t lf_noop(int32_t value);

#endif
