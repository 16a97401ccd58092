/* Latency and bandwidth between two ranks, both by ping-pong, every byte checked. Prints lines `row NAME
 * VALUE`: mpi_latency, half the least round trip of one byte, in us; mpi_bandwidth, bytes of a message
 * of 1 MiB over half its least round trip, in MB/s. And which hosts took part. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLarge = 1 << 20, kSmallTrips = 400, kLargeTrips = 12, kTag = 3 };

static double LeastTrip(int rank, char* bytes, int size, int trips) {
  double least = 1e9;
  for (int trip = 0; trip < trips; trip++) {
    if (rank == 0) {
      memset(bytes, trip + 1, (size_t)size);
      const double began = MPI_Wtime();
      MPI_Send(bytes, size, MPI_BYTE, 1, kTag, MPI_COMM_WORLD);
      MPI_Recv(bytes, size, MPI_BYTE, 1, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      const double took = MPI_Wtime() - began;
      if (took < least) least = took;
    } else {
      MPI_Recv(bytes, size, MPI_BYTE, 0, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      MPI_Send(bytes, size, MPI_BYTE, 0, kTag, MPI_COMM_WORLD);
    }
    for (int i = 0; i < size; i++) {
      if (bytes[i] != (char)(trip + 1)) {
        fprintf(stderr, "trip %d: byte %d is wrong\n", trip, i);
        MPI_Abort(MPI_COMM_WORLD, 3);
      }
    }
  }
  return least;
}

int main(int argc, char** argv) {
  int rank, size, length;
  char host[MPI_MAX_PROCESSOR_NAME];
  char* bytes = malloc(kLarge);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size != 2) MPI_Abort(MPI_COMM_WORLD, 2);
  MPI_Get_processor_name(host, &length);
  const double small = LeastTrip(rank, bytes, 1, kSmallTrips);
  const double large = LeastTrip(rank, bytes, kLarge, kLargeTrips);
  printf("rank %d on %s\n", rank, host);
  fflush(stdout);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    printf("row mpi_latency %.1f\n", small / 2 * 1e6);
    printf("row mpi_bandwidth %.1f\n", kLarge / (large / 2) / 1e6);
    puts("rows done");
  }
  MPI_Finalize();
  free(bytes);
  return 0;
}
