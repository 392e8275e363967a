/* Copies in CUDA: between memories of one or two GPUs, and of a few bytes from and to the host. */
#include "base/status.h"
#include "base/whole.h"
#include "interop/cuda_memory.h"

static int32_t check(const char *api, CUresult result, const lf_cuda_memory *m) {
  if (result == LF_CU_SUCCESS) return LF_OK;
  return lf_cuda_fail(LF_ESYSTEM, api, result, "work on %llu bytes", (unsigned long long)m->size);
}

/* Creates the stream and the event of a memory. Its context must be current, as for the functions below. */
static int32_t make_stream(lf_cuda_memory *m) {
  int32_t status = LF_OK;
  if (!m->stream) {
    status = check("cuStreamCreate", m->cu->cuStreamCreate(&m->stream, LF_CU_STREAM_NON_BLOCKING), m);
    if (status < 0) m->stream = NULL;
  }
  if (status == LF_OK && !m->last) {
    status = check("cuEventCreate", m->cu->cuEventCreate(&m->last, LF_CU_EVENT_DISABLE_TIMING), m);
    if (status < 0) m->last = NULL;
  }
  return status;
}

/* Lets the memory's device access the peer's memory. If it cannot, CUDA copies through the host, which is not an
 * error. */
static int32_t enable_peer(lf_cuda_memory *m, const lf_cuda_device *peer) {
  if (m->device.device == peer->device || (m->has_peer && m->peer == peer->device)) return LF_OK;
  CUresult result = m->cu->cuCtxEnablePeerAccess(peer->context, 0);
  if (result != LF_CU_SUCCESS && result != LF_CU_PEER_ACCESS_ALREADY_ENABLED &&
      result != LF_CU_PEER_ACCESS_UNSUPPORTED && result != LF_CU_TOO_MANY_PEERS)
    return check("cuCtxEnablePeerAccess", result, m);
  m->has_peer = 1;
  m->peer = peer->device;
  return LF_OK;
}

static int inside(const lf_cuda_memory *m, double offset, double size) {
  return lf_whole(offset) && lf_whole(size) && size >= 1 && offset + size <= (double)m->size;
}

static int32_t prepare(lf_cuda_memory *m) {
  int32_t status = lf_cuda_enter(&m->device);
  return status < 0 ? status : lf_cuda_leave(make_stream(m));
}

/* Starts a copy, after the copies to the source. The target's context must be current. */
static int32_t start_copy(lf_cuda_memory *t, uint64_t to, const lf_cuda_memory *s, uint64_t from, uint64_t size) {
  int32_t status = s->reserved ? LF_OK : enable_peer(t, &s->device);
  if (status < 0) return status;
  status = check("cuStreamWaitEvent", t->cu->cuStreamWaitEvent(t->stream, s->last, 0), t);
  if (status < 0) return status;
  if (t->device.device == s->device.device || s->reserved) {
    status = check("cuMemcpyDtoDAsync",
                  t->cu->cuMemcpyDtoDAsync_v2(t->pointer + to, s->pointer + from, size, t->stream), t);
  } else {
    status = check("cuMemcpyPeerAsync",
                  t->cu->cuMemcpyPeerAsync(t->pointer + to, t->device.context, s->pointer + from, s->device.context,
                                           size, t->stream),
                  t);
  }
  return status < 0 ? status : check("cuEventRecord", t->cu->cuEventRecord(t->last, t->stream), t);
}

/* Orders later copies to the source, and its close, after the copy. The source's context must be current. */
static int32_t hold_source(const lf_cuda_memory *s, const lf_cuda_memory *t) {
  int32_t status = check("cuStreamWaitEvent", s->cu->cuStreamWaitEvent(s->stream, t->last, 0), s);
  return status < 0 ? status : check("cuEventRecord", s->cu->cuEventRecord(s->last, s->stream), s);
}

int32_t lf_cuda_memory_copy(lf_cuda_memory *t, double target_offset, lf_cuda_memory *s, double source_offset,
                            double size) {
  if (t == s) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a copy within one CUDA memory");
  if (!inside(t, target_offset, size) || !inside(s, source_offset, size))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%.0f bytes from offset %.0f of %llu to offset %.0f of %llu", size,
                   source_offset, (unsigned long long)s->size, target_offset, (unsigned long long)t->size);
  int32_t status = prepare(s);
  if (status == LF_OK) status = prepare(t);
  if (status == LF_OK) status = lf_cuda_enter(&t->device);
  if (status < 0) return status;
  status = lf_cuda_leave(start_copy(t, (uint64_t)target_offset, s, (uint64_t)source_offset, (uint64_t)size));
  if (status == LF_OK) status = lf_cuda_enter(&s->device);
  if (status < 0) return status;
  status = lf_cuda_leave(hold_source(s, t));
  return status < 0 ? status : 1;
}

int32_t lf_cuda_memory_transfer(lf_cuda_memory *m, double offset, void *to, const void *from, uint32_t size) {
  if ((!to && !from) || !inside(m, offset, size))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "%u bytes at offset %.0f of %llu", size, offset,
                   (unsigned long long)m->size);
  int32_t status = lf_cuda_enter(&m->device);
  if (status < 0) return status;
  status = make_stream(m);
  if (status == LF_OK) {
    CUdeviceptr at = m->pointer + (CUdeviceptr)offset;
    status = to ? check("cuMemcpyDtoHAsync", m->cu->cuMemcpyDtoHAsync_v2(to, at, size, m->stream), m)
                : check("cuMemcpyHtoDAsync", m->cu->cuMemcpyHtoDAsync_v2(at, from, size, m->stream), m);
    /* Also after a failure: the host's memory may not be in use when this returns. */
    CUresult result = m->cu->cuStreamSynchronize(m->stream);
    if (status == LF_OK) status = check("cuStreamSynchronize", result, m);
  }
  return lf_cuda_leave(status);
}
