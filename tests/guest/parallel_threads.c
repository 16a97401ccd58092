/* Threads on all CPUs of a node, as the program sees it: parallel_threads. Built with -fopenmp.
 * Prints what it finds; exit status: what failed. */
#define _GNU_SOURCE
#include <errno.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;
static const char *program;
#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("FAILED at %d: %s\n", __LINE__, #condition);    \
      ++failures;                                            \
    }                                                        \
  } while (0)

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
static double used(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6;
}

/* Each thread works on its share for as long as the clock says; where did they run, and how much CPU
 * time did that take? */
static void openmp(int cpus) {
  unsigned long places = 0;
  double sum = 0;
  /* One round for everything to be there. */
#pragma omp parallel num_threads(cpus)
  usleep(1000);
  double wall = now(), cpu = used();
#pragma omp parallel num_threads(cpus) reduction(+ : sum) reduction(| : places)
  {
    double end = now() + 0.3;
    while (now() < end)
      for (int i = 1; i < 1000; ++i) sum += 1.0 / i;
    places |= 1ul << sched_getcpu();
  }
  wall = now() - wall;
  cpu = used() - cpu;
  printf("openmp: %d threads, CPUs %lx, %.0f ms of CPU time in %.0f ms\n", omp_get_max_threads(),
         places, cpu * 1000, wall * 1000);
  CHECK(sum > 0);
  CHECK(places == (1ul << cpus) - 1);
  /* All of them all the time, but for what beginning and ending take. */
  CHECK(cpu > wall * (cpus == 1 ? 0.5 : 0.5 + cpus * 0.4));
  CHECK(cpu < wall * cpus * 1.05 + 0.01);
}

/* A token handed on by looking at it: who has to be preempted for each step needs a time slice. */
static atomic_int token;
static int handers;
static void *hands_on(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < 2000; ++i) {
    while (atomic_load(&token) % handers != me) {
    }
    atomic_fetch_add(&token, 1);
  }
  return NULL;
}
static void hand_on(int cpus) {
  if (cpus == 1) return;
  handers = 2;
  pthread_t threads[2];
  double wall = now();
  for (long i = 0; i < handers; ++i) pthread_create(&threads[i], NULL, hands_on, (void *)i);
  for (int i = 0; i < handers; ++i) pthread_join(threads[i], NULL);
  wall = now() - wall;
  printf("handed on: %d times, %.0f ms\n", (int)token, wall * 1000);
  CHECK(token == 4000);
}

static void pin(pthread_t thread, unsigned long cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu = 0; cpu < 64; ++cpu)
    if (cpus >> cpu & 1) CPU_SET(cpu, &set);
  CHECK(pthread_setaffinity_np(thread, sizeof set, &set) == 0);
}
static unsigned long pinned(pthread_t thread) {
  cpu_set_t set;
  CHECK(pthread_getaffinity_np(thread, sizeof set, &set) == 0);
  unsigned long cpus = 0;
  for (int cpu = 0; cpu < 64; ++cpu) cpus |= CPU_ISSET(cpu, &set) ? 1ul << cpu : 0;
  return cpus;
}

static atomic_int stop, ready;
static _Atomic unsigned long seen[64];
static void *looks(void *argument) {
  long me = (long)argument;
  ++ready;
  while (!stop) seen[me] |= 1ul << sched_getcpu();
  return NULL;
}
static void affinity(int cpus) {
  unsigned long all = (1ul << cpus) - 1;
  pthread_t self = pthread_self();
  CHECK(pinned(self) == all);
  for (int round = 0; round < 3; ++round)
    for (int cpu = 0; cpu < cpus; ++cpu) {
      pin(self, 1ul << cpu);
      CHECK(sched_getcpu() == cpu);
      CHECK(pinned(self) == 1ul << cpu);
    }
  /* A child begins there, and its program too. */
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    CHECK(sched_getcpu() == cpus - 1 && pinned(pthread_self()) == 1ul << (cpus - 1));
    char number[16];
    snprintf(number, sizeof number, "%d", cpus - 1);
    if (failures == 0) execl(program, program, "where", number, NULL);
    _exit(1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  pin(self, all);
  CHECK(pinned(self) == all);
  /* Others are moved while they run. */
  pthread_t threads[64];
  for (long i = 0; i < cpus; ++i) pthread_create(&threads[i], NULL, looks, (void *)i);
  while (ready < cpus) usleep(100);
  for (int turn = 0; turn < cpus; ++turn) {
    for (int i = 0; i < cpus; ++i) pin(threads[i], 1ul << (i + turn) % cpus);
    /* It gets there, and from then on it is nowhere else. */
    for (int i = 0; i < cpus; ++i) {
      unsigned long there = 1ul << (i + turn) % cpus;
      for (int tries = 0; seen[i] != there && tries < 1000; ++tries) {
        seen[i] = 0;
        usleep(1000);
      }
      for (int round = 0; round < 3; ++round) {
        CHECK(seen[i] == there);
        seen[i] = 0;
        for (int tries = 0; seen[i] == 0 && tries < 1000; ++tries) usleep(1000);
      }
    }
  }
  stop = 1;
  for (int i = 0; i < cpus; ++i) pthread_join(threads[i], NULL);
  cpu_set_t none;
  CPU_ZERO(&none);
  CHECK(sched_setaffinity(0, sizeof none, &none) < 0 && errno == EINVAL);
  printf("affinity: done\n");
}

static int threads_in_status(void) {
  char line[256];
  int threads = -1;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "Threads: %d", &threads);
  if (file) fclose(file);
  return threads;
}
static void *waits(void *argument) {
  ++ready;
  while (!stop) usleep(1000);
  return argument;
}
/* More than there are CPUs, and one that never lets go. */
static void *spins(void *argument) {
  while (!stop) {
  }
  return argument;
}
static void many(int cpus) {
  stop = ready = 0;
  int before = threads_in_status();
  pthread_t threads[12], spinner;
  pthread_create(&spinner, NULL, spins, NULL);
  for (int i = 0; i < 12; ++i) pthread_create(&threads[i], NULL, waits, NULL);
  while (ready < 12) usleep(1000);
  CHECK(threads_in_status() == before + 13);
  stop = 1;
  for (int i = 0; i < 12; ++i) pthread_join(threads[i], NULL);
  pthread_join(spinner, NULL);
  /* Three that spin on two CPUs: each gets its part. */
  stop = ready = 0;
  int spinning = cpus + 1;
  for (int i = 0; i < 64; ++i) seen[i] = 0;
  for (long i = 0; i < spinning; ++i) pthread_create(&threads[i], NULL, looks, (void *)i);
  usleep(300000);
  stop = 1;
  for (int i = 0; i < spinning; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < spinning; ++i) CHECK(seen[i] != 0);
  printf("many: done\n");
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "where") == 0)
    return sched_getcpu() == atoi(argv[2]) && pinned(pthread_self()) == 1ul << atoi(argv[2]) ? 0 : 1;
  program = argv[0];
  int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
  printf("%d CPUs\n", cpus);
  openmp(cpus);
  hand_on(cpus);
  affinity(cpus);
  many(cpus);
  printf(failures ? "%d failed\n" : "all is well\n", failures);
  return failures ? 1 : 0;
}
