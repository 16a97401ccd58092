/* Threads that run at the same time: locks under contention, memory mapped and unmapped by all,
 * signals from one to another, and fork, exec and exit while the others are busy. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { kThreads = 4, kRounds = 3000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static atomic_long sum;
static atomic_int stop, go, failed;
static long counter;

static void start(pthread_t *threads, int count, void *(*function)(void *)) {
  for (long i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, function, (void *)i)) abort();
}
static void join(pthread_t *threads, int count) {
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
}

static void *locks(void *argument) {
  (void)argument;
  for (int i = 0; i < kRounds; ++i) {
    pthread_mutex_lock(&mutex);
    ++counter;
    pthread_mutex_unlock(&mutex);
    if (i % 64 == 0) sched_yield();
  }
  return NULL;
}

/* A row of places: what goes in comes out, once. */
static int row[8], in_row;
static void *produces(void *argument) {
  for (int i = 1; i <= kRounds; ++i) {
    pthread_mutex_lock(&mutex);
    while (in_row == 8) pthread_cond_wait(&empty, &mutex);
    row[in_row++] = i;
    pthread_cond_signal(&full);
    pthread_mutex_unlock(&mutex);
  }
  return argument;
}
static void *consumes(void *argument) {
  for (int i = 0; i < kRounds; ++i) {
    pthread_mutex_lock(&mutex);
    while (in_row == 0) pthread_cond_wait(&full, &mutex);
    sum += row[--in_row];
    pthread_cond_signal(&empty);
    pthread_mutex_unlock(&mutex);
  }
  return argument;
}
static void *either(void *argument) {
  return (long)argument % 2 ? produces(argument) : consumes(argument);
}

static long cells[2][kThreads];
static void *meets(void *argument) {
  long me = (long)argument;
  for (int round = 0; round < 300; ++round) {
    cells[round & 1][me] = round;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < kThreads; ++i)
      if (cells[round & 1][i] != round) ++failed;
  }
  return NULL;
}

static int word;
static void *futexes(void *argument) {
  (void)argument;
  for (int i = 0; i < kRounds; ++i) {
    int was = 0;
    while (!__atomic_compare_exchange_n(&word, &was, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      struct timespec soon = {5, 0};
      if (syscall(SYS_futex, &word, 128, 1, &soon) < 0 && errno == ETIMEDOUT) ++failed;
      was = 0;
    }
    ++counter;
    __atomic_store_n(&word, 0, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &word, 129, 1);
  }
  return NULL;
}

static void *maps(void *argument) {
  for (int i = 0; i < 200; ++i) {
    size_t size = 4096 * (size_t)(1 + i % 7);
    unsigned char *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    for (size_t at = 0; at < size; at += 4096) {
      if (memory[at] != 0) ++failed;
      memory[at] = (unsigned char)(long)argument + 1;
    }
    mprotect(memory, size, PROT_READ);
    for (size_t at = 0; at < size; at += 4096)
      if (memory[at] != (unsigned char)(long)argument + 1) ++failed;
    if (munmap(memory, size)) ++failed;
  }
  return NULL;
}

static void *files(void *argument) {
  char name[64], text[64];
  snprintf(name, sizeof name, "/tmp/parallel.%d.%ld", (int)getpid(), (long)argument);
  for (int i = 0; i < 60; ++i) {
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
    int size = snprintf(text, sizeof text, "%ld %d", (long)argument, i);
    char back[64] = {0};
    if (fd < 0 || write(fd, text, (size_t)size) != size || pread(fd, back, sizeof back, 0) != size ||
        strcmp(text, back) || close(fd))
      ++failed;
  }
  unlink(name);
  return NULL;
}

static int pipes[2];
static void *pipes_go_round(void *argument) {
  char byte = 'x';
  for (int i = 0; i < 500; ++i)
    if ((long)argument % 2 ? write(pipes[1], &byte, 1) != 1 : read(pipes[0], &byte, 1) != 1) ++failed;
  return NULL;
}

/* Two and two wake each other by event counters that they wait for, with calls in between. */
static int events[2 * kThreads];
static void *wakes(void *argument) {
  long me = (long)argument;
  int set = epoll_create1(0), zero = open("/dev/zero", O_RDONLY);
  struct epoll_event wanted = {.events = me & 2 ? EPOLLIN | EPOLLET : EPOLLIN}, got;
  epoll_ctl(set, EPOLL_CTL_ADD, events[me], &wanted);
  for (int i = 0; i < 200; ++i) {
    char bytes[64];
    uint64_t one = 1, count = 0;
    if (me % 2 == 0 && write(events[me + 1], &one, 8) != 8) ++failed;
    for (long calls = 0; calls < 5 + me; ++calls)
      if (read(zero, bytes, sizeof bytes) != sizeof bytes) ++failed;
    if (epoll_wait(set, &got, 1, 5000) != 1 || read(events[me], &count, 8) != 8 || count != 1)
      ++failed;
    if (me % 2 == 1 && write(events[me - 1], &one, 8) != 8) ++failed;
  }
  close(zero);
  close(set);
  return NULL;
}

/* May be chosen for a signal that it does not live to take: then another does. */
static void *ends(void *argument) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return argument;
}

