/* Waiting for one of many sockets: what the idle ones cost. */
#include "micro.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kIdle = 10000 };

/* An epoll set with `idle` sockets that say nothing, in front of and behind the one pair that talks. */
struct Set {
  int epoll, ends[2];
};

static void Watch(int epoll, int socket) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
  Check(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0, "epoll_ctl");
}

static void AddIdle(int epoll, int idle) {
  for (int i = 0; i < idle; i += 2) {
    int pair[2];
    Check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    Watch(epoll, pair[0]);
    Watch(epoll, pair[1]);
  }
}

static struct Set MakeSet(int idle) {
  struct rlimit limit = {kIdle + 1024, kIdle + 1024};
  setrlimit(RLIMIT_NOFILE, &limit);
  struct Set set = {.epoll = epoll_create1(0)};
  Check(set.epoll >= 0, "epoll_create1");
  AddIdle(set.epoll, idle / 2);
  Check(socketpair(AF_UNIX, SOCK_STREAM, 0, set.ends) == 0, "socketpair");
  Watch(set.epoll, set.ends[1]);
  AddIdle(set.epoll, idle / 2);
  return set;
}

static void Talk(const struct Set* set, int count) {
  for (int i = 0; i < count; ++i) {
    char byte = (char)i;
    struct epoll_event events[8];
    Check(write(set->ends[0], &byte, 1) == 1, "write");
    Check(epoll_wait(set->epoll, events, 8, -1) == 1 && events[0].data.fd == set->ends[1], "epoll_wait");
    Check(read(set->ends[1], &byte, 1) == 1 && byte == (char)i, "read");
  }
}

/* The sets are made in a row's first round; the best round counts. */
void EpollFew(int count) {
  static struct Set set;
  if (set.epoll == 0) set = MakeSet(10);
  Talk(&set, count);
}

void EpollMany(int count) {
  static struct Set set;
  if (set.epoll == 0) set = MakeSet(kIdle);
  Talk(&set, count);
}
