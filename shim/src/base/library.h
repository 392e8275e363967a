/* Optional system libraries, opened at run time. Without one, only the features that need it are unavailable. */
#ifndef LF_LIBRARY_H
#define LF_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

/* Opens the first of `names` (a list that ends with NULL) that the system finds. NULL with the system's reason for each
 * name in `why`. Libraries are never closed: their threads and exit handlers may still run. */
void *lf_library_open(const char *const *names, char *why, size_t why_bytes);

/* Opens the library that the environment variable `variable` names ("off": none), else the first of `names` that the
 * system finds. NULL with the reason in `why`, which names the variable where that is set. */
void *lf_library_find(const char *variable, const char *const *names, char *why, size_t why_bytes);

/* NULL when the library has no such symbol. */
void *lf_library_symbol(void *library, const char *name);

/* Fills `table`, an array of function pointers in the order of `names` (which ends with NULL). Returns NULL, or the
 * first name that the library lacks. */
const char *lf_library_symbols(void *library, const char *const *names, void **table);

#endif
