#ifndef LAVAFLOW_FRAME_H
#define LAVAFLOW_FRAME_H

#include "lavaflow/status.h"

/* ---- frames, the regions that they lie in, and the counters of an end: of every transport ---- */

/* Bytes of the longest payload that is copied into the slot or the message itself. */
#define LF_INLINE_MAX 120

/* A block for one payload, in a region of the sending end. */
typedef struct {
  uint32_t region;
  uint32_t block; /* for commit and abort */
  double offset;  /* in the region, bytes */
} lf_loan;

/* One received frame. */
typedef struct {
  uint8_t payload[LF_INLINE_MAX]; /* if the result is a length */
  uint32_t region;                /* else: the region, */
  uint32_t token;                 /* the argument of release, */
  double offset;                  /* the offset in the region, bytes, */
  double length;                  /* and the length, bytes */
  double sequence;                /* of both: the frame's number, from 0 */
  uint32_t reach;                 /* in a region: LF_REACH_... */
  uint32_t reserved;
} lf_frame;

enum {
  LF_REACH_LOCAL = 0,  /* mapped by this process */
  LF_REACH_STAGED = 1, /* a copy of a MemoryBuffer that this side can't reach */
  LF_REACH_REMOTE = 2  /* memory of another GPU */
};

enum {
  LF_REGION_POOLED = 0, /* blocks of an end */
  LF_REGION_HOST = 1,   /* a MemoryBuffer in shared memory */
  LF_REGION_GPU = 2     /* a MemoryBuffer on a GPU */
};

typedef struct {
  uint64_t address; /* 0 if it is not mapped */
  double size;
  double allocation; /* GPU memory: bytes that the producer's driver allocated */
  int32_t memory;    /* handle of the imported memory; 0 for pooled blocks, and for memory of another GPU */
  uint32_t kind;     /* LF_REGION_... */
  uint32_t host_visible;
  uint32_t reserved;
} lf_region_info;

typedef struct {
  double queued;  /* sending end: frames sent and not released; receiving end: frames sent and not received */
  double regions; /* mapped now */
  double region_bytes;
  double imports; /* receiving end: MemoryBuffers mapped; sending end: MemoryBuffers that the peer has mapped */
  double peer;    /* 0 open, 1 closed, 2 died */
  double frames;  /* sent or received by this end */
  double bytes;
  double held; /* frames received and not released; 0 on the sending end over MPI, which does not know */
} lf_end_stats;

#endif
