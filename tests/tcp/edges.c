/* epoll, edge-triggered and one-shot: an event for what is new, and for nothing else. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp_pair.h"

static const char* Events(int epoll, int ms) {
  static char text[4][80];
  static int next;
  char* out = text[next++ % 4];
  struct epoll_event event;
  const int count = epoll_wait(epoll, &event, 1, ms);
  snprintf(out, sizeof text[0], "%s%s%s%s%s%s", count <= 0 ? "nothing" : "",
           count > 0 && event.events & EPOLLIN ? "in " : "",
           count > 0 && event.events & EPOLLOUT ? "out " : "",
           count > 0 && event.events & EPOLLRDHUP ? "rdhup " : "",
           count > 0 && event.events & EPOLLHUP ? "hup " : "",
           count > 0 && event.events & EPOLLERR ? "err " : "");
  return out;
}

static void Send(int fd, const char* text) { (void)!write(fd, text, strlen(text)); }

static void Reading(int fd) {
  char text[16];
  const int epoll = epoll_create1(0);
  struct epoll_event interest = {EPOLLIN | EPOLLRDHUP | EPOLLET, {0}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
  if (side == kClient) Say("nothing yet: %s", Events(epoll, 0));
  Meet();
  if (side == kServer) Send(fd, "abcd");
  Settle();
  if (side == kClient) {
    Say("first bytes: %s", Events(epoll, 0));
    Say("no news: %s", Events(epoll, 0));
    (void)!read(fd, text, 2);
    Say("half read: %s", Events(epoll, 0));
  }
  Meet();
  if (side == kServer) Send(fd, "ef");
  Settle();
  if (side == kClient) {
    Say("more bytes: %s", Events(epoll, 0));
    Say("read: %ld", (long)read(fd, text, sizeof text));
    interest.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &interest);
    Say("one shot, empty: %s", Events(epoll, 0));
  }
  Meet();
  if (side == kServer) Send(fd, "g");
  Settle();
  if (side == kClient) {
    Say("one shot: %s", Events(epoll, 0));
    Say("spent: %s", Events(epoll, 0));
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &interest);
    Say("armed again: %s", Events(epoll, 0));
  }
  Meet();
  close(epoll);
}

/* A full buffer gives no event; room in it gives one. */
static void Writing(int fd) {
  static char piece[65536];
  const int epoll = epoll_create1(0);
  SetNonBlocking(fd);
  if (side == kClient) {
    struct epoll_event interest = {EPOLLOUT | EPOLLET, {0}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
    Say("writable: %s", Events(epoll, 0));
    Say("no news: %s", Events(epoll, 0));
    for (;;) {
      while (write(fd, piece, sizeof piece) > 0) {
      }
      usleep(100000); /* what is on its way makes room once more */
      if (write(fd, piece, 1) < 0) break;
    }
    while (strcmp(Events(epoll, 100), "nothing") != 0) {
      while (write(fd, piece, sizeof piece) > 0) {
      }
    }
    Say("full: %s", Events(epoll, 0));
  }
  Meet();
  if (side == kServer) {
    long idle = 0;
    while (idle < 20) {
      const long count = read(fd, piece, sizeof piece);
      idle = count > 0 ? 0 : idle + 1;
      if (count <= 0) usleep(20000);
    }
  }
  Settle();
  if (side == kClient) {
    Say("room again: %s", Events(epoll, 5000));
    Say("no news: %s", Events(epoll, 0));
  }
  close(epoll);
  Meet();
}

static void Ending(int fd) {
  char text[16];
  const int epoll = epoll_create1(0);
  struct epoll_event interest = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {0}};
  if (side == kClient) {
    while (read(fd, text, sizeof text) > 0) {
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
    Say("before: %s", Events(epoll, 0));
  }
  Meet();
  if (side == kServer) shutdown(fd, SHUT_WR);
  Settle();
  if (side == kClient) {
    Say("the peer's end: %s", Events(epoll, 0));
    Say("no news: %s", Events(epoll, 0));
    shutdown(fd, SHUT_WR);
  }
  Settle();
  if (side == kClient) Say("both ends: %s", Events(epoll, 1000));
  close(epoll);
  Meet();
}

void TestEdges(void) {
  const int listener = side == kServer ? Listener(6, 1) : -1;
  Meet();
  const int fd = side == kServer ? Accepted(listener) : Connected(6);
  Reading(fd);
  Writing(fd);
  Ending(fd);
  close(fd);
  if (side == kServer) close(listener);
}
