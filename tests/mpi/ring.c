/* A ring with checked results: a token goes LAPS times round and every rank adds itself; then an
 * allreduce, a broadcast of a large buffer and a gather of each rank's host name and boot id.
 * Prints `ring ok: N ranks, TOKEN` and a line `rank R host NAME boot ID` for each rank; exits
 * non-zero when a byte is wrong. Built with mpicc.openmpi and mpicc.mpich, unmodified for nodes. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLaps = 3, kLarge = 1 << 20, kTag = 42 };

struct Place {
  char host[64];
  char boot_id[64];
};

static void ReadBootId(char* out, size_t size) {
  FILE* file = fopen("/proc/sys/kernel/random/boot_id", "r");
  snprintf(out, size, "none");
  if (file != NULL) {
    if (fgets(out, (int)size, file) != NULL) out[strcspn(out, "\n")] = 0;
    fclose(file);
  }
}

static void Fail(int rank, const char* what) {
  fprintf(stderr, "rank %d: %s\n", rank, what);
  MPI_Abort(MPI_COMM_WORLD, 3);
}

int main(int argc, char** argv) {
  int rank, size, length;
  int64_t token = 0, sum = 0, mine;
  struct Place place;
  unsigned char* large = malloc(kLarge);
  memset(&place, 0, sizeof place);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);

  if (size > 1) {
    for (int lap = 0; lap < kLaps; lap++) {
      int next = (rank + 1) % size, previous = (rank + size - 1) % size;
      if (rank != 0)
        MPI_Recv(&token, 1, MPI_INT64_T, previous, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      token += rank + 1;
      MPI_Send(&token, 1, MPI_INT64_T, next, kTag, MPI_COMM_WORLD);
      if (rank == 0)
        MPI_Recv(&token, 1, MPI_INT64_T, previous, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
  } else {
    token = kLaps;
  }
  if (rank == 0 && token != (int64_t)kLaps * size * (size + 1) / 2) Fail(rank, "token is wrong");

  mine = rank + 1;
  MPI_Allreduce(&mine, &sum, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  if (sum != (int64_t)size * (size + 1) / 2) Fail(rank, "allreduce is wrong");

  for (int i = 0; i < kLarge; i++) large[i] = rank == 0 ? (unsigned char)(i * 7 + i / 251) : 0;
  MPI_Bcast(large, kLarge, MPI_UNSIGNED_CHAR, 0, MPI_COMM_WORLD);
  for (int i = 0; i < kLarge; i++)
    if (large[i] != (unsigned char)(i * 7 + i / 251)) Fail(rank, "broadcast is wrong");

  MPI_Get_processor_name(place.host, &length);
  ReadBootId(place.boot_id, sizeof place.boot_id);
  struct Place* places = calloc((size_t)size, sizeof place);
  MPI_Gather(&place, sizeof place, MPI_BYTE, places, sizeof place, MPI_BYTE, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    for (int i = 0; i < size; i++) printf("rank %d host %s boot %s\n", i, places[i].host, places[i].boot_id);
    printf("ring ok: %d ranks, token %lld\n", size, (long long)token);
  }
  MPI_Finalize();
  free(large);
  free(places);
  return 0;
}
