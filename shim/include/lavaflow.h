/*
 * The whole C ABI of lava-flow's shim. It is called from TypeScript through bun:ffi and from nowhere else.
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
#define LF_ABI_VERSION 1
/* Raised whenever two processes of different builds could misread each other. */
#define LF_WIRE_VERSION 1

/* ---- status: the negative ones are errors, in the order of ErrorCode in src/errors.ts ---- */

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
  LF_ESYSTEM = -33
};

/* Values that are not lengths: all above LF_VALUE, which no length or handle reaches. */
enum {
  LF_VALUE = 0x40000000,
  LF_FULL = 0x40000001,    /* no room now; try again when the peer has released something */
  LF_EMPTY = 0x40000002,   /* nothing there now */
  LF_TIMEOUT = 0x40000003, /* the given time passed */
  LF_REGION = 0x40000004,  /* a frame that lies in a region: lf_frame says where */
  LF_RETIRE = 0x40000005   /* a region has to go first: lf_frame.region or lf_loan.region says which */
};

/* The failing call underneath, kept per thread until the next failure. */
typedef struct {
  int32_t code;          /* LF_E... */
  int32_t native_status; /* errno, GetLastError() */
  char api[56];          /* "memfd_create", "" where the shim itself refused */
  char text[448];        /* the API's own words, or the shim's */
} lf_status;

LF_API int32_t lf_abi_version(void);
/* The last failure of this thread. */
LF_API int32_t lf_status_last(lf_status *out);
/* Every size, offset and constant that both languages use, as JSON; returns its length. */
LF_API int32_t lf_layout_json(uint32_t capacity, char *out);

/* ---- memory: blocks of host memory ---- */

enum { LF_MEMORY_STANDARD = 0, LF_MEMORY_NUMA = 1, LF_MEMORY_HUGEPAGES = 2, LF_MEMORY_SHARED = 3 };

typedef struct {
  uint64_t address;
  uint64_t size;       /* bytes the caller asked for */
  uint64_t allocated;  /* bytes really taken, whole pages */
  uint64_t page_bytes; /* what the memory is made of: 4096, 2 MiB, ... */
  int32_t handle;
  int32_t strategy; /* LF_MEMORY_... */
  int32_t numa_node; /* the node it is bound to, or -1 */
  int32_t hugetlb;   /* 1: reserved huge pages; 0: none, or transparent ones where page_bytes says so */
} lf_memory_info;

/* Zeroed memory. HOST_OUT_OF_MEMORY here, never a killed process later: all pages are taken before this returns.
 * `numa_node` counts for LF_MEMORY_NUMA only; -1 means the node of this thread's processor. */
LF_API int32_t lf_memory_allocate(int32_t strategy, double size, int32_t numa_node, lf_memory_info *out);
/* Takes ownership of the OS handle (also when it fails). */
LF_API int32_t lf_memory_import(int64_t os_handle, double size, lf_memory_info *out);
/* A duplicate of the OS handle of a shared block; the caller owns it. */
LF_API int32_t lf_memory_export(int32_t handle, int64_t *out);
LF_API int32_t lf_memory_close(int32_t handle);
/* The NUMA node of each of the first `count` pages (of page_bytes), as the kernel reports it (negative: an errno). */
LF_API int32_t lf_memory_nodes(int32_t handle, uint32_t count, int32_t *out);
/* Closes an OS handle that no object owns. */
LF_API int32_t lf_os_handle_close(int64_t os_handle);
/* 1 when libnuma is here and the kernel has NUMA support; 0 when not, with the reason in lf_status_last. */
LF_API int32_t lf_numa_viable(void);

/* ---- rendezvous: two processes meet under a name in a directory ---- */

enum { LF_ROLE_PRODUCER = 0, LF_ROLE_CONSUMER = 1 };

typedef struct {
  uint32_t refused;  /* peers turned away because they run as another user */
  int32_t last_uid;  /* the user id of the last of them */
} lf_rendezvous_info;

/* Takes the role under the name (NAME_IN_USE when a live process has it); returns a handle. `directory` is made with
 * mode 0700; one that others can write to is refused. Both strings are UTF-8 with their lengths in bytes. */
LF_API int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name,
                                  uint32_t name_bytes, int32_t role);
