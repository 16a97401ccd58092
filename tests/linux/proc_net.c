/* The sockets of the node as /proc/net lists them: found by their own numbers and names. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static unsigned long NumberOf(int socket) {
  struct stat of;
  return fstat(socket, &of) == 0 ? of.st_ino : 0;
}
static struct sockaddr_in AddressOf(int socket) {
  struct sockaddr_in address;
  socklen_t size = sizeof(address);
  getsockname(socket, (struct sockaddr *)&address, &size);
  return address;
}

/* The line of that socket: whose its addresses are, and its state. */
static void Internet(const char *file, int socket, int peer, const char *what) {
  char path[64], line[512];
  snprintf(path, sizeof(path), "/proc/net/%s", file);
  FILE *in = fopen(path, "r");
  int found = 0;
  if (!in) {
    printf("%s: no %s\n", what, path);
    return;
  }
  while (fgets(line, sizeof(line), in)) {
    unsigned slot, local, local_port, remote, remote_port, state, send, receive, timer, when, retries, user, timeout;
    unsigned long number;
    if (sscanf(line, " %u: %8X:%4X %8X:%4X %2X %8X:%8X %2X:%8X %8X %u %u %lu", &slot, &local, &local_port, &remote,
               &remote_port, &state, &send, &receive, &timer, &when, &retries, &user, &timeout, &number) != 14 ||
        number != NumberOf(socket))
      continue;
    struct sockaddr_in own = AddressOf(socket), other = {0};
    if (peer >= 0) other = AddressOf(peer);
    printf("%s: state %02X own %d other %d receives %u user %d\n", what, state,
           local == own.sin_addr.s_addr && local_port == ntohs(own.sin_port),
           remote == other.sin_addr.s_addr && remote_port == ntohs(other.sin_port),
           state == 8 ? 0 : receive /* an end may count, too */, user == getuid());
    found++;
  }
  fclose(in);
  if (found != 1) printf("%s: %d times\n", what, found);
}

static void Local(int socket, const char *what) {
  char line[512];
  FILE *in = fopen("/proc/net/unix", "r");
  int found = 0;
  while (in && fgets(line, sizeof(line), in)) {
    unsigned long kernel, number;
    unsigned count, protocol, flags, type, state;
    char name[200] = "";
    if (sscanf(line, "%lx: %X %X %X %X %X %lu %199s", &kernel, &count, &protocol, &flags, &type, &state, &number, name) < 7 ||
        number != NumberOf(socket))
      continue;
    printf("%s: flags %x type %u state %u name %s\n", what, flags, type, state, name);
    found++;
  }
  if (in) fclose(in);
  if (found != 1) printf("%s: %d times\n", what, found);
}

static int Bound(int type) {
  int made = socket(AF_INET, type, 0);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  bind(made, (struct sockaddr *)&any, sizeof(any));
  return made;
}

static void Titles(void) {
  static const char *const files[] = {"tcp", "udp", "unix", "dev", "route"};
  for (int i = 0; i < 5; i++) {
    char path[64], word[64] = "";
    snprintf(path, sizeof(path), "/proc/net/%s", files[i]);
    FILE *in = fopen(path, "r");
    if (in && fscanf(in, "%63s", word) == 1) printf("%s: %s\n", files[i], word);
    int lines = 0;
    char line[512];
    while (in && fgets(line, sizeof(line), in)) lines += strstr(line, "lo:") != NULL;
    if (i == 3) printf("loopback: %d\n", lines);
    if (in) fclose(in);
  }
}

int main(void) {
  Titles();
  int listener = Bound(SOCK_STREAM), closed = socket(AF_INET, SOCK_STREAM, 0);
  Internet("tcp", listener, -1, "only bound");
  listen(listener, 5);
  Internet("tcp", listener, -1, "listens");
  Internet("tcp", closed, -1, "fresh");
  int client = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = AddressOf(listener);
  VALUE(connect(client, (struct sockaddr *)&to, sizeof(to)));
  int server = accept(listener, NULL, NULL);
  Internet("tcp", client, server, "client");
  Internet("tcp", server, client, "server");
  VALUE(write(client, "12345", 5));
  Internet("tcp", server, client, "with bytes");
  VALUE(shutdown(client, SHUT_WR));
  Internet("tcp", server, client, "its peer has ended");
  close(server), close(client), close(listener);

  int one = Bound(SOCK_DGRAM), two = Bound(SOCK_DGRAM);
  Internet("udp", one, -1, "datagrams");
  to = AddressOf(two);
  VALUE(connect(one, (struct sockaddr *)&to, sizeof(to)));
  Internet("udp", one, two, "connected");
  close(one), close(two);

  struct sockaddr_un path = {AF_UNIX, "/tmp/files-socket"}, hidden = {AF_UNIX, "\0hidden-name"};
  unlink(path.sun_path);
  int pair[2], named = socket(AF_UNIX, SOCK_STREAM, 0), abstract = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind(named, (struct sockaddr *)&path, sizeof(path));
  Local(named, "named");
  listen(named, 1);
  Local(named, "listens");
  bind(abstract, (struct sockaddr *)&hidden, sizeof(sa_family_t) + 12);
  Local(abstract, "abstract");
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
  Local(pair[0], "pair");
  unlink(path.sun_path);
  return 0;
}
