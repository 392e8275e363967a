#ifndef LAVAFLOW_STATUS_H
#define LAVAFLOW_STATUS_H

#include <stdint.h>

#if defined(_WIN32)
#define LF_API __declspec(dllexport)
#else
#define LF_API __attribute__((visibility("default")))
#endif

/* Incremented when a signature, a struct or a status changes its meaning. */
#define LF_ABI_VERSION 7
/* Incremented when two processes of different builds could misread each other. Tests build a shim with another
 * version. */
#ifndef LF_WIRE_VERSION
#define LF_WIRE_VERSION 6
#endif

/* ---- status: negative values are errors; their names without LF_E are the error codes of TypeScript ---- */

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

/* Results that are not lengths or handles, which stay below LF_VALUE. */
enum {
  LF_VALUE = 0x40000000,
  LF_FULL = 0x40000001,    /* no capacity now; try again when the peer has released something */
  LF_EMPTY = 0x40000002,   /* nothing has arrived */
  LF_TIMEOUT = 0x40000003, /* the time limit passed */
  LF_REGION = 0x40000004,  /* a frame whose payload lies in a region: see lf_frame */
  LF_RETIRE = 0x40000005,  /* a region has to be retired first: lf_frame.region or lf_loan.region */
  LF_PENDING = 0x40000006  /* GPU work on the memory has not ended */
};

/* The last failure of a thread. */
typedef struct {
  int32_t code;          /* LF_E... */
  int32_t native_status; /* errno, GetLastError(), VkResult, CUresult, ... */
  char api[56];          /* the failed call: "memfd_create"; "" for a check of the shim */
  char text[448];        /* the API's message, or the shim's */
} lf_status;

/* LF_ABI_VERSION of the shim that is loaded. */
LF_API int32_t lf_abi_version(void);
/* Copies the last failure of this thread. LF_OK. */
LF_API int32_t lf_status_last(lf_status *out);

#endif
