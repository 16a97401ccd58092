# gfortran: OpenMP, direct access files, an MPI job that writes one file; gcc's OpenMP tasks; where processes are bound; a profile.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cat > omp.f90 <<'F'
program omp
  use omp_lib
  implicit none
  integer :: i, unit
  real(8) :: sum
  sum = 0
  !$omp parallel do reduction(+:sum)
  do i = 1, 100000
    sum = sum + 1d0 / i
  end do
  print '(f10.6)', sum
  open (newunit=unit, file='o.dat', form='unformatted', access='direct', recl=8)
  do i = 1, 100
    write (unit, rec=i) sum * i
  end do
  read (unit, rec=50) sum
  close (unit)
  print '(f10.5)', sum
  call execute_command_line('echo from a shell', wait=.true.)
  print *, omp_get_max_threads()
end program
F
gfortran -fopenmp omp.f90 -o omp && OMP_NUM_THREADS=4 ./omp && OMP_PROC_BIND=true OMP_PLACES=cores OMP_NUM_THREADS=2 ./omp | head -1; stat -c %s o.dat
cat > tasks.c <<'C'
#include <omp.h>
#include <stdio.h>
static int fib(int n) {
  int a, b;
  if (n < 2) return n;
#pragma omp task shared(a) if (n > 8)
  a = fib(n - 1);
#pragma omp task shared(b) if (n > 8)
  b = fib(n - 2);
#pragma omp taskwait
  return a + b;
}
int main(void) {
  int result, count = 0;
  omp_lock_t lock;
  omp_init_lock(&lock);
#pragma omp parallel
#pragma omp single
  result = fib(14);
#pragma omp parallel num_threads(3)
  for (int i = 0; i < 50; i++) {
    omp_set_lock(&lock);
    count++;
    omp_unset_lock(&lock);
#pragma omp barrier
  }
  printf("%d %d\n", result, count);
  return 0;
}
C
gcc -fopenmp tasks.c -o tasks && ./tasks && OMP_WAIT_POLICY=passive ./tasks
cat > ranks.f90 <<'F'
program ranks
  use mpi
  integer :: rank, size, error, total, file
  integer(kind=mpi_offset_kind) :: at
  call mpi_init(error)
  call mpi_comm_rank(mpi_comm_world, rank, error)
  call mpi_comm_size(mpi_comm_world, size, error)
  call mpi_allreduce(rank, total, 1, mpi_integer, mpi_sum, mpi_comm_world, error)
  if (rank == 0) print *, size, total
  call mpi_file_open(mpi_comm_world, 'f.dat', mpi_mode_create + mpi_mode_rdwr, mpi_info_null, file, error)
  at = rank * 4
  call mpi_file_write_at_all(file, at, rank, 1, mpi_integer, mpi_status_ignore, error)
  call mpi_file_close(file, error)
  call mpi_finalize(error)
end program
F
mpif90.openmpi ranks.f90 -o ranks && mpirun.openmpi --oversubscribe -np 3 ./ranks; od -An -td4 f.dat
taskset -c 1 grep Cpus_allowed_list /proc/self/status; hwloc-bind core:1 -- nproc; echo "PUs $(($(lstopo-no-graphics --only pu --of console | wc -l) == $(nproc)))"
gcc -pg -x c - -o profiled <<< 'int main(void) { for (volatile long i = 0; i < 60000000; ++i); return 0; }'; ./profiled; gprof -b -p profiled gmon.out | awk '$NF == "main" { print "main", ($1 > 90) }'
(ulimit -S -t 1; while :; do :; done); echo "limit $(kill -l $?)"
