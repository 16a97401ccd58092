/* poll, select, epoll in all its modes, eventfd, timerfd. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static int fds[2];
static void *later(void *argument) {
  usleep(20000);
  write(*(int *)argument, "12345678", 8);
  return NULL;
}
static int wait_events(int epoll, int timeout) {
  struct epoll_event events[8];
  int count = epoll_wait(epoll, events, 8, timeout);
  printf("  %d:", count);
  for (int i = 0; i < count; ++i)
    printf(" %x/%d", events[i].events, (int)events[i].data.u32);
  printf("\n");
  return count;
}
static void add(int epoll, int fd, unsigned events, int tag) {
  struct epoll_event event = {.events = events, .data.u32 = (unsigned)tag};
  VALUE(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}
/* More watches than a node has for a process: one more is refused, and those it has do their work,
 * though one of them lose its place to a newcomer. */
enum { kSets = 20, kDups = 820 };
static int sets[kSets], dups[kDups];
static struct epoll_event kept[8];
static int add_idle(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}
static void many_watches(void) {
  int idle[2], one[2], odd = 0, refused = 0;
  if (pipe(idle) || pipe(one)) exit(1);
  for (int i = 0; i < kDups; ++i) dups[i] = dup(idle[0]);
  for (int i = 0; i < kSets; ++i) sets[i] = epoll_create1(0);
  int first = epoll_create1(0);
  VALUE(add_idle(first, one[0]));
  for (int i = 0; i < kSets; ++i)
    for (int j = 0; j < kDups - 1; ++j) {
      int error = add_idle(sets[i], dups[j]);
      odd += error != 0 && error != ENOSPC;
      refused += error == ENOSPC;
    }
  VALUE(odd);
  if (refused == 0 && on_node()) printf("nothing was refused\n");
  VALUE(epoll_wait(sets[kSets - 1], kept, 8, 0));
  struct pollfd reads = {idle[0], POLLIN, 0};
  VALUE(poll(&reads, 1, 1));
  /* It has fired, so another can have its place; then it is idle again. */
  write(one[1], "x", 1);
  reads.fd = one[0];
  VALUE(poll(&reads, 1, 1));
  int error = add_idle(sets[0], dups[kDups - 1]);
  if (error != 0) printf("no place: %d\n", error);
  char byte;
  read(one[0], &byte, 1);
  VALUE(epoll_wait(first, kept, 8, 0));
  VALUE(epoll_wait(first, kept, 8, 30));
  pthread_t thread;
  pthread_create(&thread, NULL, later, &one[1]);
  VALUE(epoll_wait(first, kept, 8, 20000));
  pthread_join(thread, NULL);
  write(idle[1], "x", 1);
  VALUE(epoll_wait(sets[0], kept, 8, 20000));
  close(first);
  for (int i = 0; i < kSets; ++i) close(sets[i]);
  for (int i = 0; i < kDups; ++i) close(dups[i]);
}
/* Woken over and over for a byte that somebody else has taken by the time it looks. */
static void lost_races(int by_select) {
  enum { kRaces = 3000, kPause = 50000 };
  int race[2];
  volatile int *stays = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pipe(race);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct pollfd reads = {race[0], POLLIN, 0};
    fd_set set;
    int seen, last;
    do {
      last = *stays;
      FD_ZERO(&set);
      FD_SET(race[0], &set);
      seen = by_select ? select(race[0] + 1, &set, NULL, NULL, NULL) : poll(&reads, 1, -1);
    } while (seen == 1 && !last);
    _exit(seen == 1 ? 9 : 1);
  }
  int status, right = 0;
  char byte;
  for (int i = 0; i < kRaces; ++i) {
    right += write(race[1], "x", 1) == 1 && read(race[0], &byte, 1) == 1;
    for (volatile int j = 0; j < kPause; ++j) {
    }
  }
  *stays = 1;
  write(race[1], "y", 1);
  waitpid(child, &status, 0);
  printf("races %d, in the end %d\n", right, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  close(race[0]), close(race[1]);
}
int main(void) {
  pipe2(fds, O_NONBLOCK);
  struct pollfd polls[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLOUT, 0}, {-1, POLLIN, 0}};
  VALUE(poll(polls, 3, 0));
  printf("%x %x %x\n", polls[0].revents, polls[1].revents, polls[2].revents);
  VALUE(poll(polls, 1, 10));
  polls[2].fd = 77;
  VALUE(poll(polls + 2, 1, 0));
  printf("%x\n", polls[2].revents);
  pthread_t thread;
  pthread_create(&thread, NULL, later, &fds[1]);
  VALUE(poll(polls, 1, 5000));
  pthread_join(thread, NULL);
  fd_set read_set;
  FD_ZERO(&read_set);
  FD_SET(fds[0], &read_set);
  struct timeval time = {1, 0};
  VALUE(select(fds[0] + 1, &read_set, NULL, NULL, &time));
  printf("set %d\n", FD_ISSET(fds[0], &read_set) != 0);

  int epoll = epoll_create1(EPOLL_CLOEXEC);
  add(epoll, fds[0], EPOLLIN, 1);
  struct epoll_event again = {.events = EPOLLIN};
  VALUE(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &again));
  VALUE(epoll_ctl(epoll, EPOLL_CTL_MOD, fds[1], &again));
  printf("level:\n");
  wait_events(epoll, 0);
  wait_events(epoll, 0);
  char buffer[64];
  read(fds[0], buffer, sizeof(buffer));
  wait_events(epoll, 0);
  printf("edge:\n");
  again = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u32 = 2};
  VALUE(epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &again));
  write(fds[1], "a", 1);
  wait_events(epoll, 0);
  wait_events(epoll, 0);
  write(fds[1], "b", 1);
  wait_events(epoll, 0);
  read(fds[0], buffer, sizeof(buffer));
  wait_events(epoll, 0);
  printf("edge of a writer:\n");
  static char much[65536];
  fcntl(fds[1], F_SETFL, O_NONBLOCK);
  struct epoll_event out = {.events = EPOLLOUT | EPOLLET, .data.u32 = 5};
  VALUE(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[1], &out));
  wait_events(epoll, 0);
  write(fds[1], "a", 1);
  read(fds[0], buffer, sizeof(buffer));
  wait_events(epoll, 0);
  VALUE(write(fds[1], much, sizeof(much)));
  VALUE(write(fds[1], much, sizeof(much)));
  wait_events(epoll, 0);
  VALUE(read(fds[0], much, sizeof(much)));
  wait_events(epoll, 0);
  VALUE(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[1], NULL));
  fcntl(fds[1], F_SETFL, 0);
  printf("one shot:\n");
  again = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 3};
  epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &again);
  write(fds[1], "c", 1);
  wait_events(epoll, 0);
  wait_events(epoll, 0);
  epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &again);
  wait_events(epoll, 0);
  read(fds[0], buffer, sizeof(buffer));
  epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &again);
  pthread_create(&thread, NULL, later, &fds[1]);
  wait_events(epoll, 5000);
  pthread_join(thread, NULL);
  read(fds[0], buffer, sizeof(buffer));
  printf("hangup:\n");
  again = (struct epoll_event){.events = EPOLLIN, .data.u32 = 4};
  epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &again);
  close(fds[1]);
  wait_events(epoll, 1000);
  VALUE(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[0], NULL));
  wait_events(epoll, 0);

  int event = eventfd(3, EFD_NONBLOCK);
  add(epoll, event, EPOLLIN | EPOLLOUT, 5);
  wait_events(epoll, 0);
  uint64_t number = 0;
  VALUE(read(event, &number, 8));
  printf("event %d\n", (int)number);
  VALUE(read(event, &number, 8));
  number = 5;
  VALUE(write(event, &number, 8));
  VALUE(read(event, &number, 4));
  int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  VALUE(read(semaphore, &number, 8));
  printf("semaphore %d\n", (int)number);

  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec soon = {{0, 0}, {0, 20000000}};
  VALUE(read(timer, &number, 8));
  timerfd_settime(timer, 0, &soon, NULL);
  epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL);
  add(epoll, timer, EPOLLIN, 6);
  wait_events(epoll, 2000);
  VALUE(read(timer, &number, 8));
  printf("expirations %d\n", (int)number);

  int outer = epoll_create1(0);
  add(outer, epoll, EPOLLIN, 7);
  wait_events(outer, 0);
  timerfd_settime(timer, 0, &soon, NULL);
  wait_events(outer, 2000);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  add(epoll, pair[0], EPOLLIN | EPOLLRDHUP, 8);
  read(timer, &number, 8);
  shutdown(pair[1], SHUT_WR);
  wait_events(epoll, 1000);
  close(pair[0]);
  wait_events(epoll, 0);
  VALUE(epoll_wait(epoll, NULL, 0, 0));
  VALUE(epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &again));
  many_watches();
  lost_races(0);
  lost_races(1);
  return 0;
}
