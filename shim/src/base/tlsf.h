/*
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for real-time
 * systems", ECRTS 2004). Allocates ranges of a space whose bytes it never accesses, so the space may be a GPU's.
 * Allocate and free take constant time. Sizes are counted in units.
 */
#ifndef LF_TLSF_H
#define LF_TLSF_H

#include <stdint.h>

#define LF_TLSF_UNITS_MAX ((uint32_t)1 << 30)

typedef struct lf_tlsf lf_tlsf;

/* A space of 1 to LF_TLSF_UNITS_MAX units, all free. NULL for another size, or when memory is out. */
lf_tlsf *lf_tlsf_open(uint32_t units);
void lf_tlsf_close(lf_tlsf *tlsf);
/* Allocates `units` (at least 1): a range's number, never 0. 0 when no free range is known to be large enough, or when
 * memory for the range's entry is out. */
uint32_t lf_tlsf_allocate(lf_tlsf *tlsf, uint32_t units);
/* The first unit of an allocated range. */
uint32_t lf_tlsf_start(const lf_tlsf *tlsf, uint32_t range);
void lf_tlsf_free(lf_tlsf *tlsf, uint32_t range);
/* Whether no range is allocated. */
int lf_tlsf_empty(const lf_tlsf *tlsf);

#endif
