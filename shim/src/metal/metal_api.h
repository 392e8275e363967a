/*
 * The part of the Objective-C runtime and of Metal that the shim uses, declared here so that it builds without an Apple
 * SDK. A message is a call of objc_msgSend with the method's prototype. Each prototype is declared once, and the
 * compiler checks each message against it. No method returns a struct, which x86-64 would need another entry point for.
 * MTLSize is passed as C passes it.
 *
 * Sources: Apple's documentation of Metal and of the Objective-C runtime; for the two functions of autorelease pools,
 * "Automatic Reference Counting" of Clang's documentation. All of it is in macOS 10.15; Bun needs a later version.
 */
#ifndef LF_METAL_API_H
#define LF_METAL_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct lf_objc_object *lf_id;
typedef struct lf_objc_selector *lf_sel;
typedef uintptr_t lf_ns_uint; /* NSUInteger, and Metal's enumerations */
typedef intptr_t lf_ns_int;
typedef signed char lf_ns_bool; /* on arm64 BOOL is bool: 0 and 1 are the same in both */

typedef struct {
  lf_ns_uint width, height, depth;
} lf_mtl_size;

typedef struct {
  lf_ns_uint location, length;
} lf_ns_range;

enum {
  LF_NS_UTF8 = 4,
  LF_MTL_STORAGE_SHARED = 0,
  LF_MTL_STORAGE_PRIVATE = 2 << 4, /* MTLResourceStorageModeShift is 4 */
  LF_MTL_DISPATCH_CONCURRENT = 1,
  LF_MTL_BARRIER_BUFFERS = 1,
  LF_MTL_STATUS_COMPLETED = 4,
  LF_MTL_STATUS_ERROR = 5
};

#define LF_OBJC_FUNCTIONS(F) \
  F(lf_id, objc_getClass, (const char *)) \
  F(lf_sel, sel_registerName, (const char *)) \
  F(void, objc_msgSend, (void)) \
  F(void *, objc_autoreleasePoolPush, (void)) \
  F(void, objc_autoreleasePoolPop, (void *))

#define LF_METAL_FUNCTIONS(F) F(lf_id, MTLCreateSystemDefaultDevice, (void))

/* F(name in the shim, selector, result, arguments after the receiver and the selector). Methods whose names begin with
 * alloc, new or retain return a reference that the caller releases. The results of other methods belong to the
 * autorelease pool. */
#define LF_METAL_MESSAGES(F) \
  F(alloc, "alloc", lf_id) \
  F(init, "init", lf_id) \
  F(retain, "retain", lf_id) \
  F(release, "release", void) \
  /* NSString, NSError */ \
  F(init_with_bytes, "initWithBytes:length:encoding:", lf_id, const void *, lf_ns_uint, lf_ns_uint) \
  F(utf8, "UTF8String", const char *) \
  F(error_code, "code", lf_ns_int) \
  F(error_words, "localizedDescription", lf_id) \
  /* MTLDevice */ \
  F(name, "name", lf_id) \
  F(max_buffer_length, "maxBufferLength", lf_ns_uint) \
  F(max_group_memory, "maxThreadgroupMemoryLength", lf_ns_uint) \
  F(new_queue, "newCommandQueueWithMaxCommandBufferCount:", lf_id, lf_ns_uint) \
  F(new_event, "newSharedEvent", lf_id) \
  F(new_buffer, "newBufferWithLength:options:", lf_id, lf_ns_uint, lf_ns_uint) \
  F(new_library, "newLibraryWithSource:options:error:", lf_id, lf_id, lf_id, lf_id *) \
  F(new_pipeline, "newComputePipelineStateWithFunction:error:", lf_id, lf_id, lf_id *) \
  /* MTLCompileOptions, MTLLibrary, MTLComputePipelineState, MTLBuffer, MTLSharedEvent */ \
  F(set_fast_math, "setFastMathEnabled:", void, lf_ns_bool) \
  F(new_function, "newFunctionWithName:", lf_id, lf_id) \
  F(max_threads, "maxTotalThreadsPerThreadgroup", lf_ns_uint) \
  F(contents, "contents", void *) \
  F(signaled_value, "signaledValue", uint64_t) \
  /* MTLCommandQueue, MTLCommandBuffer */ \
  F(command_buffer, "commandBuffer", lf_id) \
  F(compute_encoder, "computeCommandEncoderWithDispatchType:", lf_id, lf_ns_uint) \
  F(blit_encoder, "blitCommandEncoder", lf_id) \
  F(signal_event, "encodeSignalEvent:value:", void, lf_id, uint64_t) \
  F(commit, "commit", void) \
  F(status, "status", lf_ns_uint) \
  F(error, "error", lf_id) \
  /* MTLComputeCommandEncoder, MTLBlitCommandEncoder */ \
  F(set_pipeline, "setComputePipelineState:", void, lf_id) \
  F(set_buffer, "setBuffer:offset:atIndex:", void, lf_id, lf_ns_uint, lf_ns_uint) \
  F(set_bytes, "setBytes:length:atIndex:", void, const void *, lf_ns_uint, lf_ns_uint) \
  F(barrier, "memoryBarrierWithScope:", void, lf_ns_uint) \
  F(dispatch, "dispatchThreadgroups:threadsPerThreadgroup:", void, lf_mtl_size, lf_mtl_size) \
  F(dispatch_indirect, "dispatchThreadgroupsWithIndirectBuffer:indirectBufferOffset:threadsPerThreadgroup:", void, lf_id, \
    lf_ns_uint, lf_mtl_size) \
  F(copy, "copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:", void, lf_id, lf_ns_uint, lf_id, lf_ns_uint, \
    lf_ns_uint) \
  F(fill, "fillBuffer:range:value:", void, lf_id, lf_ns_range, uint8_t) \
  F(end_encoding, "endEncoding", void)

#define LF_FUNCTION_FIELD(result, function, arguments) result(*function) arguments;
#define LF_MESSAGE_FIELD(message, selector_name, result, ...) \
  struct { \
    lf_sel selector; \
    result (*send)(lf_id, lf_sel __VA_OPT__(, ) __VA_ARGS__); \
  } message;
typedef struct {
  LF_OBJC_FUNCTIONS(LF_FUNCTION_FIELD)
} lf_objc_functions;
typedef struct {
  LF_METAL_FUNCTIONS(LF_FUNCTION_FIELD)
} lf_metal_functions;
typedef struct {
  LF_METAL_MESSAGES(LF_MESSAGE_FIELD)
} lf_metal_messages;
#undef LF_FUNCTION_FIELD
#undef LF_MESSAGE_FIELD

#endif