static void *nothing(void *argument) {
  ++sum;
  return argument;
}
static void *storm(void *argument) {
  (void)argument;
  for (int i = 0; i < 50; ++i) {
    pthread_t inner[3];
    start(inner, 3, nothing);
    join(inner, 3);
  }
  return NULL;
}

static _Thread_local atomic_int mine;
static atomic_int heard;
static void handler(int signal) {
  (void)signal;
  ++mine;
  ++heard;
}
static void *spins(void *argument) {
  ++go;
  while (!stop) {
  }
  return argument;
}
static void *sleeps(void *argument) {
  ++go;
  while (!stop) usleep(500);
  return argument;
}
static void *spins_or_sleeps(void *argument) {
  return (long)argument % 2 ? spins(argument) : sleeps(argument);
}
static void *works(void *argument) {
  ++go;
  while (!stop) {
    locks(NULL);
    free(malloc(1000));
    maps(argument);
  }
  return argument;
}

static void begin(pthread_t *threads, void *(*function)(void *)) {
  stop = go = 0;
  start(threads, kThreads, function);
  while (go < kThreads) usleep(100);
}

/* In a child, so that what ends is not this. */
static void in_child(const char *what, void (*body)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    body();
    _exit(99);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("%s: %s %d\n", what, WIFEXITED(status) ? "exit" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
static void exits_among_spinners(void) {
  pthread_t threads[kThreads];
  begin(threads, spins_or_sleeps);
  exit(21);
}
static void *says_exit(void *argument) {
  usleep(2000);
  _exit(22);
  return argument;
}
static void exits_from_another(void) {
  pthread_t threads[kThreads], one;
  begin(threads, works);
  start(&one, 1, says_exit);
  spins(NULL);
}
static void execs_among_spinners(void) {
  pthread_t threads[kThreads];
  begin(threads, spins_or_sleeps);
  execl("/bin/sh", "sh", "-c", "exit 23", NULL);
}
static void *says_exec(void *argument) {
  usleep(2000);
  execl("/bin/sh", "sh", "-c", "exit 24", NULL);
  return argument;
}
static void execs_from_another(void) {
  pthread_t threads[kThreads], one;
  begin(threads, works);
  start(&one, 1, says_exec);
  spins(NULL);
}
static void fails_to_exec(void) {
  pthread_t threads[kThreads];
  begin(threads, spins_or_sleeps);
  execl("/no/such/program", "none", NULL);
  stop = 1;
  join(threads, kThreads);
  _exit(25);
}
static void killed_by_signal(void) {
  pthread_t threads[kThreads];
  begin(threads, spins_or_sleeps);
  kill(getpid(), SIGTERM);
  for (;;) pause();
}
static void faults_in_another(void) {
  pthread_t threads[kThreads];
  begin(threads, spins_or_sleeps);
  *(volatile int *)8 = 1;
}

int main(void) {
  pthread_t threads[2 * kThreads];
  struct rlimit none = {0, 0}; /* what dies here on purpose leaves no core behind */
  setrlimit(RLIMIT_CORE, &none);
  pthread_barrier_init(&barrier, NULL, kThreads);
  start(threads, kThreads, locks);
  join(threads, kThreads);
  printf("locked: %ld\n", counter);
  start(threads, kThreads, either);
  join(threads, kThreads);
  printf("passed on: %ld, left %d\n", (long)sum, in_row);
  start(threads, kThreads, meets);
  join(threads, kThreads);
  printf("met: %d wrong\n", (int)failed);
  counter = 0;
  start(threads, kThreads, futexes);
  join(threads, kThreads);
  printf("futexes: %ld, %d late\n", counter, (int)failed);
  start(threads, kThreads, maps);
  join(threads, kThreads);
  printf("mapped: %d wrong\n", (int)failed);
  start(threads, kThreads, files);
  join(threads, kThreads);
  printf("files: %d wrong\n", (int)failed);
  if (pipe(pipes)) return 1;
  start(threads, 2 * kThreads, pipes_go_round);
  join(threads, 2 * kThreads);
  printf("pipes: %d wrong\n", (int)failed);
  for (int i = 0; i < 2 * kThreads; ++i) events[i] = eventfd(0, EFD_NONBLOCK);
  start(threads, 2 * kThreads, wakes);
  join(threads, 2 * kThreads);
  printf("events: %d wrong\n", (int)failed);
  sum = 0;
  start(threads, kThreads, storm);
  join(threads, kThreads);
  printf("came and went: %ld\n", (long)sum);

  /* Signals to threads that run and to threads that sleep: each gets its own. */
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  begin(threads, spins_or_sleeps);
  for (int i = 0; i < 50; ++i) {
    int before = heard;
    pthread_kill(threads[i % kThreads], SIGUSR1);
    while (heard == before) sched_yield();
  }
  printf("signals: %d, mine %d\n", (int)heard, (int)mine);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  for (int i = 0; i < 50; ++i) { /* to whoever does not block it */
    int before = heard;
    kill(getpid(), SIGUSR1);
    while (heard == before) sched_yield();
  }
  printf("signals: %d, mine %d\n", (int)heard, (int)mine);
  for (int i = 0; i < 100; ++i) {
    int before = heard;
    pthread_t passing[4];
    start(passing, 4, ends);
    kill(getpid(), SIGUSR1);
    while (heard == before) sched_yield();
    join(passing, 4);
  }
  printf("signals: %d\n", (int)heard);

  /* Forks among threads that work: each copy is whole. */
  stop = 1;
  join(threads, kThreads);
  begin(threads, works);
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      pthread_t one;
      int before = (int)sum;
      if (pthread_create(&one, NULL, nothing, NULL) || pthread_join(one, NULL)) _exit(1);
      void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED || munmap(memory, 4096)) _exit(2);
      _exit((int)sum == before + 1 ? 7 : 3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  printf("forks: %d\n", good);
  for (int i = 0; i < 10; ++i) {
    int status = system("exit 5");
    good += WIFEXITED(status) && WEXITSTATUS(status) == 5;
  }
  printf("system: %d\n", good);
  stop = 1;
  join(threads, kThreads);
  printf("worked: %d wrong\n", (int)failed);

  in_child("exit among spinners", exits_among_spinners);
  in_child("exit from another", exits_from_another);
  in_child("exec among spinners", execs_among_spinners);
  in_child("exec from another", execs_from_another);
  in_child("exec that fails", fails_to_exec);
  in_child("killed", killed_by_signal);
  in_child("fault", faults_in_another);
  return 0;
}
