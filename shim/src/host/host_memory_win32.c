/* Committed pages. Windows guarantees each committed page, so none has to be touched to reserve it. */
#include "host/host_memory.h"

#include <errno.h>

#include "base/status.h"
#include "base/win32.h"
#include "host/backing.h"
#include "host/memory_limit.h"

#include <psapi.h>

static int32_t describe(lf_host_block *out, void *address, size_t size, size_t page) {
  out->segment.address = address;
  out->segment.size = size;
  out->segment.page_bytes = page;
  return LF_OK;
}

static void unmap(void *address, void *unused) {
  (void)unused;
  VirtualFree(address, 0, MEM_RELEASE);
}

void lf_host_free(lf_host_block *block) { lf_backing_free(block->segment.address, unmap, NULL); }

int32_t lf_host_standard(size_t size, lf_host_block *out) {
  size_t page = lf_page_bytes(), bytes = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(bytes);
  if (status < 0) return status;
  void *address = VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (!address) return lf_fail_win32_memory("VirtualAlloc", GetLastError(), bytes);
  return describe(out, address, bytes, page);
}

int32_t lf_host_lazy(size_t size, lf_host_block *out) { return lf_host_standard(size, out); }

int32_t lf_host_commit(void *address, size_t size) {
  (void)address, (void)size;
  return LF_OK;
}

int lf_host_decommit(void *address, size_t size) {
  (void)address, (void)size;
  return 0;
}

/* ---- NUMA ---- */

int32_t lf_numa_viable(void) {
  ULONG highest;
  if (GetNumaHighestNodeNumber(&highest)) return 1;
  lf_fail_win32(LF_ENUMA_NODE_NOT_FOUND, "GetNumaHighestNodeNumber", GetLastError(), "the nodes of this machine");
  return 0;
}

int32_t lf_host_numa(size_t size, int32_t node, lf_host_block *out) {
  if (node < 0) {
    PROCESSOR_NUMBER here;
    USHORT found;
    GetCurrentProcessorNumberEx(&here);
    node = GetNumaProcessorNodeEx(&here, &found) && found != 0xffff ? found : 0;
  }
  ULONG highest;
  if (!GetNumaHighestNodeNumber(&highest))
    return lf_fail_win32(LF_ENUMA_NODE_NOT_FOUND, "GetNumaHighestNodeNumber", GetLastError(), "NUMA node %d", node);
  if ((ULONG)node > highest)
    return lf_fail(LF_ENUMA_NODE_NOT_FOUND, "", 0, "there is no NUMA node %d: the highest is %lu", node, highest);
  size_t page = lf_page_bytes(), bytes = lf_whole_pages(size, page);
  int32_t status = lf_memory_limit_check(bytes);
  if (status < 0) return status;
  char *address =
      VirtualAllocExNuma(GetCurrentProcess(), NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, (DWORD)node);
  if (!address) return lf_fail_win32_memory("VirtualAllocExNuma", GetLastError(), bytes);
  /* A page is allocated on a node when it is touched. Touching it now makes a full node less likely. */
  for (size_t at = 0; at < bytes; at += page) ((volatile char *)address)[at] = 0;
  out->numa_node = node;
  return describe(out, address, bytes, page);
}

int32_t lf_host_nodes(const void *address, size_t stride, uint32_t count, int32_t *out) {
  PSAPI_WORKING_SET_EX_INFORMATION pages[256];
  for (uint32_t done = 0; done < count;) {
    uint32_t some = count - done < 256 ? count - done : 256;
    for (uint32_t i = 0; i < some; i++)
      pages[i] = (PSAPI_WORKING_SET_EX_INFORMATION){.VirtualAddress = (char *)(uintptr_t)address + (done + i) * stride};
    if (!K32QueryWorkingSetEx(GetCurrentProcess(), pages, some * (DWORD)sizeof *pages))
      return lf_fail_win32(LF_ESYSTEM, "QueryWorkingSetEx", GetLastError(), "the NUMA nodes of %u pages", count);
    for (uint32_t i = 0; i < some; i++)
      out[done + i] = pages[i].VirtualAttributes.Valid ? (int32_t)pages[i].VirtualAttributes.Node : -ENOENT;
    done += some;
  }
  return LF_OK;
}

/* ---- huge pages ---- */

/* Enables the right to lock memory in this process. An administrator must have granted it to the user. ERROR_SUCCESS or
 * the failure. */
static DWORD allow_large_pages(void) {
  HANDLE token;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token)) return GetLastError();
  TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1, .Privileges[0].Attributes = SE_PRIVILEGE_ENABLED};
  DWORD error = ERROR_SUCCESS;
  /* AdjustTokenPrivileges also succeeds when it changes nothing: then only GetLastError tells. */
  if (!LookupPrivilegeValueW(NULL, L"SeLockMemoryPrivilege", &wanted.Privileges[0].Luid) ||
      !AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL) || GetLastError() != ERROR_SUCCESS)
    error = GetLastError();
  CloseHandle(token);
  return error;
}

int32_t lf_host_hugepages(size_t size, lf_host_block *out) {
  size_t page = GetLargePageMinimum();
  if (!page) return lf_fail(LF_EHUGEPAGES_UNAVAILABLE, "GetLargePageMinimum", 0, "this processor has no large pages");
  DWORD error = allow_large_pages();
  if (error != ERROR_SUCCESS)
    return lf_fail_win32(LF_EHUGEPAGES_UNAVAILABLE, "AdjustTokenPrivileges", error,
                         "large pages need the right \"Lock pages in memory\", which an administrator gives");
  size_t bytes = lf_whole_pages(size, page);
  void *address = VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE);
  if (!address)
    return lf_fail_win32(LF_EHUGEPAGES_UNAVAILABLE, "VirtualAlloc(MEM_LARGE_PAGES)", GetLastError(),
                         "%zu bytes in large pages", bytes);
  out->hugetlb = 1;
  return describe(out, address, bytes, page);
}
