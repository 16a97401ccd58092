#define _GNU_SOURCE
#include "tcp_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int side, base_port;
const char* address;
static int control = -1;

void Say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("%s: ", side == kServer ? "server" : "client");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  fflush(stdout);
}

static void Die(const char* what) {
  Say("%s: %s", what, strerror(errno));
  exit(1);
}

void Meet(void) {
  char byte = 'm';
  if (write(control, &byte, 1) != 1 || read(control, &byte, 1) != 1) Die("the other side is gone");
}
void Settle(void) {
  Meet();
  usleep(150000);
  Meet();
}

static struct sockaddr_in At(int offset) {
  struct sockaddr_in at;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((uint16_t)(base_port + offset));
  inet_pton(AF_INET, address, &at.sin_addr);
  return at;
}

int Listener(int offset, int backlog) {
  struct sockaddr_in at = At(offset);
  const int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  at.sin_addr.s_addr = INADDR_ANY;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr*)&at, sizeof at) != 0 || listen(fd, backlog) != 0) Die("listen");
  return fd;
}

int TryConnect(int fd, int offset) {
  const struct sockaddr_in at = At(offset);
  return connect(fd, (const struct sockaddr*)&at, sizeof at) == 0 ? 0 : errno;
}

int Connected(int offset) {
  const int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  const int error = TryConnect(fd, offset);
  if (error != 0) {
    errno = error;
    Die("connect");
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

int Accepted(int listener) {
  const int fd = accept(listener, NULL, NULL);
  if (fd < 0) Die("accept");
  return fd;
}

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

const char* ErrorName(int number) { return number == 0 ? "ok" : strerrorname_np(number); }
const char* Error(long result) { return result >= 0 ? "ok" : ErrorName(errno); }

int PendingError(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

const char* PollBits(int fd, int wanted, int ms) {
  static char text[4][80];
  static int next;
  char* out = text[next++ % 4];
  struct pollfd one = {fd, (short)wanted, 0};
  const int count = poll(&one, 1, ms);
  static const struct {
    int bit;
    const char* name;
  } kBits[] = {{POLLIN, "in "},   {POLLOUT, "out "}, {POLLRDHUP, "rdhup "},
               {POLLHUP, "hup "}, {POLLERR, "err "}, {POLLNVAL, "nval "}};
  out[0] = 0;
  for (unsigned i = 0; count > 0 && i < sizeof kBits / sizeof kBits[0]; i++) {
    if (one.revents & kBits[i].bit) strcat(out, kBits[i].name);
  }
  if (count <= 0) strcat(out, "nothing");
  return out;
}

/* usage: tcp_pair server|client ADDRESS BASE_PORT */
int main(int argc, char** argv) {
  if (argc != 4) return 2;
  side = strcmp(argv[1], "server") == 0 ? kServer : kClient;
  address = argv[2];
  base_port = atoi(argv[3]);
  signal(SIGPIPE, SIG_IGN);
  alarm(100);
  if (side == kServer) {
    const int listener = Listener(0, 1);
    control = Accepted(listener);
    close(listener);
  } else {
    for (int tries = 0; control < 0 && tries < 100; tries++) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      if (TryConnect(fd, 0) == 0) {
        control = fd;
      } else {
        close(fd);
        usleep(100000);
      }
    }
    if (control < 0) Die("no server");
  }
  TestConnecting();
  TestData();
  TestEnding();
  TestEdges();
  Meet();
  Say("done");
  return 0;
}
