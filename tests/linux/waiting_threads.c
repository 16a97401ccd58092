/* Threads of one process, each of which waits for a child of its own: with others, interrupted, and one after the
 * other woken by its child's end. */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { kThreads = 16 };

static pid_t children[kThreads];
static int ends[kThreads];
static int statuses[kThreads], interrupted[kThreads];
static volatile int waiting;

static void nothing(int signal) { (void)signal; }

static void *wait_for_own(void *argument) {
  long own = (long)argument;
  __sync_fetch_and_add(&waiting, 1);
  for (;;) {
    pid_t found = waitpid(children[own], &statuses[own], 0);
    if (found == children[own]) return (void *)1;
    if (found != -1 || errno != EINTR) return (void *)0;
    ++interrupted[own];
  }
}

static void start(pthread_t *threads) {
  waiting = 0;
  for (long i = 0; i < kThreads; ++i) {
    int pipe_ends[2];
    pipe(pipe_ends);
    children[i] = fork();
    if (children[i] == 0) {
      char byte;
      read(pipe_ends[0], &byte, 1);
      _exit(20 + i);
    }
    close(pipe_ends[0]);
    ends[i] = pipe_ends[1];
    interrupted[i] = 0;
  }
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, wait_for_own, (void *)i);
  while (waiting != kThreads) usleep(1000);
  usleep(200000);
}

static int end(pthread_t *threads, int i) {
  void *good;
  write(ends[i], "x", 1);
  pthread_join(threads[i], &good);
  close(ends[i]);
  return good != NULL && WIFEXITED(statuses[i]) && WEXITSTATUS(statuses[i]) == 20 + i;
}

int main(void) {
  pthread_t threads[kThreads];
  int good = 0, some = 0;
  alarm(100);
  start(threads);
  for (int i = 0; i < kThreads; ++i) good += end(threads, i);
  printf("the oldest first: %d\n", good);

  struct sigaction action = {.sa_handler = nothing};
  sigaction(SIGUSR1, &action, NULL);
  start(threads);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kThreads; ++i) pthread_kill(threads[i], SIGUSR1);
    usleep(100000);
  }
  good = 0;
  for (int i = kThreads - 1; i >= 0; --i) good += end(threads, i);
  for (int i = 0; i < kThreads; ++i) some += interrupted[i] != 0;
  printf("interrupted, the youngest first: %d, %d\n", good, some);
  printf("none is left: %d\n", waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
  return 0;
}
