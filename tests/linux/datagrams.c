/* Internet datagrams: peeking at who sent, connecting to nobody, being refused. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
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
  int error = 0;
  size = sizeof(error);
  VALUE(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &size));
  printf("%s\n", strerrorname(error));
  VALUE(getsockopt(third, SOL_SOCKET, SO_ERROR, &error, &size));
  printf("%d\n", error);
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
  return 0;
}
