/*
 * An MPI library that fails in a way it has no error for ends the process: by exit(), _exit() or abort(), from whichever
 * thread is in it. In the job's thread that need not be the end of the program. MPICH also ends it where a lock is held that
 * MPI_Finalize destroys. So the library's imports of these functions, and those of the libraries that came with it, lead here
 * first.
 */
#include "mpi/mpi_library.h"

#include <stdlib.h>
#include <unistd.h>

static void (*asked)(void);

#if defined(__linux__)

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

/* As in the system's link.h, which ours of that name hides. */
struct dl_phdr_info {
  Elf64_Addr dlpi_addr;
  const char *dlpi_name;
  const Elf64_Phdr *dlpi_phdr;
  Elf64_Half dlpi_phnum;
};
int dl_iterate_phdr(int (*each)(struct dl_phdr_info *info, size_t size, void *given), void *given);

#if defined(__x86_64__)
#define IS_IMPORT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#else
#define IS_IMPORT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#endif

static _Noreturn void exit_instead(int status) {
  asked();
  exit(status);
}

static _Noreturn void exit_at_once_instead(int status) {
  asked();
  _exit(status);
}

static _Noreturn void abort_instead(void) {
  asked();
  abort();
}

static _Atomic int finalising;

/* MPICH unlocks nothing any more once MPI_Finalize has begun: what a call in another thread had locked by then stays so. */
static int destroy_instead(pthread_mutex_t *lock) {
  int error = pthread_mutex_destroy(lock);
  return error == EBUSY && atomic_load(&finalising) ? 0 : error;
}

void lf_mpi_begins_to_finalise(void) { atomic_store(&finalising, 1); }

/* The function that stands for the one of this name; NULL: none does. */
static void *stand_in(const char *name) {
  static const struct {
    const char *name;
    void (*function)(void);
  } functions[] = {
      {"exit", (void (*)(void))exit_instead},
      {"_exit", (void (*)(void))exit_at_once_instead},
      {"_Exit", (void (*)(void))exit_at_once_instead},
      {"abort", abort_instead},
      {"pthread_mutex_destroy", (void (*)(void))destroy_instead},
  };
  void *address = NULL;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (strcmp(name, functions[i].name) == 0) memcpy(&address, &functions[i].function, sizeof address);
  return address;
}

typedef struct {
  const Elf64_Rela *rela;
  size_t bytes;
} table;

typedef struct {
  uintptr_t base;
  const Elf64_Sym *symbols;
  const char *names;
  table tables[2];
  uintptr_t sealed, sealed_end; /* the pages that the loader has made read-only */
} object;

/* glibc's loader has added the base to these addresses, musl's has not. */
static const void *at(const object *o, Elf64_Addr address) {
  return (const void *)(address < o->base ? o->base + address : address);
}

static void read_dynamic(object *o, const Elf64_Dyn *entry) {
  for (; entry->d_tag != DT_NULL; entry++) {
    switch (entry->d_tag) {
      case DT_SYMTAB: o->symbols = at(o, entry->d_un.d_ptr); break;
      case DT_STRTAB: o->names = at(o, entry->d_un.d_ptr); break;
      case DT_JMPREL: o->tables[0].rela = at(o, entry->d_un.d_ptr); break;
      case DT_PLTRELSZ: o->tables[0].bytes = entry->d_un.d_val; break;
      case DT_RELA: o->tables[1].rela = at(o, entry->d_un.d_ptr); break;
      case DT_RELASZ: o->tables[1].bytes = entry->d_un.d_val; break;
      default: break;
    }
  }
}

static void lead_here(const object *o, const table *t) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; t->rela && i < t->bytes / sizeof *t->rela; i++) {
    const Elf64_Rela *r = &t->rela[i];
    if (!IS_IMPORT(ELF64_R_TYPE(r->r_info))) continue;
    void *instead = stand_in(o->names + o->symbols[ELF64_R_SYM(r->r_info)].st_name);
    if (!instead) continue;
    uintptr_t slot = o->base + r->r_offset, from = slot & ~(uintptr_t)(page - 1);
    int sealed = slot >= o->sealed && slot < o->sealed_end;
    if (sealed && mprotect((void *)from, page, PROT_READ | PROT_WRITE) != 0) continue;
    memcpy((void *)slot, &instead, sizeof instead);
    if (sealed) mprotect((void *)from, page, PROT_READ);
  }
}

typedef struct {
  uintptr_t library, own; /* an address in each */
  int reached;            /* the library; what it needs comes after it */
} search;

static int patch_object(struct dl_phdr_info *info, size_t size, void *given) {
  (void)size;
  search *s = given;
  object o = {.base = info->dlpi_addr};
  const Elf64_Dyn *dynamic = NULL;
  int own = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const Elf64_Phdr *h = &info->dlpi_phdr[i];
    uintptr_t start = o.base + h->p_vaddr, end = start + h->p_memsz;
    if (h->p_type == PT_DYNAMIC) dynamic = (const void *)start;
    if (h->p_type == PT_GNU_RELRO) o.sealed = start, o.sealed_end = end;
    if (h->p_type != PT_LOAD) continue;
    s->reached |= s->library >= start && s->library < end;
    own |= s->own >= start && s->own < end;
  }
  if (!s->reached || own || !dynamic || !o.base) return 0;
  read_dynamic(&o, dynamic);
  if (o.symbols && o.names)
    for (int i = 0; i < 2; i++) lead_here(&o, &o.tables[i]);
  return 0;
}

void lf_mpi_before_exit(void *symbol, void (*ask)(void)) {
  void (*self)(void *, void (*)(void)) = lf_mpi_before_exit;
  search s = {.library = (uintptr_t)symbol};
  memcpy(&s.own, &self, sizeof s.own);
  asked = ask;
  dl_iterate_phdr(patch_object, &s);
}

#else

void lf_mpi_before_exit(void *symbol, void (*ask)(void)) {
  (void)symbol;
  asked = ask;
}

void lf_mpi_begins_to_finalise(void) {}

#endif
