/* Sections of the paging file: without a name or a file, of fixed size, with pages that are committed at creation. */
#include "host/segment.h"

#include <string.h>

#include "base/status.h"
#include "base/win32.h"
#include "host/backing.h"
#include "host/memory_limit.h"

/* In the Windows Driver Kit's wdm.h and ntifs.h; exported by ntdll in every version. */
typedef struct {
  void *base;
  ULONG attributes;
  LARGE_INTEGER size;
} section_information;
#define SECTION_BASIC 0
__declspec(dllimport) LONG NTAPI NtQuerySection(HANDLE, int, void *, SIZE_T, SIZE_T *);
__declspec(dllimport) ULONG NTAPI RtlNtStatusToDosError(LONG);

size_t lf_page_bytes(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

int lf_segment_decommit(void *address, size_t size) {
  (void)address, (void)size;
  return 0;
}

int32_t lf_segment_create(size_t size, lf_segment *out) {
  memset(out, 0, sizeof *out);
  out->os = -1;
  if (size == 0 || size > SIZE_MAX / 2) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "a segment of %zu bytes", size);
  size_t page = lf_page_bytes();
  size_t whole = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(whole);
  if (status < 0) return status;
  HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_COMMIT,
                                      (DWORD)((uint64_t)whole >> 32), (DWORD)whole, NULL);
  if (!section) return lf_fail_win32_memory("CreateFileMapping", GetLastError(), whole);
  void *address = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, whole);
  if (!address) {
    DWORD error = GetLastError();
    CloseHandle(section);
    return lf_fail_win32_memory("MapViewOfFile", error, whole);
  }
  out->address = address;
  out->size = whole;
  out->page_bytes = page;
  out->os = lf_os_of(section);
  return LF_OK;
}

int32_t lf_segment_attach(int64_t os, size_t size, lf_segment *out) {
  memset(out, 0, sizeof *out);
  out->os = -1;
  HANDLE section = lf_handle_of(os);
  section_information info;
  memset(&info, 0, sizeof info);
  LONG nt = NtQuerySection(section, SECTION_BASIC, &info, sizeof info, NULL);
  if (nt < 0)
    return lf_fail_win32(LF_ECORRUPT_SEGMENT, "NtQuerySection", RtlNtStatusToDosError(nt),
                         "the peer's handle is not a segment");
  if (size == 0 || info.size.QuadPart < 0 || (uint64_t)info.size.QuadPart < size)
    return lf_fail(LF_ECORRUPT_SEGMENT, "NtQuerySection", 0, "the peer's segment has %lld bytes, and should have %zu",
                   (long long)info.size.QuadPart, size);
  /* A read of a page that is not committed, or that a file backs, can fail and would end this process. */
  if (!(info.attributes & SEC_COMMIT) || (info.attributes & (SEC_RESERVE | SEC_FILE | SEC_IMAGE)))
    return lf_fail(LF_ECORRUPT_SEGMENT, "NtQuerySection", 0,
                   "the peer's segment is not committed memory (attributes 0x%lx)", info.attributes);
  void *address = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, size);
  if (!address) return lf_fail_win32_memory("MapViewOfFile", GetLastError(), size);
  out->address = address;
  out->size = size;
  out->page_bytes = lf_page_bytes();
  return LF_OK;
}

static void unmap(void *address, void *unused) {
  (void)unused;
  UnmapViewOfFile(address);
}

void lf_segment_close(lf_segment *segment) {
  if (segment->address) lf_backing_free(segment->address, unmap, NULL);
  if (segment->address && segment->os >= 0) CloseHandle(lf_handle_of(segment->os));
  memset(segment, 0, sizeof *segment);
  segment->os = -1;
}

int32_t lf_os_handle_duplicate(int64_t os, int64_t *out) {
  HANDLE copy;
  HANDLE self = GetCurrentProcess();
  if (!DuplicateHandle(self, lf_handle_of(os), self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
    return lf_fail_win32(LF_ESYSTEM, "DuplicateHandle", GetLastError(), "handle %lld", (long long)os);
  *out = lf_os_of(copy);
  return LF_OK;
}

int32_t lf_os_handle_close(int64_t os) {
  /* 0 is not a handle, and negative values mean this process and this thread. */
  if (os <= 0) return lf_fail(LF_EINVALID_ARGUMENT, "", 0, "handle %lld", (long long)os);
  if (!CloseHandle(lf_handle_of(os)))
    return lf_fail_win32(LF_ESYSTEM, "CloseHandle", GetLastError(), "handle %lld", (long long)os);
  return LF_OK;
}
