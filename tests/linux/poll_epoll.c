/* poll, select, epoll in all its modes, eventfd, timerfd. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

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
  return 0;
}
