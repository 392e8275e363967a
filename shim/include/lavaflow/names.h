#ifndef LAVAFLOW_NAMES_H
#define LAVAFLOW_NAMES_H

#include "lavaflow/link.h"

/* ---- lease map: entries that ranks of the job put under keys ---- */

/* Bytes of a key: a role, a space and a name of 255 bytes. */
#define LF_LEASE_KEY_MAX 264
/* Bytes of a value. */
#define LF_LEASE_VALUE_MAX 255

/* LF_PUT_SHARED: each rank has one entry under the key, which stays until the job ends. LF_PUT_EXCLUSIVE: one entry
 * of all ranks holds the key. LF_PUT_LISTENING: the same, and other ranks can open connections to it. */
enum { LF_PUT_SHARED = 0, LF_PUT_EXCLUSIVE = 1, LF_PUT_LISTENING = 2 };

/* Puts an entry. The result is a handle; 0 for LF_PUT_SHARED. `directory` is the runtime-directory id: a later
 * exclusive entry with the same one replaces this one. */
LF_API int32_t lf_lease_put(const char *key, uint32_t key_bytes, const char *value, uint32_t value_bytes, int32_t kind,
                            const uint8_t *directory, uint32_t directory_bytes);
/* Asks for the entries under the key; with `watch` 1 also whenever they change, until lf_lease_delete. */
LF_API int32_t lf_lease_get(const char *key, uint32_t key_bytes, int32_t watch);
/* LF_PENDING, or how many entries there are: 1 for an exclusive one that holds its key. `out` gets a NUL, and before
 * it a line "RANK ID DIRECTORY VALUE" for each entry, lowest ranks first, as far as whole lines fit (and no more
 * than 8 KiB of entries). DIRECTORY is a hash, in hexadecimal. NAME_IN_USE when another entry holds the key: the
 * line is that entry's. PEER_DIED when the rank that keeps the key is gone. */
LF_API int32_t lf_lease_poll(int32_t lease, uint32_t capacity, char *out);
/* The entry keeps its key, and waits for nothing any more: later connections are refused. */
LF_API int32_t lf_lease_stop(int32_t lease);
/* Deletes the entry, or ends the watch. */
LF_API int32_t lf_lease_delete(int32_t lease);

/* ---- control connection: between two ranks; as a link, without OS handles and without an event ---- */

/* Connects to the entry `id` of the rank, and does not wait: messages can be sent at once. */
LF_API int32_t lf_connection_open(int32_t rank, uint32_t id);
/* The connection that was opened to an entry of kind LF_PUT_LISTENING; 0 while there is none. An entry has one
 * connection at a time: others are refused until it is closed. */
LF_API int32_t lf_connection_accept(int32_t lease);
/* Returns 1. Up to LF_LINK_MESSAGE_MAX bytes. A message arrives although the connection is closed after it. */
LF_API int32_t lf_connection_send(int32_t connection, uint32_t kind, const void *data, uint32_t length);
/* Returns 1, or LF_EMPTY; once drained, PEER_DIED when the peer refused or closed it or is gone, CORRUPT_SEGMENT
 * when it sent far more than was received. `data` has space for LF_LINK_MESSAGE_MAX bytes. */
LF_API int32_t lf_connection_receive(int32_t connection, void *data, lf_link_message *out);
LF_API int32_t lf_connection_close(int32_t connection);

#endif
