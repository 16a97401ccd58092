/* Named fifos: who waits for whom at open; splice, tee and vmsplice. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
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

/* sendfile and copy_file_range: what from, what to, and where that leaves them. */
static void copies(void) {
  char text[64] = "";
  int in[2], pair[2];
  if (pipe(in) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) exit(1);
  int file = open("/tmp/files/copied", O_RDWR | O_CREAT | O_TRUNC, 0600);
  int other = open("/tmp/files/other", O_RDWR | O_CREAT | O_TRUNC, 0600);
  int appends = open("/tmp/files/other", O_WRONLY | O_APPEND);
  int folder = open("/tmp/files", O_RDONLY), zero = open("/dev/zero", O_RDONLY);
  int null = open("/dev/null", O_WRONLY), terminal = posix_openpt(O_RDWR | O_NOCTTY);
  write(file, "0123456789", 10);
  write(in[1], "in a pipe", 9);
  write(pair[1], "in a socket", 11);
  off_t at = 2;
  VALUE(sendfile(other, in[0], NULL, 5));
  VALUE(sendfile(other, in[0], &at, 5));
  VALUE(sendfile(other, pair[0], NULL, 5));
  VALUE(sendfile(other, pair[0], &at, 5));
  VALUE(sendfile(other, folder, NULL, 5));
  VALUE(sendfile(other, terminal, NULL, 5));
  VALUE(sendfile(other, zero, NULL, 5));
  VALUE(sendfile(appends, file, &at, 5));
  VALUE(sendfile(folder, file, &at, 5));
  VALUE(sendfile(null, file, &at, 5));
  VALUE(at);
  VALUE(read(in[0], text, 64));
  VALUE(recv(pair[0], text, 64, 0));
  VALUE(lseek(other, 0, SEEK_CUR));
  /* Positions: ours move, unless the call has one of its own. */
  lseek(file, 4, SEEK_SET);
  VALUE(sendfile(other, file, NULL, 3));
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(lseek(other, 0, SEEK_CUR));
  at = 8;
  VALUE(sendfile(in[1], file, &at, 30));
  VALUE(at);
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(read(in[0], text, 64));
  at = -1;
  VALUE(sendfile(other, file, &at, 1));
  /* What the other side does not take stays. */
  close(in[0]);
  signal(SIGPIPE, SIG_IGN);
  VALUE(sendfile(in[1], file, NULL, 3));
  VALUE(lseek(file, 0, SEEK_CUR));

  loff_t from = 1, to = 20;
  VALUE(copy_file_range(file, NULL, in[1], NULL, 3, 0));
  VALUE(copy_file_range(zero, NULL, other, NULL, 3, 0));
  VALUE(copy_file_range(pair[0], NULL, other, NULL, 3, 0));
  VALUE(copy_file_range(file, NULL, null, NULL, 3, 0));
  VALUE(copy_file_range(folder, NULL, other, NULL, 3, 0));
  VALUE(copy_file_range(folder, NULL, null, NULL, 3, 0));
  VALUE(copy_file_range(file, NULL, folder, NULL, 3, 0));
  VALUE(copy_file_range(file, &from, appends, NULL, 3, 0));
  VALUE(copy_file_range(appends, NULL, other, NULL, 3, 0));
  VALUE(copy_file_range(file, NULL, other, NULL, 3, 1));
  VALUE(copy_file_range(file, &from, file, NULL, 3, 0));
  VALUE(copy_file_range(file, &from, other, &to, 3, 0));
  printf("%ld %ld %ld\n", (long)from, (long)to, (long)lseek(other, 0, SEEK_CUR));
  VALUE(copy_file_range(file, NULL, other, NULL, 100, 0));
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(lseek(other, 0, SEEK_CUR));
  VALUE(pread(other, text, 64, 0));
  for (int i = 0; i < 23; ++i) putchar(text[i] ? text[i] : '.');
  puts("");
  unlink("/tmp/files/copied");
  unlink("/tmp/files/other");
  int fds[] = {in[1], pair[0], pair[1], file, other, appends, folder, zero, null, terminal};
  for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); ++i) close(fds[i]);
}

/* More than there is, for ever: it ends when there is nothing, or with a signal, and says how far
 * it came. */
static void endless(void) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 0}, {0, 100000}};
  int in[2];
  if (pipe(in)) exit(1);
  int null = open("/dev/null", O_WRONLY);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(in[0]);
    static char bytes[4096];
    while (write(in[1], bytes, sizeof(bytes)) > 0) {
    }
    _exit(0);
  }
  close(in[1]);
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  ssize_t moved;
  time_t begin = time(NULL);
  if ((moved = splice(in[0], NULL, null, NULL, 1ul << 40, 0)) <= 0) printf("%ld\n", (long)moved);
  printf("ended %d\n", time(NULL) - begin < 20);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  close(in[0]);
  close(null);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("/tmp/files", 0700);
  openings();
  short_visits();
  undelivered();
  splices();
  copies();
  endless();
  return 0;
}
