/* Copies of a few bytes on the path of a message, and private copies of memory that a peer can change. */
#ifndef LF_COPY_H
#define LF_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Copies up to 64 bytes without a call: pairs of overlapping moves of a fixed size. */
static inline void lf_copy_64(char *d, const char *s, uint32_t n) {
  if (n >= 32) {
    memcpy(d + n - 32, s + n - 32, 32);
    memcpy(d, s, 32);
  } else if (n >= 16) {
    memcpy(d + n - 16, s + n - 16, 16);
    memcpy(d, s, 16);
  } else if (n >= 8) {
    memcpy(d + n - 8, s + n - 8, 8);
    memcpy(d, s, 8);
  } else if (n >= 4) {
    memcpy(d + n - 4, s + n - 4, 4);
    memcpy(d, s, 4);
  } else {
    for (uint32_t i = 0; i < n; i++) d[i] = s[i];
  }
}

/* Copies up to LF_INLINE_MAX bytes. The bytes in the slot's second cache line are copied first, and no store crosses
 * into the first line. The stores to the line that the other side polls are then adjacent, and the line moves between
 * the processors once. */
static inline void lf_copy_inline(void *to, const void *from, uint32_t n) {
  char *d = to;
  const char *s = from;
  if (n <= 56) {
    lf_copy_64(d, s, n);
  } else {
    lf_copy_64(d + 56, s + 56, n - 56);
    memcpy(d, s, 56);
  }
}

/* A private copy of memory that the peer can change. The barrier keeps the compiler from reading the original again
 * after the copy was checked. */
static inline void lf_copy_private(void *to, const void *from, size_t n) {
  memcpy(to, from, n);
  __asm__ volatile("" ::: "memory");
}

#endif
