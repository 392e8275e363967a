/*
 * Memory that backs ArrayBuffers. An ArrayBuffer can outlive the close of its memory: the engine does not detach it
 * while native code reads it (zlib, a file write, a socket), and the user may transfer it to another ArrayBuffer or
 * thread. So memory is unmapped through this file: it stays mapped until the engine has released the last ArrayBuffer
 * that shows it.
 */
#ifndef LF_BACKING_H
#define LF_BACKING_H

/* Calls `unmap` once no hold on the memory at `base` is left: at once, or later on the thread that releases the last
 * hold. Until then the memory at `base` stays mapped, and its address is not reused. */
void lf_backing_free(void *base, void (*unmap)(void *base, void *context), void *context);

/* Whether the memory at `base` is held. */
int lf_backing_held(void *base);

#endif
