/* Robust mutexes of processes that end with them held. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static struct shared {
  pthread_mutex_t mutex, other, many[4][1500];
  int held;
  long work;
} *shared;

static void *holds_and_waits(void *argument) {
  (void)argument;
  pthread_mutex_lock(&shared->mutex);
  __sync_fetch_and_add(&shared->held, 1);
  for (;;) pause();
}
static void by_exit(void) {
  pthread_mutex_lock(&shared->mutex);
  shared->held = 1;
  usleep(200000);
  _exit(0);
}
static void by_signal(void) {
  pthread_mutex_lock(&shared->mutex);
  shared->held = 1;
  usleep(200000);
  raise(SIGTERM);
}
static void with_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, holds_and_waits, NULL);
  usleep(200000);
  _exit(0);
}
static void as_thread(void) {
  pthread_mutex_lock(&shared->mutex);
  shared->held = 1;
  usleep(200000);
  pthread_exit(NULL);
}
static const char *self;
static void by_exec(void) {
  pthread_mutex_lock(&shared->mutex);
  shared->held = 1;
  usleep(200000);
  execl(self, self, "end", NULL);
}
static void two(void) {
  pthread_mutex_lock(&shared->other);
  by_exit();
}

/* Who gets the lock of one that has ended does not find it still at work. It is the first
 * that is left, of many, so that the end takes its time. */
static void *holds_and_works(void *argument) {
  const long number = (long)argument;
  for (int i = 0; i < 1500; ++i) pthread_mutex_lock(&shared->many[number][i]);
  if (number != 0) pause();
  pthread_mutex_lock(&shared->mutex);
  shared->held = 1;
  for (;;) __sync_fetch_and_add(&shared->work, 1);
}
static void at_work(void) {
  pthread_t thread;
  for (long i = 0; i < 4; ++i) pthread_create(&thread, NULL, holds_and_works, (void *)i);
  /* Busy, so that both run. */
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 100);
  _exit(0);
}
static long work_now(void) { return __sync_fetch_and_add(&shared->work, 0); }
static void sees_no_work(void) {
  const int left = 0x40000000;
  volatile int *word = &shared->mutex.__data.__lock;
  while ((*word & left) == 0) { /* awake, to be quick */
  }
  const long work = work_now();
  for (int i = 0; i < 50000; ++i) {
    if (work_now() == work) continue;
    puts("still at work");
    break;
  }
}

static int lock(pthread_mutex_t *mutex) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 10;
  return pthread_mutex_timedlock(mutex, &until);
}
static void ends(const char *name, void (*child_does)(void)) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &attributes);
  pthread_mutex_init(&shared->other, &attributes);
  for (int i = 0; i < 6000; ++i) pthread_mutex_init(&shared->many[0][i], &attributes);
  shared->held = 0;
  pid_t child = fork();
  if (child == 0) {
    child_does();
    _exit(1);
  }
  while (__sync_fetch_and_add(&shared->held, 0) == 0) usleep(1000);
  if (child_does == at_work) sees_no_work();
  int waited = lock(&shared->mutex);
  waitpid(child, NULL, 0);
  int other = lock(&shared->other);
  printf("%s: %s, then %s\n", name, waited == EOWNERDEAD ? "left" : waited ? "never free" : "free",
         other == EOWNERDEAD ? "left" : other ? "never free" : "free");
  if (waited != EOWNERDEAD) return;
  pthread_mutex_consistent(&shared->mutex);
  pthread_mutex_unlock(&shared->mutex);
  printf("  again: %d\n", lock(&shared->mutex));
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "end") == 0) return 0;
  self = argv[0];
  setvbuf(stdout, NULL, _IONBF, 0);
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ends("exit", by_exit);
  ends("signal", by_signal);
  ends("exit of another thread", with_thread);
  ends("end of the last thread", as_thread);
  ends("exit with two", two);
  ends("exec", by_exec);
  for (int i = 0; i < 12; ++i) ends("at work", at_work);
  return 0;
}
