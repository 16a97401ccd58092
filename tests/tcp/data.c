/* Bytes: order, peeking, counting, timeouts, a transfer larger than all buffers, both ways at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tcp_pair.h"

static void Small(int fd) {
  char text[64] = "";
  int count = 0;
  if (side == kClient) {
    struct iovec parts[2] = {{(char*)"scattered ", 10}, {(char*)"words", 5}};
    Say("writev: %ld", (long)writev(fd, parts, 2));
    Settle();
  } else {
    Settle();
    ioctl(fd, FIONREAD, &count);
    Say("to read: %d", count);
    Say("peek: %ld", (long)recv(fd, text, 9, MSG_PEEK));
    Say("read: %ld '%s'", (long)recv(fd, text, sizeof text - 1, 0), text);
    Say("more: %s", Error(recv(fd, text, 1, MSG_DONTWAIT)));
    Say("an empty read: %ld", (long)recv(fd, text, 0, MSG_DONTWAIT));
  }
  Meet();
  if (side == kServer) {
    (void)!write(fd, "abcdef", 6);
  } else {
    Say("wait for all: %ld", (long)recv(fd, text, 6, MSG_WAITALL));
    const struct timeval soon = {0, 50000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    Say("nothing in time: %s", Error(read(fd, text, 1)));
    const struct timeval never = {0, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
  }
  Meet();
}

static unsigned char Pattern(int from, long at) { return (unsigned char)(at * 31 + (at >> 11) + from); }

/* Both sides send and receive kMost bytes, with poll, in pieces of their own sizes. */
static void Large(int fd) {
  const long kMost = 3000000;
  long sent = 0, got = 0, wrong = 0;
  unsigned seed = side == kServer ? 1 : 2;
  unsigned char piece[40000];
  SetNonBlocking(fd);
  while (sent < kMost || got < kMost) {
    struct pollfd one = {fd, (short)((sent < kMost ? POLLOUT : 0) | (got < kMost ? POLLIN : 0)), 0};
    if (poll(&one, 1, 20000) <= 0) {
      Say("stuck");
      exit(1);
    }
    const long want = rand_r(&seed) % (long)sizeof piece + 1;
    if (one.revents & POLLOUT) {
      const long most = want < kMost - sent ? want : kMost - sent;
      for (long i = 0; i < most; i++) piece[i] = Pattern(side, sent + i);
      const long count = write(fd, piece, (size_t)most);
      if (count > 0) sent += count;
    }
    if (one.revents & POLLIN) {
      const long count = read(fd, piece, (size_t)want);
      for (long i = 0; i < count; i++) wrong += piece[i] != Pattern(1 - side, got + i);
      if (count > 0) got += count;
    }
  }
  Say("sent %ld, got %ld, wrong %ld", sent, got, wrong);
}

void TestData(void) {
  const int listener = side == kServer ? Listener(4, 1) : -1;
  Meet();
  const int fd = side == kServer ? Accepted(listener) : Connected(4);
  Small(fd);
  Large(fd);
  Meet();
  close(fd);
  if (side == kServer) close(listener);
  Meet();
}
