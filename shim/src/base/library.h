/* Optional libraries of the system, opened at run time: a machine without one lacks what it offers, and nothing else. */
#ifndef LF_LIBRARY_H
#define LF_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

/* Opens the first of `names` (a list that ends with NULL) that is there. NULL with the system's words about each one in
 * `why`. Libraries are never closed: their threads and exit handlers may still run. */
void *lf_library_open(const char *const *names, char *why, size_t why_bytes);

/* Opens the library that the environment's `variable` names ("off": none), else the first of `names` that is there. NULL
 * with the reason in `why`. */
void *lf_library_find(const char *variable, const char *const *names, char *why, size_t why_bytes);

/* NULL when there is no such symbol. */
void *lf_library_symbol(void *library, const char *name);

/* Fills `table`, an array of function pointers in the order of `names` (which ends with NULL). NULL, or the first name
 * that the library lacks. */
const char *lf_library_symbols(void *library, const char *const *names, void **table);

#endif
