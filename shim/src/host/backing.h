/*
 * Memory that backs ArrayBuffers. The engine detaches an ArrayBuffer only while nothing native reads it (zlib, a file that is
 * written, a socket), and its user may pass it on: to another ArrayBuffer, to another thread. So whoever unmaps memory asks
 * here first, and what an ArrayBuffer still shows stays mapped until the engine has done with the last one.
 */
#ifndef LF_BACKING_H
#define LF_BACKING_H

/* Calls `unmap` when no ArrayBuffer is backed by the memory at `base` any more and nobody else holds it: now, or later, on
 * the thread of whoever lets it go last. Until then `base` stays what it is, and nobody else's. */
void lf_backing_free(void *base, void (*unmap)(void *base, void *context), void *context);

/* Whether the memory at `base` is held. */
int lf_backing_held(void *base);

#endif
