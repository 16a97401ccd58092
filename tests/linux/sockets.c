/* Sockets: local and loopback streams, datagrams, passed descriptors, options, errors. */
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

int main(void) {
  int pair[2];
  char text[256] = "";
  signal(SIGPIPE, SIG_IGN);
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  VALUE(send(pair[0], "hello", 5, 0));
  VALUE(recv(pair[1], text, 3, MSG_PEEK));
  VALUE(recv(pair[1], text, sizeof(text), 0));
  VALUE(recv(pair[1], text, 1, MSG_DONTWAIT));
  VALUE(shutdown(pair[0], SHUT_WR));
  VALUE(recv(pair[1], text, 1, 0));
  VALUE(send(pair[0], "x", 1, 0));
  VALUE(send(pair[1], "back", 4, 0));
  VALUE(recv(pair[0], text, sizeof(text), 0));
  close(pair[0]);
  VALUE(send(pair[1], "x", 1, MSG_NOSIGNAL));
  close(pair[1]);

  socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
  send(pair[0], "one", 3, 0);
  send(pair[0], "three", 5, 0);
  VALUE(recv(pair[1], text, 2, MSG_TRUNC));
  VALUE(recv(pair[1], text, sizeof(text), 0));
  int file = open("/tmp/sockets.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(file, "inside", 6);
  char control[CMSG_SPACE(sizeof(int))] = "";
  struct iovec piece = {"fd", 2};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof(control)};
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(part), &file, sizeof(int));
  VALUE(sendmsg(pair[0], &message, 0));
  piece.iov_base = text;
  piece.iov_len = sizeof(text);
  memset(control, 0, sizeof(control));
  message.msg_controllen = sizeof(control);
  VALUE(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
  int passed = -1;
  part = CMSG_FIRSTHDR(&message);
  if (part) memcpy(&passed, CMSG_DATA(part), sizeof(int));
  printf("passed: %d, close on exec %d\n", passed >= 0 && passed != file, fcntl(passed, F_GETFD));
  VALUE(pread(passed, text, 6, 0));
  printf("%.6s\n", text);
  unlink("/tmp/sockets.file");

  struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/sockets.local"};
  unlink(local.sun_path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  VALUE(connect(client, (void *)&local, sizeof(local)));
  VALUE(bind(listener, (void *)&local, sizeof(local)));
  VALUE(connect(client, (void *)&local, sizeof(local)));
  VALUE(listen(listener, 5));
  VALUE(connect(client, (void *)&local, sizeof(local)));
  int server = accept(listener, NULL, NULL);
  SHOW(server);
  struct sockaddr_un name;
  socklen_t size = sizeof(name);
  VALUE(getpeername(client, (void *)&name, &size));
  printf("%s\n", name.sun_path);
  struct ucred credentials;
  size = sizeof(credentials);
  VALUE(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &credentials, &size));
  printf("peer is me: %d\n", credentials.pid == getpid());
  int second = socket(AF_UNIX, SOCK_STREAM, 0);
  VALUE(bind(second, (void *)&local, sizeof(local)));
  unlink(local.sun_path);

  struct sockaddr_in internet = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int tcp = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  VALUE(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
  VALUE(bind(tcp, (void *)&internet, sizeof(internet)));
  VALUE(listen(tcp, 16));
  size = sizeof(internet);
  VALUE(getsockname(tcp, (void *)&internet, &size));
  printf("port given: %d\n", internet.sin_port != 0);
  pid_t child = fork();
  if (child == 0) {
    int from = accept(tcp, NULL, NULL);
    char line[64];
    ssize_t got;
    while ((got = recv(from, line, sizeof(line), 0)) > 0)
      for (ssize_t sent = 0; sent < got; sent += send(from, line + sent, (size_t)(got - sent), 0)) {
      }
    _exit(0);
  }
  int to = socket(AF_INET, SOCK_STREAM, 0);
  VALUE(connect(to, (void *)&internet, size));
  VALUE(setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
  VALUE(send(to, "echo me", 7, 0));
  VALUE(recv(to, text, 7, MSG_WAITALL));
  printf("%.7s\n", text);
  VALUE(shutdown(to, SHUT_WR));
  VALUE(recv(to, text, 1, 0));
  waitpid(child, NULL, 0);
  close(to);
  close(tcp);
  to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int answer = connect(to, (void *)&internet, size);
  int refused = errno;
  if (answer < 0 && refused == EINPROGRESS) {
    struct pollfd wait = {to, POLLOUT, 0};
    poll(&wait, 1, 2000);
    socklen_t length = sizeof(refused);
    getsockopt(to, SOL_SOCKET, SO_ERROR, &refused, &length);
  }
  printf("refused: %s\n", strerrorname(refused));
  int type = 0;
  size = sizeof(type);
  VALUE(getsockopt(to, SOL_SOCKET, SO_TYPE, &type, &size));
  printf("type %d\n", type);
  VALUE(recv(0x7777777, text, 1, 0));
  int null = open("/dev/null", O_RDWR);
  VALUE(recv(null, text, 1, 0));
  struct timeval timeout = {0, 20000};
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  VALUE(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)));
  VALUE(recv(pair[0], text, 1, 0));
  write(pair[1], "abc", 3);
  int waiting = 0;
  VALUE(ioctl(pair[0], FIONREAD, &waiting));
  printf("waiting %d\n", waiting);
  /* More than any buffer holds: the writer must block and go on. */
  child = fork();
  if (child == 0) {
    char *block = calloc(1, 1 << 20);
    _exit(write(pair[1], block, 1 << 20) == 1 << 20 ? 0 : 1);
  }
  long total = 0;
  close(pair[1]);
  timeout = (struct timeval){5, 0};
  setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  for (ssize_t got; (got = read(pair[0], text, sizeof(text))) > 0;) total += got;
  int status;
  waitpid(child, &status, 0);
  printf("total %ld, writer %d\n", total, WEXITSTATUS(status));
  return 0;
}
