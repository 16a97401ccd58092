/* Local datagrams that find no room: who sends waits, or is told to try again; who is of another type
 * is refused as such; the queue of errors, which is empty. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static const struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/tmp/files-full"};
#define TO_AT (const struct sockaddr *)&at, sizeof(at)
static int receiver(void) {
  const int made = socket(AF_UNIX, SOCK_DGRAM, 0);
  unlink(at.sun_path);
  bind(made, TO_AT);
  return made;
}
static int connected(void) {
  const int made = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (connect(made, TO_AT) != 0) puts("not connected");
  return made;
}
static int events(int socket, int ms) {
  struct pollfd look = {socket, POLLOUT};
  return poll(&look, 1, ms) < 0 ? -1 : look.revents;
}
/* Until not even a byte fits. */
static int fill(int socket, int by_name) {
  char bytes[4000] = "";
  int count = 0;
  for (int size = sizeof(bytes); size > 0;) {
    const long sent = by_name ? sendto(socket, bytes, size, MSG_DONTWAIT, TO_AT)
                              : send(socket, bytes, size, MSG_DONTWAIT);
    count += sent >= 0;
    if (sent < 0) size = size == 1 ? 0 : 1;
  }
  return count;
}
static void drain(int socket) {
  char bytes[4000];
  while (recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0) {
  }
}

static void told_to_try_again(void) {
  const int hears = receiver(), sends = connected(), other = connected();
  printf("empty: %x\n", events(sends, 0));
  printf("some fit: %d\n", fill(sends, 0) > 3);
  VALUE(send(sends, "x", 1, MSG_DONTWAIT));
  printf("full: %x\n", events(sends, 50));
  drain(hears);
  printf("again: %x\n", events(sends, 1000));
  VALUE(send(sends, "x", 1, MSG_DONTWAIT));
  /* Full of another's: who is connected sees it before it has tried. */
  fill(other, 0);
  printf("full of another's: %x\n", events(sends, 50));
  drain(hears);
  /* By name. */
  const int free = socket(AF_UNIX, SOCK_DGRAM, 0);
  fill(free, 1);
  VALUE(sendto(free, "x", 1, MSG_DONTWAIT, TO_AT));
  const struct timeval soon = {0, 50000};
  setsockopt(free, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
  VALUE(sendto(free, "x", 1, 0, TO_AT));
  drain(hears);
  VALUE(sendto(free, "x", 1, 0, TO_AT));
  close(free), close(hears), close(sends), close(other);
}

enum { kMany = 1000 };
static int by_name;
static void *sends_many(void *argument) {
  const int sends = (int)(long)argument;
  char bytes[1000] = "";
  for (int i = 0; i < kMany; ++i) {
    memcpy(bytes, &i, sizeof(i));
    const long sent = by_name ? sendto(sends, bytes, sizeof(bytes), 0, TO_AT)
                              : write(sends, bytes, sizeof(bytes));
    if (sent != sizeof(bytes)) return strerrorname(errno);
  }
  return "all sent";
}
static void waits(const char *name, int sends) {
  const int hears = receiver();
  pthread_t thread;
  char bytes[1000];
  void *end;
  int right = 0;
  if (!by_name && connect(sends, TO_AT) != 0) puts("not connected");
  pthread_create(&thread, NULL, sends_many, (void *)(long)sends);
  usleep(100000);
  for (int i = 0; i < kMany; ++i) {
    int number = -1;
    recv(hears, bytes, sizeof(bytes), 0);
    memcpy(&number, bytes, sizeof(number));
    right += number == i;
  }
  pthread_join(thread, &end);
  printf("%s: %s, %d right\n", name, (char *)end, right);
  /* Who waits learns that nobody takes anything any more. */
  pthread_create(&thread, NULL, sends_many, (void *)(long)sends);
  usleep(100000);
  unlink(at.sun_path);
  close(hears);
  pthread_join(thread, &end);
  printf("%s, closed: %s\n", name, (char *)end);
  close(sends);
}

static void of_another_type(void) {
  const int stream = socket(AF_UNIX, SOCK_STREAM, 0), packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  const int hears = receiver();
  VALUE(connect(stream, TO_AT));
  VALUE(connect(packets, TO_AT));
  close(hears);
  unlink(at.sun_path);
  bind(stream, TO_AT);
  listen(stream, 5);
  const int sends = socket(AF_UNIX, SOCK_DGRAM, 0);
  VALUE(connect(sends, TO_AT));
  VALUE(sendto(sends, "x", 1, 0, TO_AT));
  VALUE(connect(packets, TO_AT));
  close(stream), close(packets), close(sends);
}

static void no_errors(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  const int hears = socket(AF_INET, SOCK_DGRAM, 0), sends = socket(AF_INET, SOCK_DGRAM, 0);
  bind(hears, (struct sockaddr *)&address, size);
  getsockname(hears, (struct sockaddr *)&address, &size);
  char bytes[8] = "", control[64];
  struct iovec piece = {bytes, sizeof(bytes)};
  struct msghdr header = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  VALUE(recvmsg(hears, &header, MSG_ERRQUEUE));
  VALUE(sendto(sends, "data", 5, 0, (struct sockaddr *)&address, size));
  VALUE(recvmsg(hears, &header, MSG_ERRQUEUE));
  VALUE(recvmsg(hears, &header, 0));
  printf("%s\n", bytes);
  close(hears), close(sends);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  alarm(60);
  told_to_try_again();
  int pair[2];
  waits("connected", socket(AF_UNIX, SOCK_DGRAM, 0));
  by_name = 1;
  waits("by name", socket(AF_UNIX, SOCK_DGRAM, 0));
  socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
  waits("one of a pair", pair[0]);
  of_another_type();
  no_errors();
  unlink(at.sun_path);
  return 0;
}
