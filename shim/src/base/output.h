/* The process's standard output and standard error. */
#ifndef LF_OUTPUT_H
#define LF_OUTPUT_H

/* Waits until the readers of both have taken all bytes, where these are pipes; at most 1 s. MPICH's launcher drops output
 * that it has not read when a rank calls MPI_Abort. */
void lf_output_drain(void);

#endif
