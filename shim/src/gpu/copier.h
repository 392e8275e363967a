/* Copies within a GPU: by a shader where that is faster than the driver's own copy. */
#ifndef LF_COPIER_H
#define LF_COPIER_H

#include "gpu/queue.h"

/* Decides how the device copies, by what it is and by its limits. */
void lf_copier_choose(lf_device *device);
/* Records a copy, of any kind of memory, into the open submission. Both ranges have the same size and do not overlap. */
void lf_copier_record(lf_device *device, VkCommandBuffer commands, const lf_range *from, const lf_range *to);
/* No work may be under way. */
void lf_copier_close(lf_device *device);

#endif
