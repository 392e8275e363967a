/*
 * Two-level segregated fit (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory allocator for real-time systems",
 * ECRTS 2004): hands out ranges of a space whose bytes it never touches, so the space may be a GPU's. Taking and giving
 * back take the same few steps whatever is in use. Everything is counted in units.
 */
#ifndef LF_TLSF_H
#define LF_TLSF_H

#include <stdint.h>

#define LF_TLSF_UNITS_MAX ((uint32_t)1 << 30)

typedef struct lf_tlsf lf_tlsf;

/* A space of 1 to LF_TLSF_UNITS_MAX units, all free. NULL: there is no memory for it. */
lf_tlsf *lf_tlsf_open(uint32_t units);
void lf_tlsf_close(lf_tlsf *tlsf);
/* A range of at least 1 unit, as a number that is never 0. 0: no free range is known to be large enough, or there is no
 * memory to note it in. */
uint32_t lf_tlsf_take(lf_tlsf *tlsf, uint32_t units);
/* Where a range that is taken begins. */
uint32_t lf_tlsf_start(const lf_tlsf *tlsf, uint32_t range);
void lf_tlsf_give(lf_tlsf *tlsf, uint32_t range);
/* Whether nothing is taken. */
int lf_tlsf_empty(const lf_tlsf *tlsf);

#endif
