/* Links by their handles. */
#ifndef LF_ABI_LINK_H
#define LF_ABI_LINK_H

#include "ipc/link.h"

/* The link of a handle, or NULL with the failure recorded. */
lf_link *lf_link_get(int32_t handle);

/* Makes a handle of a link, which it takes over: the link is released when that fails. Returns the handle. */
int32_t lf_link_handle(lf_link *link);

#endif
