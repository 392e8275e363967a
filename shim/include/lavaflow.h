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

#include "lavaflow/status.h"
#include "lavaflow/memory.h"
#include "lavaflow/device.h"
#include "lavaflow/pipeline.h"
#include "lavaflow/semaphore.h"
#include "lavaflow/rendezvous.h"
#include "lavaflow/link.h"
#include "lavaflow/frame.h"
#include "lavaflow/tx.h"
#include "lavaflow/rx.h"
#include "lavaflow/shm.h"
#include "lavaflow/mpi.h"
#include "lavaflow/job.h"
#include "lavaflow/names.h"
#include "lavaflow/ep.h"
#include "lavaflow/interop.h"
#include "lavaflow/metal.h"
#include "lavaflow/clock.h"
#include "lavaflow/boxes.h"

#endif
