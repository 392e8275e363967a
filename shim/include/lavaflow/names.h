#ifndef LAVAFLOW_NAMES_H
#define LAVAFLOW_NAMES_H

#include "lavaflow/link.h"

/* ---- lease map: entries that ranks of the job put under keys ---- */

/* Bytes of a key: a role, a space and a name of 255 bytes. */
#define LF_LEASE_KEY_MAX 264
/* Bytes of a value. */
#define LF_LEASE_VALUE_MAX 255

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

#endif
