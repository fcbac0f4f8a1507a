/* The loop that anyone would write to time an all-reduce: C, MPI and nothing of ours. */
#ifndef FORERUN_TESTS_BENCH_PLAIN_ALLREDUCE_H_
#define FORERUN_TESTS_BENCH_PLAIN_ALLREDUCE_H_

#ifdef __cplusplus
extern "C" {
#endif

/* `repetitions` all-reduces of `count` floats over all ranks, in place; a barrier before each.
 * Writes seconds, the minimum over ranks, to `times` on rank 0. */
void plain_allreduce_times(float* buffer, int count, int repetitions, double* times);

#ifdef __cplusplus
}
#endif

#endif
