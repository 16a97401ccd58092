/* writev and readv of what must not come apart. */
#include "check.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char one[100], two[100], big[70000];
static struct iovec pieces[3] = {{"ab", 2}, {"cde", 3}, {"f", 1}};

static void messages(const char *name, int type) {
  int ends[2];
  struct iovec in[2] = {{one, 4}, {two, 100}};
  printf("-- %s\n", name);
  socketpair(AF_UNIX, type, 0, ends);
  VALUE(writev(ends[0], pieces, 3));
  memset(one, 0, sizeof(one));
  VALUE(recv(ends[1], one, sizeof(one), MSG_DONTWAIT));
  printf("%s\n", one);
  VALUE(write(ends[0], "123456", 6));
  VALUE(write(ends[0], "789", 3));
  memset(one, 0, sizeof(one)), memset(two, 0, sizeof(two));
  VALUE(readv(ends[1], in, 2));
  printf("%.4s %s\n", one, two);
  memset(one, 0, sizeof(one)), memset(two, 0, sizeof(two));
  VALUE(readv(ends[1], in, 2));
  printf("%.4s %s\n", one, two);
  struct iovec bad[2] = {{"ab", 2}, {(void *)8, 3}};
  VALUE(writev(ends[0], bad, 2));
  VALUE(recv(ends[1], one, sizeof(one), MSG_DONTWAIT));
  struct iovec empty[2] = {{"", 0}, {"", 0}};
  VALUE(writev(ends[0], empty, 2));
  VALUE(recv(ends[1], one, sizeof(one), MSG_DONTWAIT));
  close(ends[0]), close(ends[1]);
}

/* Packets: each write is one. */
static void packets(void) {
  int ends[2];
  printf("-- packets\n");
  VALUE(pipe2(ends, O_DIRECT | O_NONBLOCK));
  VALUE(writev(ends[1], pieces, 3));
  memset(one, 0, sizeof(one));
  VALUE(read(ends[0], one, sizeof(one)));
  printf("%s\n", one);
  VALUE(read(ends[0], one, sizeof(one)));
  close(ends[0]), close(ends[1]);
}

static void pipes(void) {
  int ends[2];
  struct iovec many[2] = {{big, 30000}, {big, 40000}}, bad[2] = {{"ab", 2}, {(void *)8, 3}};
  printf("-- a pipe\n");
  pipe2(ends, O_NONBLOCK);
  VALUE(writev(ends[1], bad, 2));
  memset(one, 0, sizeof(one));
  VALUE(read(ends[0], one, sizeof(one)));
  /* There is room for some, and all or nothing is asked for. */
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  VALUE(write(ends[1], big, 4000));
  struct iovec halves[2] = {{big, 50}, {big, 3000}};
  VALUE(writev(ends[1], halves, 2));
  fcntl(ends[1], F_SETPIPE_SZ, 65536);
  read(ends[0], big, sizeof(big));
  pid_t child = fork();
  if (child == 0) {
    long sum = 0, got;
    fcntl(ends[0], F_SETFL, 0);
    close(ends[1]);
    while ((got = read(ends[0], big, sizeof(big))) > 0) sum += got;
    _exit(sum == 70000 ? 0 : 1);
  }
  int status;
  fcntl(ends[1], F_SETFL, 0);
  VALUE(writev(ends[1], many, 2));
  close(ends[1]);
  waitpid(child, &status, 0);
  printf("all came: %d\n", WEXITSTATUS(status));
  close(ends[0]);
}

/* Lines of two pieces that several put at the end of one file. */
enum { kWriters = 3, kLines = 1500 };
static void lines(void) {
  pid_t writers[kWriters];
  printf("-- lines\n");
  for (int i = 0; i < kWriters; ++i) {
    writers[i] = fork();
    if (writers[i] == 0) {
      char letter[2] = {(char)('a' + i), (char)('A' + i)};
      int file = open("/tmp/files/lines", O_WRONLY | O_APPEND | O_CREAT, 0600);
      struct iovec halves[2] = {{&letter[0], 1}, {&letter[1], 1}};
      int right = 0;
      for (int j = 0; j < kLines; ++j) right += writev(file, halves, 2) == 2;
      _exit(right != kLines);
    }
  }
  int status, failed = 0;
  for (int i = 0; i < kWriters; ++i) waitpid(writers[i], &status, 0), failed += status != 0;
  int file = open("/tmp/files/lines", O_RDONLY), torn = 0;
  long size = read(file, big, sizeof(big));
  for (long i = 0; i + 1 < size; i += 2) torn += big[i] - 'a' != big[i + 1] - 'A';
  printf("failed %d, %ld bytes, torn %d\n", failed, size, torn);
  close(file);
}

/* A bad piece of a file: what is in front of it is written. */
static void files(void) {
  struct iovec bad[2] = {{"ab", 2}, {(void *)8, 3}}, in[2] = {{one, 1}, {(void *)8, 3}};
  printf("-- a file\n");
  int file = open("/tmp/files/file", O_RDWR | O_CREAT, 0600);
  VALUE(writev(file, pieces, 3));
  VALUE(writev(file, bad, 2));
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(lseek(file, 0, SEEK_SET));
  VALUE(readv(file, in, 2));
  VALUE(lseek(file, 0, SEEK_CUR));
  close(file);
}

int main(void) {
  mkdir("/tmp/files", 0700);
  messages("datagrams", SOCK_DGRAM);
  messages("packets of a connection", SOCK_SEQPACKET);
  packets();
  pipes();
  lines();
  files();
  return system("rm -r /tmp/files");
}
