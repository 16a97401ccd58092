/* Named fifos: who waits for whom at open; splice, tee and vmsplice. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static void pause_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int polled(int fd) {
  struct pollfd one = {fd, POLLIN | POLLOUT, 0};
  poll(&one, 1, 0);
  return one.revents;
}

static void on_signal(int number) { (void)number; }

static void openings(void) {
  char text[64] = "";
  VALUE(mkfifo("/tmp/files/fifo", 0600));
  VALUE(mkfifo("/tmp/files/fifo", 0600));
  VALUE(open("/tmp/files/fifo", O_WRONLY | O_NONBLOCK));
  int reader = open("/tmp/files/fifo", O_RDONLY | O_NONBLOCK);
  SHOW(reader);
  VALUE(read(reader, text, 8));
  printf("poll %x\n", polled(reader));
  int writer = open("/tmp/files/fifo", O_WRONLY | O_NONBLOCK);
  SHOW(writer);
  VALUE(read(reader, text, 8));
  VALUE(write(writer, "bytes", 5));
  printf("poll %x\n", polled(reader));
  close(writer);
  VALUE(read(reader, text, 8));
  VALUE(read(reader, text, 8));
  printf("poll %x\n", polled(reader));
  close(reader);
  int both = open("/tmp/files/fifo", O_RDWR);
  SHOW(both);
  VALUE(write(both, "xy", 2));
  VALUE(read(both, text, 8));
  close(both);

  /* A reader waits for a writer, and the other way round; also behind others that have gone. */
  for (int round = 0; round < 2; ++round) {
    int other = round ? open("/tmp/files/fifo", O_RDONLY | O_NONBLOCK) : -1;
    pid_t child = fork();
    if (child == 0) {
      pause_ms(100);
      int late = open("/tmp/files/fifo", O_WRONLY);
      if (write(late, "late", 4) != 4) _exit(1);
      close(late);
      _exit(0);
    }
    reader = open("/tmp/files/fifo", O_RDONLY);
    VALUE(read(reader, text, 16));
    VALUE(read(reader, text, 16));
    close(reader);
    if (other >= 0) close(other);
    waitpid(child, NULL, 0);
  }
  pid_t child = fork();
  if (child == 0) {
    pause_ms(100);
    int late = open("/tmp/files/fifo", O_RDONLY);
    _exit(read(late, text, 8) == 5 ? 0 : 1);
  }
  writer = open("/tmp/files/fifo", O_WRONLY);
  VALUE(write(writer, "early", 5));
  int status = 0;
  waitpid(child, &status, 0);
  printf("child %d\n", status);
  signal(SIGPIPE, SIG_IGN);
  VALUE(write(writer, "x", 1));
  close(writer);

  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGALRM, &action, NULL);
  alarm(1);
  VALUE(open("/tmp/files/fifo", O_RDONLY));
  struct stat info;
  stat("/tmp/files/fifo", &info);
  printf("fifo %d size %ld\n", S_ISFIFO(info.st_mode), (long)info.st_size);
  unlink("/tmp/files/fifo");
}

