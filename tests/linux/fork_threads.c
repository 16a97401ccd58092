/* A fork while other threads wait: in the child they are no more, nor is what their calls had open. */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static pid_t parent;

/* Of the thread that waits: it may only come back in the parent. */
static void only_in_parent(const char *what) {
  if (getpid() == parent) return;
  char text[80];
  int size = snprintf(text, sizeof(text), "%s came back in the child\n", what);
  write(1, text, size);
  _exit(99);
}

struct waiter {
  const char *name;
  void *(*wait)(void *);
  int in, out;
};

static void *waits_epoll(void *argument) {
  struct waiter *self = argument;
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, self->in, &event);
  long got = epoll_wait(epoll, &event, 1, 20000);
  only_in_parent(self->name);
  close(epoll);
  return (void *)got;
}
static void *waits_inner_epoll(void *argument) {
  struct waiter *self = argument;
  int inner = epoll_create1(0), outer = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(inner, EPOLL_CTL_ADD, self->in, &event);
  epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
  struct pollfd polls[2] = {{outer, POLLIN, 0}, {inner, POLLIN, 0}};
  long got = poll(polls, 2, 20000) > 0;
  only_in_parent(self->name);
  close(inner), close(outer);
  return (void *)got;
}
static void *waits_read(void *argument) {
  struct waiter *self = argument;
  char byte;
  long got = read(self->in, &byte, 1);
  only_in_parent(self->name);
  return (void *)got;
}

static void fork_beside(struct waiter *self) {
  int ends[2], status = 0;
  pthread_t thread;
  void *got;
  pipe(ends);
  self->in = ends[0], self->out = ends[1];
  pthread_create(&thread, NULL, self->wait, self);
  usleep(200000);
  pid_t child = fork();
  if (child == 0) {
    /* It waits, too, so that whatever comes finds it. */
    struct timespec rest = {0, 600000000};
    while (nanosleep(&rest, &rest) != 0) {
    }
    _exit(7);
  }
  usleep(200000);
  write(ends[1], "x", 1);
  pthread_join(thread, &got);
  waitpid(child, &status, 0);
  printf("%s: %ld in the parent, the child ended with %d\n", self->name, (long)got,
         WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  close(ends[0]), close(ends[1]);
}

/* The set itself is the child's, too. */
static void *fork_in_thread(void *argument) {
  int *ends = argument, status = 0;
  usleep(200000);
  pid_t child = fork();
  if (child == 0) {
    struct timespec rest = {1, 0};
    while (nanosleep(&rest, &rest) != 0) {
    }
    struct epoll_event event;
    _exit(epoll_wait(ends[2], &event, 1, 0) == 1 && event.data.u32 == 5 ? 8 : 1);
  }
  usleep(200000);
  write(ends[1], "x", 1);
  waitpid(child, &status, 0);
  return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}
static void main_waits(void) {
  int ends[3];
  void *got;
  pthread_t thread;
  pipe(ends);
  ends[2] = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 5};
  epoll_ctl(ends[2], EPOLL_CTL_ADD, ends[0], &event);
  pthread_create(&thread, NULL, fork_in_thread, ends);
  int count = epoll_wait(ends[2], &event, 1, 20000);
  only_in_parent("main");
  pthread_join(thread, &got);
  printf("main: %d, the child ended with %ld\n", count, (long)got);
  for (int i = 0; i < 3; ++i) close(ends[i]);
}

static void nothing(int signal) { (void)signal; }
static void *accepts(void *argument) {
  long got = accept(*(int *)argument, NULL, NULL) < 0 ? errno : 0;
  only_in_parent("accept");
  return (void *)got;
}
/* A port is free once nobody has it: not a call of a thread that the child never had. */
static void port_is_free(void) {
  int done[2], listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(name);
  pthread_t thread;
  void *got;
  bind(listener, (struct sockaddr *)&name, sizeof(name));
  getsockname(listener, (struct sockaddr *)&name, &size);
  listen(listener, 1);
  pipe(done);
  struct sigaction action = {.sa_handler = nothing};
  sigaction(SIGUSR1, &action, NULL);
  int same = listener;
  pthread_create(&thread, NULL, accepts, &same);
  usleep(200000);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(listener);
    close(done[1]);
    read(done[0], &byte, 1);
    _exit(0);
  }
  usleep(200000);
  pthread_kill(thread, SIGUSR1);
  pthread_join(thread, &got);
  printf("accept ended: %s\n", strerrorname((int)(long)got));
  close(listener);
  int again = socket(AF_INET, SOCK_STREAM, 0);
  VALUE(bind(again, (struct sockaddr *)&name, sizeof(name)));
  VALUE(listen(again, 1));
  close(done[1]);
  waitpid(child, NULL, 0);
  close(again);
  close(done[0]);
}
/* The other end is gone when the parent's reader has gone. */
static void pipe_ends(void) {
  int ends[2], done[2];
  void *got;
  pthread_t thread;
  pipe(ends), pipe(done);
  struct waiter self = {"reader", waits_read, ends[0], ends[1]};
  pthread_create(&thread, NULL, waits_read, &self);
  usleep(200000);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[0]), close(ends[1]), close(done[1]);
    read(done[0], &byte, 1);
    _exit(0);
  }
  usleep(200000);
  write(ends[1], "x", 1);
  pthread_join(thread, &got);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  VALUE(write(ends[1], "x", 1));
  close(done[1]);
  waitpid(child, NULL, 0);
  close(ends[1]), close(done[0]);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  alarm(100);
  parent = getpid();
  struct waiter waiters[] = {{"epoll_wait", waits_epoll}, {"poll of sets", waits_inner_epoll}, {"read", waits_read}};
  for (int i = 0; i < 3; ++i) fork_beside(&waiters[i]);
  main_waits();
  port_is_free();
  pipe_ends();
  return 0;
}
