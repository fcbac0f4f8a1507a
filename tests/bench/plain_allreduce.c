#include "tests/bench/plain_allreduce.h"

#include <mpi.h>

void plain_allreduce_times(float* buffer, int count, int repetitions, double* times) {
  for (int i = 0; i < repetitions; ++i) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    MPI_Allreduce(MPI_IN_PLACE, buffer, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    const double mine = MPI_Wtime() - start;
    MPI_Reduce(&mine, &times[i], 1, MPI_DOUBLE, MPI_MIN, 0, MPI_COMM_WORLD);
  }
}
