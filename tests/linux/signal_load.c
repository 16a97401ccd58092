/* Signals under load: a timer, a bombarding child and threads that compute. No result may change, no
 * register be lost, no wait hang. */
#include "check.h"
#include <math.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile long handled;
static void handler(int signal) {
  (void)signal;
  volatile double x = 1.0;
  for (int i = 1; i < 20; ++i) x = x * 1.5 + i; /* uses vector registers */
  ++handled;
}
static void *compute(void *argument) {
  long seed = (long)argument;
  double sum = 0;
  uint64_t hash = 1469598103934665603ull;
  for (long i = 1; i < 3000000; ++i) {
    sum += 1.0 / (double)(i + seed);
    hash = (hash ^ (uint64_t)i) * 1099511628211ull;
  }
  double *result = malloc(2 * sizeof(double));
  result[0] = sum;
  result[1] = (double)(hash >> 12);
  return result;
}
int main(void) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  double *quiet = compute((void *)5);
  struct itimerval often = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &often, NULL);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 0; i < 200; ++i) {
      kill(parent, SIGUSR1);
      usleep(500);
    }
    _exit(0);
  }
  pthread_t threads[3];
  int wrong = 0, status;
  for (long i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, compute, (void *)5);
  for (int i = 0; i < 3; ++i) {
    double *result;
    pthread_join(threads[i], (void **)&result);
    wrong += result[0] != quiet[0] || result[1] != quiet[1];
  }
  int fds[2];
  pipe(fds);
  for (int i = 0; i < 100; ++i) { /* system calls between the signals */
    char byte = (char)i, back = 0;
    if (write(fds[1], &byte, 1) != 1 || read(fds[0], &back, 1) != 1 || back != byte) ++wrong;
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  printf("wrong: %d, handled many: %s, child: %d\n", wrong, handled > 50 ? "yes" : "no",
         WEXITSTATUS(status));
  return 0;
}
