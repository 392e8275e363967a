/* A first-in, first-out queue of items of one size. Its capacity doubles when needed and never shrinks. */
#ifndef LF_FIFO_H
#define LF_FIFO_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint8_t *items;
  uint32_t head, tail; /* positions that only grow; the queue holds `tail - head` items */
  uint32_t capacity;   /* 0 or a power of two */
} lf_fifo;

static inline uint32_t lf_fifo_count(const lf_fifo *fifo) { return fifo->tail - fifo->head; }

/* The item at a position from `head` up to `tail`. A reserve that grows the queue moves the items. */
static inline void *lf_fifo_at(const lf_fifo *fifo, uint32_t position, size_t size) {
  return fifo->items + (size_t)(position & (fifo->capacity - 1)) * size;
}

/* Makes capacity for `more` items: 1, or 0 when memory is out. */
static inline int lf_fifo_reserve(lf_fifo *fifo, uint32_t more, size_t size) {
  uint32_t count = lf_fifo_count(fifo), capacity = fifo->capacity ? fifo->capacity : 16;
  if (__builtin_expect(count + more <= fifo->capacity, 1)) return 1;
  while (capacity < count + more) capacity *= 2;
  uint8_t *items = malloc(capacity * size);
  if (!items) return 0;
  for (uint32_t i = 0; i < count; i++)
    memcpy(items + (size_t)((fifo->head + i) & (capacity - 1)) * size, lf_fifo_at(fifo, fifo->head + i, size), size);
  free(fifo->items);
  fifo->items = items;
  fifo->capacity = capacity;
  return 1;
}

static inline void lf_fifo_close(lf_fifo *fifo) {
  free(fifo->items);
  memset(fifo, 0, sizeof *fifo);
}

#endif
