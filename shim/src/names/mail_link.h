/*
 * A link between two seeks that were matched: messages in order, as words of mail. Each of the two hears of the match
 * from the name's home, and neither knows who hears first. So what is sent waits at its sender until the other has said
 * that it knows the link: each says OPEN when it comes to know it, and answers an OPEN with OPENED; an OPEN that comes
 * too early is ignored, one that comes too late is answered with REFUSED.
 */
#ifndef LF_MAIL_LINK_H
#define LF_MAIL_LINK_H

#include "names/directory.h"

struct lf_seek;
typedef struct lf_mail_link lf_mail_link;

/* All of these under the lock. */

/* Before the first one: `expects` says whether this process may still be told of a match: its seek is open, and has heard
 * of no later one. */
void lf_mail_link_begin(lf_directory *d, int (*expects)(const lf_directory *d, uint32_t seek_id, uint64_t match));
/* NULL, with the failure recorded: no memory. `unlinked` is called with `seek` when the link is closed. */
lf_mail_link *lf_mail_link_open(lf_directory *d, struct lf_seek *seek, void (*unlinked)(struct lf_seek *seek),
                                uint32_t seek_id, const lf_word_match *match);
/* Tells the peer, unless that closed it before, and the seek. */
void lf_mail_link_close(lf_mail_link *link);
/* The seek is no more. */
void lf_mail_link_orphan(lf_mail_link *link);
/* Tells the other side of a match that there will be no link. */
void lf_mail_link_refuse(lf_directory *d, uint32_t seek_id, int rank, uint32_t other_id, uint64_t match);

/* Without the lock. Gives the link a handle, which becomes its owner (the link is closed when that fails). */
int32_t lf_mail_link_handle(lf_mail_link *link);

/* Handles LF_WORD_LINK and LF_WORD_UNLINK. */
void lf_mail_link_word(lf_job *job, int from, lf_word word, const uint8_t *data, uint32_t length);

#endif
