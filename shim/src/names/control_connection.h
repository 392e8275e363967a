/*
 * A control connection: messages in order between two ranks, as messages of the control channel. One side opens it to
 * the entry of the other: OPEN comes before all other messages, and is answered with REFUSED or not at all. The two
 * sides know it by the number that the opening side gave it.
 */
#ifndef LF_CONTROL_CONNECTION_H
#define LF_CONTROL_CONNECTION_H

#include "names/lease_map.h"

typedef struct lf_connection lf_connection;

/* The part of a lease to which connections are opened. */
typedef struct {
  lf_table_node node; /* by the lease's id */
  int open;           /* 0: it refuses them */
  lf_connection *connection; /* until it is closed */
  int accepted;              /* the connection has a handle, which owns it */
} lf_listener;

/* All of these under the lock. */

/* The listener refuses every connection from now on, and closes one that has no handle. */
void lf_listener_close(lf_listener *listener);
/* The listener's memory is freed after this call: a connection that has a handle goes on without it. */
void lf_listener_free(lf_listener *listener);

/* Without the lock. Gives the connection a handle, which becomes its owner (the connection is closed when that
 * fails). */
int32_t lf_connection_handle(lf_connection *c);

/* Handles LF_WORD_CONNECTION and LF_WORD_DISCONNECT. */
void lf_connection_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