/* 0 while nobody is there; else the handle of a link to a peer of the same user. Never blocks. */
LF_API int32_t lf_rendezvous_poll(int32_t handle);
/* Stops listening; the role stays taken until lf_rendezvous_close. */
LF_API int32_t lf_rendezvous_settle(int32_t handle);
LF_API int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out);
LF_API int32_t lf_rendezvous_close(int32_t handle);

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
} lf_frame;

typedef struct {
  uint64_t address;
  double size;
  int32_t memory; /* handle of the imported memory; 0 for a region of pooled blocks */
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
} lf_port_stats;

/* Makes the segment and passes it over the link, which must stay open as long as the producer.
 * `fenced` is 1 unless both processes registered for membarrier (lf_membarrier_viable). */
LF_API int32_t lf_producer_open(int32_t link, uint32_t slot_count, int32_t fenced);
/* 1: sent. LF_FULL, or LF_RETIRE: see lf_producer_retirable. */
LF_API int32_t lf_producer_send(int32_t producer, const void *data, uint32_t length);
/* The same for a payload in shared memory: nothing is copied. */
LF_API int32_t lf_producer_send_memory(int32_t producer, int32_t memory);
/* Tells the peer to unmap it; frames under way stay valid. */
LF_API int32_t lf_producer_forget_memory(int32_t producer, int32_t memory);
/* 1: `out` says where; its slot in the ring is kept free. LF_FULL, LF_RETIRE. */
LF_API int32_t lf_producer_loan(int32_t producer, double length, lf_loan *out);
LF_API int32_t lf_producer_commit(int32_t producer, uint32_t block, double length);
LF_API int32_t lf_producer_abort(int32_t producer, uint32_t block);
/* Keeps one slot for a small payload that is committed later; commit_inline uses it, abort_inline gives it back. */
LF_API int32_t lf_producer_reserve(int32_t producer);
LF_API int32_t lf_producer_commit_inline(int32_t producer, const void *data, uint32_t length);
LF_API int32_t lf_producer_abort_inline(int32_t producer);
LF_API int32_t lf_producer_region(int32_t producer, uint32_t region, lf_region_info *out);
/* The region that LF_RETIRE is about; the caller detaches its views, then calls lf_producer_retire. */
LF_API int32_t lf_producer_retirable(int32_t producer, uint32_t *out);
LF_API int32_t lf_producer_retire(int32_t producer, uint32_t region);
/* The region stays mapped until the process ends: something out of reach still shows it. */
LF_API int32_t lf_producer_keep(int32_t producer, uint32_t region);
/* Asks for the bell. 1: something changed already (room, or everything is released), do not sleep. CHANNEL_CLOSED or
 * PEER_DIED when what is waited for can't come any more. */
LF_API int32_t lf_producer_arm(int32_t producer, int32_t until_released);
LF_API int32_t lf_producer_stats(int32_t producer, lf_port_stats *out);
LF_API int32_t lf_producer_close(int32_t producer);

/* A handle, or LF_EMPTY while the segment has not arrived. */
LF_API int32_t lf_consumer_open(int32_t link, int32_t fenced);
/* 0..LF_INLINE_MAX: an inline payload of that length. LF_REGION, LF_EMPTY, LF_RETIRE (detach the views of
 * out->region, call lf_consumer_retire, try again); CHANNEL_CLOSED or PEER_DIED once drained. */
LF_API int32_t lf_consumer_receive(int32_t consumer, lf_frame *out);
/* Blocks the thread: spins, then sleeps. Also LF_TIMEOUT. */
LF_API int32_t lf_consumer_receive_wait(int32_t consumer, double timeout_ms, double spin_us, lf_frame *out);
/* `token` 0 for an inline payload. */
LF_API int32_t lf_consumer_release(int32_t consumer, uint32_t token);
LF_API int32_t lf_consumer_region(int32_t consumer, uint32_t region, lf_region_info *out);
LF_API int32_t lf_consumer_retire(int32_t consumer, uint32_t region);
LF_API int32_t lf_consumer_keep(int32_t consumer, uint32_t region);
LF_API int32_t lf_consumer_arm(int32_t consumer);
LF_API int32_t lf_consumer_stats(int32_t consumer, lf_port_stats *out);
LF_API int32_t lf_consumer_close(int32_t consumer);

/* 1 when this process can take part in asymmetric barriers (Linux membarrier), else 0. */
LF_API int32_t lf_membarrier_viable(void);

/* Does nothing: what a call costs (bench ffi/noop). */
LF_API int32_t lf_noop(int32_t value);

#endif
