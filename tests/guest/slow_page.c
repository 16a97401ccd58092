/* Two threads of one process: one touches a page of a mapped file that is slow to come, the other
 * counts. Prints how long the first waited and how far the second came meanwhile; then how often a
 * page beyond the end of the file ended in SIGBUS, and what a second touch of the slow page costs.
 *
 * `slow_page FILE many`: eight threads touch pages of a larger file that are far from each other, so
 * that faults come and go while others wait. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile int waiting, done;
static volatile const char* page;

static long long Now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void* Touch(void* sum) {
  waiting = 1;
  long long began = Now();
  *(int*)sum = page[0];
  long long took = Now() - began;
  done = 1;
  return (void*)took;
}

static sigjmp_buf out;
static void OnBus(int number) {
  (void)number;
  siglongjmp(out, 1);
}

enum { kThreads = 8, kFar = 256 << 10 };
static volatile const char* large;
static long large_size;

static void* TouchMany(void* first) {
  long sum = 0;
  for (long at = (long)first * kFar; at < large_size; at += kThreads * kFar) sum += large[at];
  return (void*)sum;
}

static int Many(int file) {
  large_size = lseek(file, 0, SEEK_END);
  large = mmap(NULL, large_size, PROT_READ, MAP_PRIVATE, file, 0);
  if (large == MAP_FAILED) return 2;
  pthread_t threads[kThreads];
  long sum = 0;
  for (long i = 0; i < kThreads; ++i)
    if (pthread_create(&threads[i], NULL, TouchMany, (void*)i) != 0) return 3;
  for (int i = 0; i < kThreads; ++i) {
    void* part;
    pthread_join(threads[i], &part);
    sum += (long)part;
  }
  printf("touched %ld, sum %ld\n", large_size / kFar, sum);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3) return Many(open(argv[1], O_RDONLY));
  const long size = 1 << 20;
  int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
  volatile const char* map = mmap(NULL, size + 4096, PROT_READ, MAP_PRIVATE, file, 0);
  if (file < 0 || map == MAP_FAILED) return 2;
  for (int round = 0; round < 3; ++round) {
    page = map + size / 4 * (round + 1);
    waiting = done = 0;
    int sum = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, Touch, &sum) != 0) return 3;
    long counted = 0;
    while (!done) counted += waiting;
    void* took;
    pthread_join(thread, &took);
    long long again = Now();
    sum += page[0];
    again = Now() - again;
    printf("round %d waited %lld ns counted %ld again %lld ns sum %d\n", round, (long long)took, counted, again, sum);
  }
  signal(SIGBUS, OnBus);
  int buses = 0;
  for (int i = 0; i < 3; ++i) {
    if (sigsetjmp(out, 1) == 0) {
      (void)map[size];
    } else {
      ++buses;
    }
  }
  printf("buses %d\n", buses);
  return 0;
}
