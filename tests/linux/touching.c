/* Two threads touch the same fresh pages at once: what either writes stays. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
enum { kPages = 512, kPage = 4096, kRounds = 40 };
static volatile char* base;
static atomic_int round_now, done;
static int reads_first;
static long* word(int page, int thread) {
  return (long*)(base + (long)page * kPage) + 1 + thread;
}
static void* touch(void* argument) {
  const int me = (int)(long)argument;
  for (int seen = 0;;) {
    for (int spins = 0; atomic_load(&round_now) == seen; ++spins)
      if (spins > 10000) sched_yield();
    seen = atomic_load(&round_now);
    if (seen < 0) return NULL;
    for (int page = 0; page < kPages; ++page) {
      volatile long* at = word(page, me);
      if (reads_first) (void)*at;
      *at = seen * 10 + me;
    }
    atomic_fetch_add(&done, 1);
  }
}
static long one_round(int fd, int dropped, int number) {
  const long size = (long)kPages * kPage;
  char* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
  base = memory;
  if (dropped) {
    memset(memory, 5, size);
    madvise(memory, size, MADV_DONTNEED);
  }
  done = 0;
  atomic_store(&round_now, number);
  while (done != 2) usleep(100);
  long wrong = 0;
  for (int page = 0; page < kPages; ++page)
    for (int thread = 0; thread < 2; ++thread) wrong += *word(page, thread) != number * 10 + thread;
  munmap(memory, size);
  return wrong;
}
int main(void) {
  char name[] = "/tmp/touching-XXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  VALUE(ftruncate(fd, (long)kPages * kPage));
  pthread_t threads[2];
  for (long i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, touch, (void*)i);
  int number = 0;
  for (int mode = 0; mode < 8; ++mode) {
    long wrong = 0;
    reads_first = mode >> 1 & 1;
    for (int i = 0; i < kRounds; ++i) wrong += one_round(mode & 1 ? fd : -1, mode >> 2, ++number);
    printf("%s%s%s: lost %ld\n", mode & 1 ? "file" : "anonymous", reads_first ? ", read first" : "",
           mode >> 2 ? ", dropped before" : "", wrong);
  }
  atomic_store(&round_now, -1);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  return 0;
}
