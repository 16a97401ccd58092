/* Refusal, non-blocking connects, the backlog, names, and calls in the wrong state. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcp_pair.h"

static void Refusal(void) {
  if (side == kServer) return;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  Say("connect to nobody: %s", ErrorName(TryConnect(fd, 99)));
  Say("error afterwards: %s", ErrorName(PendingError(fd)));
  Say("again on the same socket: %s", ErrorName(TryConnect(fd, 99)));
  close(fd);
  fd = socket(AF_INET, SOCK_STREAM, 0);
  SetNonBlocking(fd);
  int error = TryConnect(fd, 99);
  if (error == EINPROGRESS) {
    poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 10000);
    error = PendingError(fd);
  }
  Say("without blocking: %s", ErrorName(error));
  close(fd);
}

static void NonBlocking(void) {
  const int listener = side == kServer ? Listener(1, 5) : -1;
  Meet();
  if (side == kClient) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    SetNonBlocking(fd);
    char byte;
    Say("poll before connect: %s", PollBits(fd, POLLIN | POLLOUT, 0));
    Say("read before connect: %s", Error(read(fd, &byte, 1)));
    Say("write before connect: %s", Error(write(fd, "x", 1)));
    Say("shutdown before connect: %s", Error(shutdown(fd, SHUT_WR)));
    const int error = TryConnect(fd, 1);
    Say("connect: %s", error == 0 || error == EINPROGRESS ? "begun" : ErrorName(error));
    Say("writable: %s", PollBits(fd, POLLOUT, 10000));
    Say("error: %s", ErrorName(PendingError(fd)));
    const int again = TryConnect(fd, 1);
    Say("connect again: %s", again == 0 ? "EISCONN" : ErrorName(again)); /* Linux says 0 once */
    Say("and again: %s", ErrorName(TryConnect(fd, 1)));
    Say("read: %s", Error(read(fd, &byte, 1)));
    Say("accept: %s", Error(accept(fd, NULL, NULL)));
    Meet();
    close(fd);
  } else {
    SetNonBlocking(listener);
    Say("listener readable: %s", PollBits(listener, POLLIN | POLLOUT, 10000));
    const int fd = accept(listener, NULL, NULL);
    Say("accept: %s", Error(fd));
    Say("accept again: %s", Error(accept(listener, NULL, NULL)));
    Say("read from a listener: %s", Error(read(listener, &(char){0}, 1)));
    Say("connect a listener: %s", ErrorName(TryConnect(listener, 1)));
    Meet();
    close(fd);
    close(listener);
  }
}

static void Backlog(void) {
  const int listener = side == kServer ? Listener(2, 1) : -1;
  int fds[3];
  Meet();
  if (side == kClient) {
    for (int i = 0; i < 3; i++) {
      fds[i] = socket(AF_INET, SOCK_STREAM, 0);
      SetNonBlocking(fds[i]);
      TryConnect(fds[i], 2);
      Say("caller %d: %s", i, PollBits(fds[i], POLLOUT, i < 2 ? 10000 : 300));
    }
  }
  Meet();
  for (int i = 0; i < 3; i++) {
    if (side == kServer) fds[i] = Accepted(listener);
  }
  if (side == kClient) Say("the last caller: %s", PollBits(fds[2], POLLOUT, 20000));
  Meet();
  for (int i = 0; i < 3; i++) close(fds[i]);
  if (side == kServer) close(listener);
}

static void Names(void) {
  const int listener = side == kServer ? Listener(3, 1) : -1;
  struct sockaddr_in mine, peer;
  socklen_t size = sizeof mine, peer_size = sizeof peer;
  uint16_t port = 0, told = 0;
  Meet();
  const int fd = side == kServer ? Accepted(listener) : Connected(3);
  getsockname(fd, (struct sockaddr*)&mine, &size);
  getpeername(fd, (struct sockaddr*)&peer, &peer_size);
  if (side == kClient) {
    Say("the peer is whom I called: %d", ntohs(peer.sin_port) == base_port + 3 &&
                                             peer.sin_addr.s_addr == inet_addr(address));
    Say("has a port: %d", mine.sin_port != 0);
    port = mine.sin_port;
    (void)!write(fd, &port, sizeof port);
  } else {
    (void)!read(fd, &told, sizeof told);
    Say("my port is the listener's: %d", ntohs(mine.sin_port) == base_port + 3);
    Say("the peer's port is its own: %d", peer.sin_port == told);
  }
  Meet();
  close(fd);
  if (side == kServer) close(listener);
}

void TestConnecting(void) {
  Refusal();
  Meet();
  NonBlocking();
  Meet();
  Backlog();
  Meet();
  Names();
  Meet();
}
