/* The ends of connections: half-close, close, resets, and what each side sees of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp_pair.h"

enum { kAll = POLLIN | POLLOUT | POLLRDHUP };
static int listener;

static int Pair(void) {
  Meet();
  const int fd = side == kServer ? Accepted(listener) : Connected(5);
  Meet();
  return fd;
}
static const char* Read(int fd) {
  static char text[4][64];
  static int next;
  char* out = text[next++ % 4];
  const long count = recv(fd, out, 60, MSG_DONTWAIT);
  if (count <= 0) return count == 0 ? "the end" : ErrorName(errno);
  out[count] = 0;
  return out;
}
static const char* Write(int fd, const char* text) {
  return Error(send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT));
}

static void HalfClose(void) {
  const int fd = Pair();
  if (side == kClient) {
    Write(fd, "question");
    Say("shutdown: %s", Error(shutdown(fd, SHUT_WR)));
    Say("write after it: %s", Write(fd, "x"));
  }
  Settle();
  if (side == kServer) {
    Say("poll: %s", PollBits(fd, kAll, 0));
    Say("read: %s", Read(fd));
    Say("read: %s", Read(fd));
    Say("still writable: %s", Write(fd, "answer"));
    Say("poll: %s", PollBits(fd, kAll, 0));
  }
  Settle();
  if (side == kClient) {
    Say("poll: %s", PollBits(fd, kAll, 0));
    Say("read: %s", Read(fd));
    Say("poll: %s", PollBits(fd, kAll, 0));
  }
  Meet();
  if (side == kServer) close(fd);
  Settle();
  if (side == kClient) {
    Say("poll when both are over: %s", PollBits(fd, kAll, 0));
    Say("read: %s", Read(fd));
    close(fd);
  }
  Meet();
}

static void WriteToClosed(void) {
  const int fd = Pair();
  if (side == kServer) close(fd);
  Settle();
  if (side == kClient) {
    Say("poll after the peer's close: %s", PollBits(fd, kAll, 0));
    Say("first write: %s", Write(fd, "x"));
  }
  Settle();
  if (side == kClient) {
    Say("poll after the reset: %s", PollBits(fd, kAll, 0));
    Say("second write: %s", Write(fd, "x"));
    Say("third write: %s", Write(fd, "x"));
    Say("read: %s", Read(fd));
    close(fd);
  }
  Meet();
}

static void UnreadData(void) {
  const int fd = Pair();
  if (side == kClient) Write(fd, "never read");
  Settle();
  if (side == kServer) close(fd);
  Settle();
  if (side == kClient) {
    Say("poll: %s", PollBits(fd, kAll, 0));
    Say("read: %s", Read(fd));
    Say("read: %s", Read(fd));
    Say("write: %s", Write(fd, "x"));
    close(fd);
  }
  Meet();
}

static void ReadableBeforeReset(void) {
  const int fd = Pair();
  const struct linger none = {1, 0};
  if (side == kServer) {
    Write(fd, "last words");
    Settle();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
    Settle();
  } else {
    Settle();
    Settle();
    Say("poll: %s", PollBits(fd, kAll, 0));
    Say("error: %s", ErrorName(PendingError(fd)));
    Say("error again: %s", ErrorName(PendingError(fd)));
    Say("write: %s", Write(fd, "x"));
    close(fd);
  }
  Meet();
}

static void ShutdownRead(void) {
  const int fd = Pair();
  if (side == kClient) {
    Say("shutdown: %s", Error(shutdown(fd, SHUT_RD)));
    Say("poll: %s", PollBits(fd, kAll, 0));
    Say("read: %s", Read(fd));
  }
  Meet();
  close(fd);
  Meet();
}

static void ClosedListener(void) {
  Meet();
  const int fd = side == kClient ? Connected(5) : -1;
  Settle();
  if (side == kServer) close(listener);
  Settle();
  if (side == kClient) {
    Say("in the backlog of a closed listener: %s", Read(fd));
    close(fd);
  }
  Meet();
}

void TestEnding(void) {
  listener = side == kServer ? Listener(5, 5) : -1;
  HalfClose();
  WriteToClosed();
  UnreadData();
  ReadableBeforeReset();
  ShutdownRead();
  ClosedListener();
}
