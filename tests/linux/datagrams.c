/* Internet datagrams: peeking at who sent, connecting to nobody, being refused. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
static struct sockaddr_in address_of(int socket) {
  struct sockaddr_in address;
  socklen_t size = sizeof(address);
  getsockname(socket, (struct sockaddr *)&address, &size);
  return address;
}
static int made(int bound) {
  const int made = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  if (bound) bind(made, (struct sockaddr *)&address, sizeof(address));
  return made;
}
/* Who is connected hears nobody else, and what was there before stays. */
static void only_its_peer(void) {
  char data[16] = "";
  const int hears = socket(AF_INET, SOCK_DGRAM, 0), peer = made(1), other = made(1), free = made(1);
  const struct sockaddr_in at = address_of(free), of = address_of(peer);
  close(free);
  VALUE(bind(hears, (const struct sockaddr *)&at, sizeof(at))); /* a port that it has asked for, and keeps */
  VALUE(sendto(other, "before", 7, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(connect(hears, (const struct sockaddr *)&of, sizeof(of)));
  VALUE(sendto(other, "after", 6, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(sendto(peer, "peer", 5, 0, (const struct sockaddr *)&at, sizeof(at)));
  for (int i = 0; i < 3; ++i) {
    VALUE(recv(hears, data, sizeof(data), MSG_DONTWAIT));
    printf("%s\n", data);
  }
  struct sockaddr_in nobody = {.sin_family = AF_UNSPEC};
  VALUE(connect(hears, (struct sockaddr *)&nobody, sizeof(nobody)));
  VALUE(sendto(other, "again", 6, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(recv(hears, data, sizeof(data), MSG_DONTWAIT));
  printf("%s\n", data);
}
/* As iperf3's server does: the socket that has heard somebody is his, and the next takes its place. */
static void shared_port(void) {
  char data[16] = "";
  const int one = 1, first = socket(AF_INET, SOCK_DGRAM, 0), caller = made(1), other = made(1);
  setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  VALUE(bind(first, (const struct sockaddr *)&at, sizeof(at)));
  at = address_of(first);
  const struct sockaddr_in of = address_of(caller);
  const int without = socket(AF_INET, SOCK_DGRAM, 0);
  VALUE(bind(without, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(connect(first, (const struct sockaddr *)&of, sizeof(of)));
  const int next = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(next, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  VALUE(bind(next, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(sendto(caller, "his", 4, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(sendto(other, "new", 4, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(recv(first, data, sizeof(data), MSG_DONTWAIT));
  printf("%s\n", data);
  VALUE(recv(next, data, sizeof(data), MSG_DONTWAIT));
  printf("%s\n", data);
  VALUE(recv(first, data, sizeof(data), MSG_DONTWAIT));
  VALUE(recv(next, data, sizeof(data), MSG_DONTWAIT));
  /* A stream's address is taken while somebody listens there. */
  const int listening = socket(AF_INET, SOCK_STREAM, 0), late = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  setsockopt(late, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  at.sin_port = 0;
  VALUE(bind(listening, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(listen(listening, 1));
  at = address_of(listening);
  VALUE(bind(late, (const struct sockaddr *)&at, sizeof(at)));
}
static void local(void) {
  int pair[2];
  const struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/tmp/files-datagram"};
  unlink(at.sun_path);
  VALUE(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  VALUE(bind(pair[0], (const struct sockaddr *)&at, sizeof(at)));
  const int stranger = socket(AF_UNIX, SOCK_DGRAM, 0);
  VALUE(send(stranger, "x", 2, 0));
  VALUE(sendto(stranger, "x", 2, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(sendto(pair[1], "x", 2, 0, (const struct sockaddr *)&at, sizeof(at)));
  VALUE(connect(stranger, (const struct sockaddr *)&at, sizeof(at)));
  unlink(at.sun_path);
  /* One of a pair speaks to others by their names, and to its own without. */
  const struct sockaddr_un open_at = {.sun_family = AF_UNIX, .sun_path = "/tmp/files-datagram"};
  char data[16] = "";
  VALUE(bind(stranger, (const struct sockaddr *)&open_at, sizeof(open_at)));
  VALUE(sendto(pair[1], "named", 6, 0, (const struct sockaddr *)&open_at, sizeof(open_at)));
  VALUE(recv(stranger, data, sizeof(data), MSG_DONTWAIT));
  printf("%s\n", data);
  /* Connected, it hears nobody else. */
  const int third = socket(AF_UNIX, SOCK_DGRAM, 0), fourth = socket(AF_UNIX, SOCK_DGRAM, 0);
  const struct sockaddr_un third_at = {.sun_family = AF_UNIX, .sun_path = "/tmp/files-datagram-3"};
  unlink(third_at.sun_path);
  VALUE(bind(third, (const struct sockaddr *)&third_at, sizeof(third_at)));
  VALUE(connect(stranger, (const struct sockaddr *)&third_at, sizeof(third_at)));
  VALUE(sendto(fourth, "x", 2, 0, (const struct sockaddr *)&open_at, sizeof(open_at)));
  VALUE(connect(fourth, (const struct sockaddr *)&open_at, sizeof(open_at)));
  VALUE(sendto(third, "3", 2, 0, (const struct sockaddr *)&open_at, sizeof(open_at)));
  VALUE(send(stranger, "y", 2, 0));
  VALUE(recv(third, data, sizeof(data), MSG_DONTWAIT));
  unlink(at.sun_path);
  unlink(third_at.sun_path);
}
/* The time of recvmmsg is looked at between messages. */
static void many_at_once(void) {
  int ends[2];
  char bytes[4][8] = {{0}};
  struct iovec pieces[4];
  struct mmsghdr headers[4] = {{{0}}};
  for (int i = 0; i < 4; ++i) {
    pieces[i] = (struct iovec){bytes[i], 8};
    headers[i].msg_hdr.msg_iov = &pieces[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
  for (int i = 0; i < 3; ++i) send(ends[0], "abc", i + 1, 0);
  struct timespec none = {0, 0}, wrong = {0, 2000000000}, some = {5, 0};
  VALUE(recvmmsg(ends[1], headers, 4, 0, &wrong));
  VALUE(recvmmsg(ends[1], headers, 4, 0, (struct timespec *)8));
  VALUE(recvmmsg(ends[1], headers, 4, 0, &none));
  VALUE(recvmmsg(ends[1], headers, 4, MSG_WAITFORONE, &some));
  printf("%d %d, time is left: %d\n", headers[0].msg_len, headers[1].msg_len,
         some.tv_sec == 4 && some.tv_nsec > 0);
  VALUE(recvmmsg(ends[1], headers, 4, MSG_DONTWAIT, &some));
  close(ends[0]), close(ends[1]);
}
int main(void) {
  char data[16] = "";
  const int server = made(1), client = made(1), third = made(1);
  const struct sockaddr_in at = address_of(server), from = address_of(client);
  VALUE(sendto(client, "one", 4, 0, (const struct sockaddr *)&at, sizeof(at)));
  struct sockaddr_storage sender;
  socklen_t size = sizeof(sender);
  VALUE(recvfrom(server, data, 1, MSG_PEEK, (struct sockaddr *)&sender, &size));
  printf("size %d same %d\n", (int)size, size == sizeof(from) && memcmp(&sender, &from, 8) == 0);
  /* As nc does: from now on it speaks with whom it has heard. */
  VALUE(connect(server, (struct sockaddr *)&sender, size));
  VALUE(recv(server, data, sizeof(data), 0));
  VALUE(send(server, "two", 4, 0));
  VALUE(recv(client, data, sizeof(data), 0));
  printf("%s\n", data);
  VALUE(sendto(server, "3", 2, 0, (const struct sockaddr *)&from, sizeof(from)));
  VALUE(recv(client, data, sizeof(data), 0));
  /* Nobody has the address. */
  const int gone = made(1);
  const struct sockaddr_in nowhere = address_of(gone);
  close(gone);
  VALUE(sendto(third, "x", 2, 0, (const struct sockaddr *)&nowhere, sizeof(nowhere)));
  VALUE(sendto(third, "x", 2, 0, (const struct sockaddr *)&nowhere, sizeof(nowhere)));
  VALUE(recv(third, data, sizeof(data), MSG_DONTWAIT));
  VALUE(connect(third, (const struct sockaddr *)&nowhere, sizeof(nowhere)));
  struct sockaddr_in peer;
  size = sizeof(peer);
  VALUE(getpeername(third, (struct sockaddr *)&peer, &size));
  printf("peer %d\n", memcmp(&peer, &nowhere, 8) == 0);
  VALUE(send(third, "x", 2, 0));
  VALUE(send(third, "x", 2, 0));
  VALUE(send(third, "x", 2, 0));
  VALUE(recv(third, data, sizeof(data), MSG_DONTWAIT));
  VALUE(recv(third, data, sizeof(data), MSG_DONTWAIT));
  VALUE(send(third, "x", 2, 0));
  /* poll tells of it, until it is taken. */
  struct pollfd look = {third, POLLIN | POLLOUT};
  VALUE(poll(&look, 1, 1000));
  printf("poll: %x\n", look.revents);
  look.events = 0;
  VALUE(poll(&look, 1, 0));
  printf("poll: %x\n", look.revents);
  int error = 0;
  size = sizeof(error);
  VALUE(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &size));
  printf("%s\n", strerrorname(error));
  VALUE(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &size));
  printf("%d\n", error);
  look.events = POLLIN | POLLOUT;
  VALUE(poll(&look, 1, 0));
  printf("poll: %x\n", look.revents);
  /* Somebody comes. */
  const int late = socket(AF_INET, SOCK_DGRAM, 0);
  VALUE(bind(late, (const struct sockaddr *)&nowhere, sizeof(nowhere)));
  VALUE(send(third, "late", 5, 0));
  VALUE(recv(late, data, sizeof(data), 0));
  printf("%s\n", data);
  close(late);
  VALUE(send(third, "x", 2, 0));
  VALUE(send(third, "x", 2, 0));
  /* And goes on with whomever it likes. */
  peer.sin_family = AF_UNSPEC;
  VALUE(connect(third, (struct sockaddr *)&peer, sizeof(peer)));
  VALUE(sendto(third, "x", 2, 0, (const struct sockaddr *)&from, sizeof(from)));
  VALUE(recv(client, data, sizeof(data), 0));
  VALUE(send(third, "x", 2, 0));
  only_its_peer();
  shared_port();
  many_at_once();
  local();
  return 0;
}
