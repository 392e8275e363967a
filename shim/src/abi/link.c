/* Links by their handles: looks up handles and checks arguments. */
#include "abi/link.h"

#include <string.h>

#include "base/handle.h"
#include "base/status.h"

static void destroy(void *object) { lf_link_release(object); }

int32_t lf_link_handle(lf_link *link) {
  int32_t handle = lf_handle_make(LF_KIND_LINK, link, destroy);
  if (handle < 0) lf_link_release(link);
  return handle;
}

static lf_link *find(int32_t handle) { return lf_handle_get(LF_KIND_LINK, handle); }

lf_link *lf_link_get(int32_t handle) {
  lf_link *link = find(handle);
  if (!link) lf_handle_stale(LF_KIND_LINK, handle);
  return link;
}

int32_t lf_link_send(int32_t handle, uint32_t kind, const void *data, uint32_t length) {
  lf_link *link = find(handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, handle);
  if (kind < LF_KIND_FIRST_FREE || kind > UINT16_MAX || (length && !data))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a link message of kind %u", kind);
  return lf_link_put(link, kind, data, length, -1);
}

int32_t lf_link_receive(int32_t handle, void *data, lf_link_message *out) {
  lf_link *link = find(handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, handle);
  if (!data || !out) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "no memory for the message");
  lf_message *message;
  int32_t status = lf_link_take(link, &message);
  if (status != 1) return status;
  memcpy(data, message->data, message->length);
  out->kind = message->kind;
  out->length = message->length;
  return 1;
}

int32_t lf_link_peer_pid(int32_t handle) {
  lf_link *link = find(handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, handle);
  return lf_link_pid(link);
}

int32_t lf_link_alive(int32_t handle) {
  lf_link *link = find(handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, handle);
  return lf_link_peer_alive(link);
}

int32_t lf_link_close(int32_t handle) {
  lf_link *link = lf_handle_take(LF_KIND_LINK, handle);
  if (!link) return lf_handle_stale(LF_KIND_LINK, handle);
  lf_link_release(link);
  return LF_OK;
}
