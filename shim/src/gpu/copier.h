/* Copies within a GPU: by a shader where that is faster than the driver's copy. */
#ifndef LF_COPIER_H
#define LF_COPIER_H

#include "gpu/queue.h"

/* Selects how the device copies, by its type and limits. */
void lf_copier_choose(lf_device *device);
/* Records a copy into the open submission, between any kinds of memory. The ranges have the same size and do not
 * overlap. */
void lf_copier_record(lf_device *device, VkCommandBuffer commands, const lf_range *from, const lf_range *to);
/* No work may be in flight. */
void lf_copier_close(lf_device *device);

#endif
