/* A role that this process seeks or holds in the job. */
#ifndef LF_RESOLVE_H
#define LF_RESOLVE_H

#include "names/directory.h"

typedef struct lf_seek lf_seek;

/* The link that a match gave it is closed: unless it has settled, it looks again. */
void lf_seek_unlinked(lf_seek *seek);

/* Whether this process may still be told of that match: the seek is open and has heard of no later one. */
int lf_seek_expects(const lf_directory *d, uint32_t id, uint64_t match);

#endif
