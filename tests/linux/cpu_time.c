/* CPU time: clocks of processes and threads, timers over them, the limit. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
static long long read_clock(clockid_t clock) {
  struct timespec time = {0, 0};
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}
static void use(long long ns) {
  const long long end = read_clock(CLOCK_THREAD_CPUTIME_ID) + ns;
  while (read_clock(CLOCK_THREAD_CPUTIME_ID) < end) {
  }
}
static volatile int fired;
static void handler(int signal) {
  (void)signal;
  ++fired;
}
static pthread_barrier_t barrier;
static clockid_t others;
static void *busy(void *arg) {
  (void)arg;
  use(60000000);
  pthread_getcpuclockid(pthread_self(), &others);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}
static long long usage(int who) {
  struct rusage use;
  VALUE(getrusage(who, &use));
  return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000ll +
         (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000ll;
}
/* The timer runs while the program does, and not while it sleeps. */
static void interval(int which, int signal_number) {
  signal(signal_number, handler);
  fired = 0;
  struct itimerval often = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}}, old;
  VALUE(setitimer(which, &often, NULL));
  struct timespec time = {0, 200000000};
  nanosleep(&time, NULL);
  printf("few while asleep %d\n", fired < 5);
  while (fired < 5) {
  }
  VALUE(getitimer(which, &old));
  printf("interval %ld, due %d\n", (long)old.it_interval.tv_usec,
         old.it_value.tv_sec == 0 && old.it_value.tv_usec > 0);
  VALUE(setitimer(which, &off, &old));
  VALUE(getitimer(which, &old));
  printf("off %d\n", old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
}
static void cpu_timer(clockid_t clock) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct itimerspec often = {{0, 10000000}, {0, 10000000}}, left;
  fired = 0;
  signal(SIGUSR1, handler);
  VALUE(timer_create(clock, &event, &timer));
  VALUE(timer_settime(timer, 0, &often, NULL));
  while (fired < 3) {
  }
  VALUE(timer_gettime(timer, &left));
  printf("interval %ld\n", left.it_interval.tv_nsec);
  VALUE(timer_delete(timer));
}
static int limited(long soft, long hard, int handle) {
  const pid_t child = fork();
  if (child == 0) {
    struct rlimit limit = {soft, hard};
    if (handle) signal(SIGXCPU, handler);
    fired = 0;
    setrlimit(RLIMIT_CPU, &limit);
    const pid_t inner = handle ? 0 : fork(); /* it is inherited */
    if (inner == 0)
      while (!fired) {
      }
    int status = 0;
    if (inner > 0) waitpid(inner, &status, 0);
    _exit(inner > 0 ? WTERMSIG(status) : 50 + fired);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}
int main(void) {
  use(50000000);
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_t thread;
  pthread_create(&thread, NULL, busy, NULL);
  pthread_barrier_wait(&barrier);
  const long long mine = read_clock(CLOCK_THREAD_CPUTIME_ID), its = read_clock(others),
                  all = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  printf("mine %d its %d all %d\n", mine >= 50000000, its >= 60000000,
         all >= mine + its);
  struct timespec time = {0, 100000000};
  nanosleep(&time, NULL);
  printf("asleep %d %d\n", read_clock(CLOCK_THREAD_CPUTIME_ID) - mine < 30000000,
         read_clock(others) - its < 30000000);
  clockid_t own;
  VALUE(clock_getcpuclockid(getpid(), &own));
  printf("own %d\n", read_clock(own) >= all);
  VALUE(clock_getres(own, &time));
  VALUE(clock_gettime(-1, &time));
  VALUE(clock_gettime((~99999999 << 3) | 2, &time));
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  /* Who has joined it may be quicker than Linux is in taking it away. */
  int there = 0;
  for (int i = 0; i < 1000 && (there = clock_gettime(others, &time)) == 0; ++i) usleep(1000);
  printf("gone %d\n", there);
  printf("usage %d %d\n", usage(RUSAGE_THREAD) >= mine - 2000000, usage(RUSAGE_SELF) >= mine + its - 8000000);
  printf("thread's is less %d\n", usage(RUSAGE_SELF) > usage(RUSAGE_THREAD) + 30000000);
  const pid_t child = fork();
  if (child == 0) _exit(read_clock(CLOCK_PROCESS_CPUTIME_ID) < 50000000 && read_clock(CLOCK_THREAD_CPUTIME_ID) < 50000000);
  int status = 0;
  waitpid(child, &status, 0);
  printf("a child's begin anew %d\n", WEXITSTATUS(status));
  interval(ITIMER_PROF, SIGPROF);
  interval(ITIMER_VIRTUAL, SIGVTALRM);
  cpu_timer(CLOCK_PROCESS_CPUTIME_ID);
  cpu_timer(CLOCK_THREAD_CPUTIME_ID);
  status = limited(1, 3, 1);
  printf("soft %d\n", WEXITSTATUS(status));
  status = limited(0, RLIM_INFINITY, 0);
  printf("inherited %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return 0;
}
