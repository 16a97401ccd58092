/* Clocks and timers: monotonic, of the right length, in the right order. */
#include "check.h"
#include <sys/time.h>
#include <time.h>
static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}
static volatile int fired;
static void handler(int signal) {
  (void)signal;
  ++fired;
}
int main(void) {
  long long before = now(), last = before;
  int backwards = 0;
  for (int i = 0; i < 100000; ++i) {
    long long time = now();
    backwards += time < last;
    last = time;
  }
  printf("backwards %d\n", backwards);
  before = now();
  struct timespec time = {0, 30000000};
  VALUE(nanosleep(&time, NULL));
  printf("slept enough: %d\n", now() - before >= 30000000);
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_nsec += 20000000;
  if (time.tv_nsec >= 1000000000) time.tv_nsec -= 1000000000, ++time.tv_sec;
  VALUE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL));
  time = (struct timespec){0, 1000000000};
  VALUE(nanosleep(&time, NULL));
  struct timeval day;
  gettimeofday(&day, NULL);
  struct timespec real;
  clock_gettime(CLOCK_REALTIME, &real);
  printf("same day: %d, this century: %d\n", llabs(real.tv_sec - day.tv_sec) <= 1,
         real.tv_sec > 1600000000);
  signal(SIGUSR1, handler);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_t timer;
  VALUE(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec often = {{0, 10000000}, {0, 10000000}}, left;
  VALUE(timer_settime(timer, 0, &often, NULL));
  while (fired < 3) pause();
  VALUE(timer_gettime(timer, &left));
  printf("interval %ld\n", left.it_interval.tv_nsec);
  VALUE(timer_delete(timer));
  VALUE(timer_delete(timer));
  printf("alarm left %u\n", alarm(100));
  printf("alarm left %u\n", alarm(0));
  VALUE(clock_gettime(99, &time));
  return 0;
}
