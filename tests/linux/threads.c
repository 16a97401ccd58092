/* Threads: creation, join, mutex, condition, thread-local data, detached ends, process-wide signals. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn, total;
static __thread int own;
static sem_t semaphore;

static void *add(void *argument) {
  own = (int)(long)argument;
  for (int i = 0; i < 20000; ++i) {
    pthread_mutex_lock(&mutex);
    ++total;
    pthread_mutex_unlock(&mutex);
  }
  return (void *)(long)own;
}
static void *ping(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < 500; ++i) {
    pthread_mutex_lock(&mutex);
    while (turn != me) pthread_cond_wait(&condition, &mutex);
    turn = !me;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}
static volatile int spin_stop;
static void *spin(void *argument) {
  (void)argument;
  while (!spin_stop) {
  }
  return NULL;
}
static void *post(void *argument) {
  (void)argument;
  sem_post(&semaphore);
  return NULL;
}
static pthread_t handled_by;
static void handler(int signal) {
  (void)signal;
  handled_by = pthread_self();
}
static volatile int ready;
static void *wait_signal(void *argument) {
  (void)argument;
  ready = 1;
  while (!handled_by) usleep(1000);
  return NULL;
}
static void *never(void *argument) {
  pause();
  return argument;
}

int main(void) {
  pthread_t threads[8];
  long sum = 0;
  for (long i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, add, (void *)i);
  for (int i = 0; i < 8; ++i) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("total %d, sum %ld, mine %d\n", total, sum, own);
  pthread_create(&threads[0], NULL, ping, (void *)0);
  pthread_create(&threads[1], NULL, ping, (void *)1);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  printf("ping-pong done, turn %d\n", turn);
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  time.tv_nsec += 20000000;
  if (time.tv_nsec >= 1000000000) time.tv_nsec -= 1000000000, ++time.tv_sec;
  pthread_mutex_lock(&mutex);
  printf("timed wait: %s\n", strerrorname(pthread_cond_timedwait(&condition, &mutex, &time)));
  pthread_mutex_unlock(&mutex);
  pthread_create(&threads[0], NULL, spin, NULL); /* must be preempted for us to go on */
  usleep(10000);
  spin_stop = 1;
  pthread_join(threads[0], NULL);
  printf("preempted\n");
  sem_init(&semaphore, 0, 0);
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 50; ++i) {
    pthread_create(&threads[0], &detached, post, NULL);
    sem_wait(&semaphore);
  }
  printf("detached threads came and went\n");
  signal(SIGUSR1, handler);
  pthread_create(&threads[0], NULL, wait_signal, NULL);
  while (!ready) usleep(1000);
  pthread_kill(threads[0], SIGUSR1);
  pthread_join(threads[0], NULL);
  printf("pthread_kill: %s\n", pthread_equal(handled_by, threads[0]) ? "right thread" : "wrong");
  pthread_create(&threads[0], NULL, never, NULL);
  usleep(5000);
  pthread_cancel(threads[0]);
  void *result;
  pthread_join(threads[0], &result);
  printf("cancelled: %d\n", result == PTHREAD_CANCELED);
  printf("tid is pid: %d\n", syscall(SYS_gettid) == getpid());
  pthread_create(&threads[0], NULL, never, NULL);
  fflush(stdout);
  _exit(3); /* with another thread asleep */
}
