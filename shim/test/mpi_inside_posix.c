/* What opening an MPI library decides, seen from inside: who wrote it, whose launcher started this process, and what is
 * said when there is none. With real libraries: shim/test-mpi/library.c. */
#include "mpi/mpi.c"

#include "test.h"

static void versions(void) {
  static const struct {
    const char *says, *implementation, *version;
    int kind;
  } known[] = {
      {"Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022", "Open MPI", "4.1.4",
       LF_MPI_OPEN_MPI},
      {"Open MPI v5.0.0rc12, package: x", "Open MPI", "5.0.0rc12", LF_MPI_OPEN_MPI},
      {"MPICH Version:      4.0.2\nMPICH Release date: Thu Apr  7 12:34:45 CDT 2022\n", "MPICH", "4.0.2", LF_MPI_MPICH},
      {"Intel(R) MPI Library 2021.9 for Linux* OS\n", "Intel MPI", "2021.9", LF_MPI_MPICH},
      {"MVAPICH2 Version      :\t2.3.7\nMVAPICH2 Release date :\tMon March 02", "MVAPICH2", "2.3.7", LF_MPI_MPICH},
      {"MVAPICH Version:      3.0\nMVAPICH Release date: 2024", "MVAPICH", "3.0", LF_MPI_MPICH},
      {"MPI VERSION    : CRAY MPICH version 8.1.25.17 (ANL base 3.4a2)\nMPI BUILD INFO", "Cray MPICH", "8.1.25.17",
       LF_MPI_MPICH},
      {"IBM Spectrum MPI, version 10.4", "IBM Spectrum MPI", "10.4", LF_MPI_OPEN_MPI},
      {"Microsoft MPI 10.1.12498.18", "Microsoft MPI", "10.1.12498.18", LF_MPI_MICROSOFT},
      {"MPICH, of no version", "MPICH", "", LF_MPI_MPICH},
      {"HPE MPT 2.30  03/24/24\nmore", "HPE MPT 2.30  03/24/24", "", -1},
      {"", "", "", -1},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    char says[VERSION_BYTES];
    lf_mpi_info info = {.kind = 99};
    snprintf(says, sizeof says, "%s", known[i].says);
    CHECK_EQ(read_version(says, &info), known[i].kind);
    CHECK(strcmp(info.implementation, known[i].implementation) == 0);
    CHECK(strcmp(info.version, known[i].version) == 0);
  }
  /* One that is longer than there is room for. */
  char says[VERSION_BYTES];
  memset(says, 'x', sizeof says);
  says[sizeof says - 1] = 0;
  lf_mpi_info info;
  CHECK_EQ(read_version(says, &info), -1);
  CHECK_EQ(strlen(info.implementation), sizeof info.implementation - 1);
}

static void launchers(void) {
  static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK",
                                          "SLURM_STEP_NUM_TASKS"};
  static const struct {
    const char *values[5];
    int launched, size;
    lf_mpi_launcher launcher;
  } known[] = {
      {{NULL}, 0, 0, LF_MPI_BY_ANYONE},
      {{"4"}, 1, 4, LF_MPI_BY_OPEN_MPI},
      {{NULL, "3", "0"}, 1, 3, LF_MPI_BY_HYDRA},
      {{NULL, "3"}, 0, 0, LF_MPI_BY_ANYONE},
      {{"2", "3", "0"}, 1, 2, LF_MPI_BY_OPEN_MPI},
      {{NULL, NULL, NULL, "1", "8"}, 1, 8, LF_MPI_BY_ANYONE},
      {{NULL, NULL, NULL, "1"}, 1, 0, LF_MPI_BY_ANYONE},
      /* A batch script's own environment: no launcher started this process. */
      {{NULL, NULL, NULL, NULL, "8"}, 0, 0, LF_MPI_BY_ANYONE},
      {{"", "-3", "x"}, 0, 0, LF_MPI_BY_ANYONE},
      {{"0"}, 0, 0, LF_MPI_BY_ANYONE},
      {{"99999999999999999999"}, 0, 0, LF_MPI_BY_ANYONE},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    for (int v = 0; v < 5; v++) {
      if (known[i].values[v]) setenv(variables[v], known[i].values[v], 1);
      else unsetenv(variables[v]);
    }
    int size = 99;
    lf_launch launch;
    lf_launch_read(&launch);
    CHECK_EQ(launcher_of(&launch), known[i].launcher);
    CHECK_EQ(lf_mpi_launched(&size), known[i].launched);
    CHECK_EQ(size, known[i].size);
  }
  /* One launcher's names do not have the other's own ones. */
  for (const char *const *name = lf_mpi_names(LF_MPI_BY_OPEN_MPI); *name; name++) CHECK(!strstr(*name, "mpich"));
  for (const char *const *name = lf_mpi_names(LF_MPI_BY_HYDRA); *name; name++) CHECK(!strstr(*name, ".40"));
}

static void attempts(void) {
  char text[128] = "none: ";
  lf_attempts tried = {.text = text, .bytes = sizeof text};
  note_attempt(&tried, "a.so", "a.so: not there");
  CHECK(strcmp(text, "none: a.so: not there") == 0);
  note_attempt(&tried, "b.so", "b.so: not there");
  CHECK(strcmp(text, "none: a.so, b.so: not there") == 0);
  note_attempt(&tried, "c.so", "loading c.so: not there");
  CHECK(strcmp(text, "none: a.so, b.so: not there; loading c.so: not there") == 0);
  note_attempt(&tried, "d.so", "loading d.so: not there");
  CHECK(strcmp(text, "none: a.so, b.so: not there; loading c.so, d.so: not there") == 0);
  note_attempt(&tried, "e.so", "something else");
  note_attempt(&tried, "f.so", "something else");
  CHECK(strcmp(text, "none: a.so, b.so: not there; loading c.so, d.so: not there; something else; something else") == 0);
  /* A text that does not fit is cut, in each of the two forms. */
  for (int i = 0; i < 40; i++) {
    char name[16], why[64];
    snprintf(name, sizeof name, "%d.so", i);
    snprintf(why, sizeof why, "%s: %s", name, i % 3 ? "not there" : "refused for some reason");
    note_attempt(&tried, name, why);
    CHECK(strlen(text) < sizeof text && tried.name_end <= strlen(text));
  }
  CHECK_EQ(strlen(text), sizeof text - 1);
}

int main(void) {
  RUN(versions);
  RUN(launchers);
  RUN(attempts);
  return 0;
}
