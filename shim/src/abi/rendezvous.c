/* Rendezvous and watches by their handles. */
#include "ipc/rendezvous.h"

#include "abi/link.h"
#include "base/handle.h"
#include "base/status.h"

static void destroy(void *object) { lf_rendezvous_free(object); }

static lf_rendezvous *find(int32_t handle) { return lf_handle_get(LF_KIND_RENDEZVOUS, handle); }

int32_t lf_rendezvous_open(const char *directory, uint32_t directory_bytes, const char *name, uint32_t name_bytes,
                           int32_t role, const char *scope, uint32_t scope_bytes) {
  const lf_rendezvous_key key = {directory, name, scope, directory_bytes, name_bytes, scope_bytes, role};
  lf_rendezvous *r;
  int32_t status = lf_rendezvous_make(&key, &r);
  if (status < 0) return status;
  int32_t handle = lf_handle_make(LF_KIND_RENDEZVOUS, r, destroy);
  if (handle < 0) lf_rendezvous_free(r);
  else lf_rendezvous_set_handle(r, handle);
  return handle;
}

int32_t lf_rendezvous_poll(int32_t handle) {
  lf_rendezvous *r = find(handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  lf_link *link;
  int32_t status = lf_rendezvous_connect(r, &link);
  return link ? lf_link_handle(link) : status;
}

int32_t lf_rendezvous_stop(int32_t handle) {
  lf_rendezvous *r = find(handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  lf_rendezvous_end(r);
  return LF_OK;
}

int32_t lf_rendezvous_info_get(int32_t handle, lf_rendezvous_info *out) {
  lf_rendezvous *r = find(handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the information");
  lf_rendezvous_refusals(r, out);
  return LF_OK;
}

int32_t lf_rendezvous_note(int32_t handle, const char *call_site, uint32_t bytes) {
  lf_rendezvous *r = find(handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  if (!call_site || bytes > LF_CALL_SITE_MAX_BYTES)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a call site of %u bytes", bytes);
  lf_rendezvous_write_note(r, call_site, bytes);
  return LF_OK;
}

int32_t lf_rendezvous_close(int32_t handle) {
  lf_rendezvous *r = lf_handle_take(LF_KIND_RENDEZVOUS, handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  lf_rendezvous_free(r);
  return LF_OK;
}

/* ---- watches ---- */

static void destroy_watch(void *object) { lf_watch_free(object); }

int32_t lf_watch_open(void) {
  lf_watch *w;
  int32_t status = lf_watch_make(&w);
  if (status != LF_OK) return status;
  int32_t handle = lf_handle_make(LF_KIND_WATCH, w, destroy_watch);
  if (handle < 0) lf_watch_free(w);
  return handle;
}

int32_t lf_watch_event_fd(int32_t handle, int64_t *out) {
  lf_watch *w = lf_handle_get(LF_KIND_WATCH, handle);
  if (!w) return lf_handle_stale(LF_KIND_WATCH, handle);
  if (!out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the descriptor");
  return lf_watch_copy_event_fd(w, out);
}

int32_t lf_watch_next(int32_t handle) {
  lf_watch *w = lf_handle_get(LF_KIND_WATCH, handle);
  return w ? lf_watch_poll(w) : lf_handle_stale(LF_KIND_WATCH, handle);
}

int32_t lf_watch_close(int32_t handle) {
  lf_watch *w = lf_handle_take(LF_KIND_WATCH, handle);
  if (!w) return lf_handle_stale(LF_KIND_WATCH, handle);
  lf_watch_free(w);
  return LF_OK;
}

int32_t lf_rendezvous_watch(int32_t handle, int32_t watch) {
  lf_rendezvous *r = find(handle);
  if (!r) return lf_handle_stale(LF_KIND_RENDEZVOUS, handle);
  lf_watch *w = lf_handle_get(LF_KIND_WATCH, watch);
  if (!w) return lf_handle_stale(LF_KIND_WATCH, watch);
  return lf_watch_arm(w, r);
}
