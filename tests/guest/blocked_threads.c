/* Makes COUNT threads that wait for ever, and tells what memory that took: of the node, and of this
 * process. Then each is asked to end. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { kStack = 16384 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int go, waiting;

static void* Wait(void* argument) {
  pthread_mutex_lock(&mutex);
  ++waiting;
  while (!go) pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  return argument;
}

static long long NodeTook(void) {
  struct sysinfo info;
  usleep(300000);
  sysinfo(&info);
  return -(long long)info.freeram * info.mem_unit;
}

/* The most it ever had; it has not given anything back meanwhile. */
static long long Own(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024ll;
}

int main(int argc, char** argv) {
  const int count = argc == 2 ? atoi(argv[1]) : 1000;
  pthread_t* threads = calloc((size_t)count, sizeof *threads);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  /* One mapping: a mapping each would be records of the kernel's about mappings. */
  char* stacks = mmap(NULL, (size_t)count * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stacks == MAP_FAILED) return 3;
  const long long node = NodeTook(), own = Own();
  for (int i = 0; i < count; ++i) {
    pthread_attr_setstack(&attributes, stacks + (size_t)i * kStack, kStack);
    if (pthread_create(&threads[i], &attributes, Wait, NULL) != 0) {
      printf("thread %d failed\n", i);
      return 1;
    }
  }
  for (int now = 0; now < count;) {
    usleep(1000);
    pthread_mutex_lock(&mutex);
    now = waiting;
    pthread_mutex_unlock(&mutex);
  }
  const long long own_more = Own() - own, node_more = NodeTook() - node;
  printf("%d threads: %lld KiB of the node, %lld KiB the process's own\n", count, node_more / 1024,
         own_more / 1024);
  pthread_mutex_lock(&mutex);
  go = 1;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
  puts("all ended");
  return 0;
}
