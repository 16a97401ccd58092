/* Traffic for SECONDS, every byte checked: neighbours in a ring exchange messages of changing sizes both
 * ways, then all agree on a sum. Prints `load ok: N ranks, R rounds` and a line `rank R host NAME boot
 * ID` for each rank; exits non-zero when a byte is wrong. For jobs under which something is killed,
 * replaced or cut. usage: load SECONDS [FILE]: FILE is made when the job runs, for who waits for it. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLargest = 300000, kTag = 7 };

static unsigned char Expected(int from, int round, int at) {
  return (unsigned char)(from * 37 + round * 11 + at * 7 + (at >> 8));
}

static void Fail(int rank, int round, const char* what) {
  fprintf(stderr, "rank %d round %d: %s\n", rank, round, what);
  MPI_Abort(MPI_COMM_WORLD, 3);
}

static int SizeOf(int round) {
  static const int kSizes[] = {8, 1, 4096, 70000, 100, 65536, 20000, kLargest};
  return kSizes[round % 8];
}

/* One exchange with both neighbours: send to the right, receive from the left. */
static void Exchange(int rank, int size, int round, unsigned char* out, unsigned char* in) {
  const int right = (rank + 1) % size, left = (rank + size - 1) % size, bytes = SizeOf(round);
  for (int i = 0; i < bytes; i++) out[i] = Expected(rank, round, i);
  MPI_Sendrecv(out, bytes, MPI_BYTE, right, kTag, in, bytes, MPI_BYTE, left, kTag, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  for (int i = 0; i < bytes; i++) {
    if (in[i] != Expected(left, round, i)) Fail(rank, round, "a byte is wrong");
  }
}

static void PrintPlaces(int rank, int size) {
  char mine[128] = "", host[64] = "", *all = malloc((size_t)size * sizeof mine);
  FILE* file = fopen("/proc/sys/kernel/random/boot_id", "r");
  char boot[64] = "none";
  int length = 0;
  if (file != NULL && fgets(boot, sizeof boot, file) != NULL) boot[strcspn(boot, "\n")] = 0;
  if (file != NULL) fclose(file);
  MPI_Get_processor_name(host, &length);
  snprintf(mine, sizeof mine, "rank %d host %.40s boot %.60s", rank, host, boot);
  MPI_Gather(mine, sizeof mine, MPI_CHAR, all, sizeof mine, MPI_CHAR, 0, MPI_COMM_WORLD);
  for (int i = 0; rank == 0 && i < size; i++) puts(all + (size_t)i * sizeof mine);
  free(all);
}

int main(int argc, char** argv) {
  int rank, size, round = 0, go_on = 1;
  const double seconds = argc > 1 ? atof(argv[1]) : 1;
  unsigned char* out = malloc(kLargest);
  unsigned char* in = malloc(kLargest);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  PrintPlaces(rank, size);
  MPI_Barrier(MPI_COMM_WORLD);
  fflush(stdout);
  if (rank == 0 && argc > 2) {
    FILE* file = fopen(argv[2], "w");
    if (file != NULL) fclose(file);
  }
  for (const double end = MPI_Wtime() + seconds; go_on; round++) {
    int64_t mine = (int64_t)(rank + 1) * round, sum = 0;
    Exchange(rank, size, round, out, in);
    MPI_Allreduce(&mine, &sum, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (sum != (int64_t)size * (size + 1) / 2 * round) Fail(rank, round, "the sum is wrong");
    go_on = MPI_Wtime() < end;
    MPI_Bcast(&go_on, 1, MPI_INT, 0, MPI_COMM_WORLD);
  }
  if (rank == 0) printf("load ok: %d ranks, %d rounds\n", size, round);
  MPI_Finalize();
  return 0;
}