/* The other side comes, and has gone again before we look. */
static void short_visits(void) {
  mkfifo("/tmp/files/fifo", 0600);
  for (int flags = O_RDONLY; flags <= O_WRONLY; ++flags) {
    enum { kRounds = 200 };
    int done[2], gone[2], opened = 0;
    long got = 0;
    char byte = 'x';
    if (pipe(done) || pipe(gone)) exit(1);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      for (int i = 0; i < kRounds; ++i) {
        int visit = open("/tmp/files/fifo", flags == O_RDONLY ? O_WRONLY : O_RDONLY);
        if (flags == O_RDONLY && write(visit, &byte, 1) != 1) _exit(1);
        close(visit);
        write(gone[1], &byte, 1);
        if (read(done[0], &byte, 1) != 1) _exit(1);
      }
      _exit(0);
    }
    for (int i = 0; i < kRounds; ++i) {
      int fd = open("/tmp/files/fifo", flags);
      opened += fd >= 0;
      if (flags == O_RDONLY) got += read(fd, &byte, 1);
      close(fd);
      read(gone[0], &byte, 1);
      write(done[1], &byte, 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("opened %d got %ld child %d\n", opened, got, status);
    close(done[0]);
    close(done[1]);
    close(gone[0]);
    close(gone[1]);
  }
  unlink("/tmp/files/fifo");
}

/* What a splice could not deliver is still there. */
static void undelivered(void) {
  char text[64] = "";
  int in[2], out[2], pair[2];
  if (pipe(in) || pipe(out) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) exit(1);
  int file = open("/tmp/files/spliced", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(file, "in a file", 9);
  lseek(file, 3, SEEK_SET);
  write(in[1], "in a pipe", 9);
  write(pair[0], "in a socket", 11);
  close(out[0]);
  signal(SIGPIPE, SIG_IGN);
  VALUE(splice(in[0], NULL, out[1], NULL, 64, 0));
  VALUE(splice(pair[1], NULL, out[1], NULL, 64, 0));
  VALUE(splice(file, NULL, out[1], NULL, 64, 0));
  VALUE(tee(in[0], out[1], 64, 0));
  VALUE(read(in[0], text, 64));
  VALUE(recv(pair[1], text, 64, 0));
  VALUE(lseek(file, 0, SEEK_CUR));
  close(file);

  /* Into a socket that is full now and then, with signals in the middle. */
  enum { kMost = 400000 };
  static char bytes[kMost], other[kMost];
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
  fflush(stdout);
  pid_t writer = fork();
  if (writer == 0) {
    for (int i = 0; i < kMost; ++i) bytes[i] = (char)(i * 7 % 251);
    close(in[0]);
    for (int at = 0; at < kMost;) at += write(in[1], bytes + at, kMost - at < 5000 ? kMost - at : 5000);
    _exit(0);
  }
  close(in[1]);
  pid_t reader = fork();
  if (reader == 0) {
    close(pair[0]);
    long size = 0, wrong = 0;
    for (ssize_t got; (got = read(pair[1], other, 3000)) > 0; size += got) {
      for (ssize_t i = 0; i < got; ++i) wrong += other[i] != (char)((size + i) * 7 % 251);
      if (size % 7 == 0) pause_ms(1);
    }
    printf("size %ld wrong %ld\n", size, wrong);
    fflush(stdout);
    _exit(0);
  }
  close(pair[1]);
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  ssize_t moved;
  while ((moved = splice(in[0], NULL, pair[0], NULL, 30000, 0)) > 0 || (moved < 0 && errno == EINTR)) {
  }
  setitimer(ITIMER_REAL, &never, NULL);
  VALUE(moved);
  close(pair[0]);
  waitpid(reader, NULL, 0);
  waitpid(writer, NULL, 0);
}

static void splices(void) {
  char text[64] = "";
  int in[2], out[2];
  if (pipe(in) || pipe(out)) exit(1);
  int file = open("/tmp/files/spliced", O_RDWR | O_CREAT | O_TRUNC, 0600);
  VALUE(write(in[1], "through a pipe", 14));
  VALUE(tee(in[0], out[1], 7, 0));
  VALUE(read(out[0], text, 64));
  printf("%.7s\n", text);
  VALUE(splice(in[0], NULL, file, NULL, 64, 0));
  VALUE(lseek(file, 0, SEEK_CUR));
  loff_t at = 8;
  VALUE(splice(file, &at, out[1], NULL, 64, 0));
  VALUE(at);
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(read(out[0], text, 64));
  printf("%.6s\n", text);
  at = 100;
  VALUE(write(in[1], "far", 3));
  VALUE(splice(in[0], NULL, file, &at, 3, SPLICE_F_MOVE));
  VALUE(lseek(file, 0, SEEK_END));
  VALUE(splice(in[0], NULL, out[1], NULL, 10, SPLICE_F_NONBLOCK));
  VALUE(splice(in[0], NULL, in[1], NULL, 10, SPLICE_F_NONBLOCK | SPLICE_F_MORE));
  VALUE(splice(file, NULL, file, NULL, 10, 0));
  VALUE(splice(in[0], &at, file, NULL, 10, 0));
  VALUE(splice(in[1], NULL, file, NULL, 10, 0));
  VALUE(splice(99, NULL, file, NULL, 10, 0));
  VALUE(splice(in[0], NULL, file, NULL, 0, 0));
  VALUE(splice(in[0], NULL, file, NULL, 1, 256));
  VALUE(splice(in[0], NULL, file, (loff_t*)8, 1, 0));
  VALUE(tee(in[0], file, 1, 0));
  VALUE(tee(in[0], out[1], 1, SPLICE_F_NONBLOCK));
  struct iovec pieces[2] = {{"vm", 2}, {"spliced", 7}};
  VALUE(vmsplice(in[1], pieces, 2, 0));
  struct iovec room = {text, 64};
  VALUE(vmsplice(in[0], &room, 1, 0));
  printf("%.9s\n", text);
  VALUE(vmsplice(file, pieces, 1, 0));

  /* As much as goes in at once comes out at once. */
  static char page[4096];
  memset(page, 'p', sizeof(page));
  VALUE(write(in[1], page, sizeof(page)));
  VALUE(tee(in[0], out[1], sizeof(page), 0));
  VALUE(read(in[0], page, sizeof(page)));
  VALUE(read(out[0], page, sizeof(page)));
  close(in[1]);
  VALUE(splice(in[0], NULL, file, NULL, 10, 0));

  /* Much, to a child that reads slowly. */
  if (pipe(in)) exit(1);
  pid_t child = fork();
  if (child == 0) {
    close(in[1]);
    static char bytes[10000];
    long sum = 0;
    for (ssize_t got; (got = read(in[0], bytes, sizeof(bytes))) > 0;)
      for (ssize_t i = 0; i < got; ++i) sum += bytes[i];
    printf("sum %ld\n", sum);
    fflush(stdout);
    _exit(0);
  }
  close(in[0]);
  VALUE(ftruncate(file, 0));
  static char many[300000];
  for (size_t i = 0; i < sizeof(many); ++i) many[i] = (char)(i % 100);
  VALUE(pwrite(file, many, sizeof(many), 0));
  loff_t from = 0;
  while (from < (loff_t)sizeof(many) && splice(file, &from, in[1], NULL, sizeof(many), 0) > 0) {
  }
  close(in[1]);
  waitpid(child, NULL, 0);
  VALUE(from);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("/tmp/files", 0700);
  openings();
  short_visits();
  undelivered();
  splices();
  return 0;
}
