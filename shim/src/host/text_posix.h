/* Small text files of /proc and /sys. */
#ifndef LF_TEXT_POSIX_H
#define LF_TEXT_POSIX_H

#include <stddef.h>
#include <stdint.h>

/* Reads a file, cut to `capacity` - 1 bytes. Returns `out`: "" when the file cannot be read. */
const char *lf_text_read(const char *path, char *out, size_t capacity);

/* The decimal number behind the first `name` in `text`; 0 when there is none. */
uint64_t lf_text_number(const char *text, const char *name);

#endif
