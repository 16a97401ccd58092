/* Waits with an end, of a process that is stopped and goes on, and interrupted by a handler. */
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static void handler(int signal) { (void)signal; }

static long ms_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Two seconds each. */
static int word;
static long by_nanosleep(void) {
  struct timespec time = {2, 0};
  return nanosleep(&time, &time);
}
static long by_clock(void) { return -(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){2, 0}, NULL) != 0); }
static long by_poll(void) { return poll(NULL, 0, 2000); }
static long by_ppoll(void) { return ppoll(NULL, 0, &(struct timespec){2, 0}, NULL); }
static long by_select(void) { return select(0, NULL, NULL, NULL, &(struct timeval){2, 0}); }
static long by_futex(void) {
  return syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &(struct timespec){2, 0});
}
static long by_shared_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &(struct timespec){2, 0}); }
static long by_epoll(void) {
  struct epoll_event event;
  return epoll_wait(epoll_create1(0), &event, 1, 2000);
}
static long by_receive(void) {
  int ends[2];
  char byte;
  struct timeval time = {2, 0};
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  return recv(ends[0], &byte, 1, 0);
}
static long by_sigwait(void) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR2);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  return sigtimedwait(&wanted, NULL, &(struct timespec){2, 0});
}
static const struct way {
  const char *name;
  long (*wait)(void);
  int whole; /* It waits for all of the time, stopped or not. */
} ways[] = {{"nanosleep", by_nanosleep, 1},    {"clock_nanosleep", by_clock, 1},
            {"poll", by_poll, 1},              {"ppoll", by_ppoll, 1},
            {"select", by_select, 1},          {"futex", by_futex, 1},
            {"shared futex", by_shared_futex, 1}, {"epoll_wait", by_epoll, 0},
            {"recv", by_receive, 0},           {"sigtimedwait", by_sigwait, 0}};
enum { kWays = sizeof(ways) / sizeof(ways[0]) };

static void stopped(void) {
  pid_t children[kWays];
  int ends[kWays][2];
  struct {
    long ms, result, error;
  } told;
  for (int i = 0; i < kWays; ++i) {
    pipe(ends[i]);
    children[i] = fork();
    if (children[i] == 0) {
      long begin = ms_now();
      told.result = ways[i].wait();
      told.error = told.result < 0 ? errno : 0;
      told.ms = ms_now() - begin;
      write(ends[i][1], &told, sizeof(told));
      _exit(0);
    }
  }
  usleep(1000000);
  for (int i = 0; i < kWays; ++i) kill(children[i], SIGSTOP);
  usleep(200000);
  for (int i = 0; i < kWays; ++i) kill(children[i], SIGCONT);
  for (int i = 0; i < kWays; ++i) {
    read(ends[i][0], &told, sizeof(told));
    waitpid(children[i], NULL, 0);
    close(ends[i][0]), close(ends[i][1]);
    int right = ways[i].whole ? told.ms >= 1990 && told.ms < 2700 : told.ms < 2700;
    printf("stopped in %s: %ld %s, in time: %d\n", ways[i].name, told.result,
           told.error ? strerrorname((int)told.error) : "", right);
    if (!right) printf("  %ld ms\n", told.ms);
  }
}

/* A handler that wants calls restarted does not get one with an end restarted. */
static void interrupted(void) {
  struct itimerval soon = {.it_value = {0, 50000}};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  for (int i = 0; i < kWays - 1; ++i) {
    long begin = ms_now();
    setitimer(ITIMER_REAL, &soon, NULL);
    long result = ways[i].wait();
    printf("handler in %s: %ld %s, at once: %d\n", ways[i].name, result, result < 0 ? strerrorname(errno) : "",
           ms_now() - begin < 1500);
  }
  /* And what waits after that waits for all of its time. */
  long begin = ms_now();
  poll(NULL, 0, 300);
  printf("afterwards: %d\n", ms_now() - begin >= 299);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  stopped();
  interrupted();
  return 0;
}
