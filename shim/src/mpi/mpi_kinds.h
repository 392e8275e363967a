/* What each kind of MPI library gives for the names of the standard, with LF_ and the kind before them. The kinds that
 * have pointers for handles either fix small values (the standard ABI), or export what they point to (Open MPI). A test
 * compares these numbers with the libraries' own headers. */
#ifndef LF_MPI_KINDS_H
#define LF_MPI_KINDS_H

/* The ABI of MPI 5.0. Where in MPI_Status the length is kept is the library's own affair. */
enum {
  LF_ABI_COMM_WORLD = 0x101,
  LF_ABI_COMM_SELF = 0x102,
  LF_ABI_BYTE = 0x247,
  LF_ABI_BAND = 0x28,
  LF_ABI_BOR = 0x29,
  LF_ABI_ERRORS_RETURN = 0x143, /* 0x142 in drafts, as in the libmpi_abi of MPICH 4.3 */
  LF_ABI_INFO_NULL = 0x130,
  LF_ABI_REQUEST_NULL = 0x180,
  LF_ABI_ANY_SOURCE = -1,
  LF_ABI_ANY_TAG = -2,
  LF_ABI_COMM_TYPE_SHARED = 221,
  LF_ABI_TAG_UB = 501,
  LF_ABI_THREAD_MULTIPLE = 4096,
  LF_ABI_ERR_TRUNCATE = 15,
  LF_ABI_STATUS_SOURCE = 0,
  LF_ABI_STATUS_TAG = 4,
  LF_ABI_STATUS_ERROR = 8,
  LF_ABI_STATUS_SIZE = 32
};

/* Open MPI 4 and 5. */
enum {
  LF_OPEN_MPI_ANY_SOURCE = -1,
  LF_OPEN_MPI_ANY_TAG = -1,
  LF_OPEN_MPI_COMM_TYPE_SHARED = 0,
  LF_OPEN_MPI_TAG_UB = 0,
  LF_OPEN_MPI_THREAD_MULTIPLE = 3,
  LF_OPEN_MPI_ERR_TRUNCATE = 15,
  LF_OPEN_MPI_STATUS_SOURCE = 0,
  LF_OPEN_MPI_STATUS_TAG = 4,
  LF_OPEN_MPI_STATUS_ERROR = 8,
  LF_OPEN_MPI_STATUS_COUNT = 16,
  LF_OPEN_MPI_STATUS_SIZE = 24
};

/* MPICH 3 and later, and what keeps to its ABI: Intel MPI, MVAPICH2, Cray's. Microsoft's has the same numbers, but does
 * not say what the first eight bytes of MPI_Status are. */
enum {
  LF_MPICH_COMM_WORLD = 0x44000000,
  LF_MPICH_COMM_SELF = 0x44000001,
  LF_MPICH_BYTE = 0x4c00010d,
  LF_MPICH_BAND = 0x58000006,
  LF_MPICH_BOR = 0x58000008,
  LF_MPICH_ERRORS_RETURN = 0x54000001,
  LF_MPICH_INFO_NULL = 0x1c000000,
  LF_MPICH_REQUEST_NULL = 0x2c000000,
  LF_MPICH_ANY_SOURCE = -2,
  LF_MPICH_ANY_TAG = -1,
  LF_MPICH_COMM_TYPE_SHARED = 1,
  LF_MPICH_TAG_UB = 0x64400001,
  LF_MPICH_THREAD_MULTIPLE = 3,
  LF_MPICH_ERR_TRUNCATE = 14,
  LF_MPICH_STATUS_SOURCE = 8,
  LF_MPICH_STATUS_TAG = 12,
  LF_MPICH_STATUS_ERROR = 16,
  LF_MPICH_STATUS_COUNT = 0,
  LF_MPICH_STATUS_SIZE = 20
};

#endif
