/* The steps of a rendezvous that all systems share. */
#include "ipc/rendezvous_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* Peers that one poll refuses: bounds the time of a poll, whatever arrives. */
#define REFUSALS_MAX 16

static int32_t check(const lf_rendezvous_key *k) {
  if (!k->directory || !k->name || k->directory_bytes == 0 || k->directory_bytes > LF_DIRECTORY_MAX_BYTES ||
      memchr(k->directory, 0, k->directory_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a runtime directory of %u bytes", k->directory_bytes);
  if (k->name_bytes == 0 || k->name_bytes > LF_NAME_MAX_BYTES || memchr(k->name, 0, k->name_bytes) ||
      memchr(k->name, '/', k->name_bytes) || memchr(k->name, '\\', k->name_bytes))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a channel name has 1 to %d bytes and no slash, backslash or NUL",
                   LF_NAME_MAX_BYTES);
  if (k->role != LF_ROLE_PRODUCER && k->role != LF_ROLE_CONSUMER)
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "role %d", k->role);
  if (k->scope_bytes > LF_SCOPE_MAX || (k->scope_bytes && !k->scope))
    return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a scope has up to %d bytes", LF_SCOPE_MAX);
  for (uint32_t i = 0; i < k->scope_bytes; i++)
    if (!k->scope[i] || !strchr("0123456789abcdefghijklmnopqrstuvwxyz", k->scope[i]))
      return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a scope has digits and lower-case letters only");
  return LF_OK;
}

int32_t lf_rendezvous_make(const lf_rendezvous_key *key, lf_rendezvous **out) {
  int32_t status = check(key);
  if (status < 0) return status;
  lf_rendezvous *r = calloc(1, sizeof *r);
  if (!r) return lf_fail(LF_EHOST_OUT_OF_MEMORY, "calloc", 0, "a rendezvous of %zu bytes", sizeof *r);
  r->role = key->role;
  memcpy(r->name, key->name, key->name_bytes);
  status = lf_rendezvous_begin(r, key);
  if (status < 0) {
    lf_rendezvous_free(r);
    return status;
  }
  *out = r;
  return LF_OK;
}

static int32_t poll_consumer(lf_rendezvous *r, lf_link **out) {
  for (int refused = 0; !r->arriving; refused++) {
    if (refused == REFUSALS_MAX) return LF_OK;
    int32_t status = lf_rendezvous_accept(r);
    if (status <= 0) return status;
  }
  lf_message *message;
  int32_t status = lf_link_take(r->arriving, &message);
  if (status == LF_EMPTY) return LF_OK;
  lf_link *link = r->arriving;
  r->arriving = NULL;
  if (status == 1 && lf_link_take_events(link, message)) {
    *out = link;
    return LF_OK;
  }
  /* A peer of another version learns this version from the header of any message, as this process learned its. */
  if (status == LF_EWIRE_VERSION_MISMATCH) lf_link_put(link, LF_KIND_FIRST_FREE, NULL, 0, -1);
  lf_link_release(link);
  return status == LF_EWIRE_VERSION_MISMATCH || status == LF_ESYSTEM ? status : LF_OK;
}

static int32_t poll_producer(lf_rendezvous *r, lf_link **out) {
  lf_link *link = NULL;
  int32_t status = lf_rendezvous_dial(r, &link);
  if (status == 1) *out = link;
  else lf_link_release(link);
  return status == 1 || status == LF_EMPTY || status == LF_FULL || status == LF_EPEER_DIED ? LF_OK : status;
}

int32_t lf_rendezvous_connect(lf_rendezvous *r, lf_link **out) {
  *out = NULL;
  if (r->stopped) return LF_OK;
  int32_t status = lf_rendezvous_refresh(r);
  if (status != 1) return status;
  return r->role == LF_ROLE_CONSUMER ? poll_consumer(r, out) : poll_producer(r, out);
}

void lf_rendezvous_end(lf_rendezvous *r) {
  lf_rendezvous_stop_listening(r);
  r->stopped = 1;
  lf_role_met(r);
}

void lf_rendezvous_refusals(const lf_rendezvous *r, lf_rendezvous_info *out) {
  out->refused = r->refused;
  out->last_uid = r->last_uid;
}

void lf_rendezvous_set_handle(lf_rendezvous *r, int32_t handle) { r->handle = handle; }

void lf_rendezvous_free(lf_rendezvous *r) {
  lf_rendezvous_leave(r);
  lf_link_release(r->arriving);
  free(r);
}
