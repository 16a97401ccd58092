/* Limits: set and got, obeyed, kept by fork and exec, changed in another process. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int set(int which, rlim_t soft, rlim_t hard) {
  struct rlimit limit = {soft, hard};
  return setrlimit(which, &limit);
}
static long soft(int which) {
  struct rlimit limit;
  return getrlimit(which, &limit) ? -1 : (long)limit.rlim_cur;
}
static void on_signal(int number) { printf("signal %d\n", number); }

/* Runs in a child of its own: limits cannot always be taken back. */
static void in_child(void (*run)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    run();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("ended %d %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0,
         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void files(void) {
  VALUE(set(RLIMIT_NOFILE, 12, 40));
  int last = -1, fd;
  while ((fd = dup(0)) >= 0) last = fd;
  VALUE(last);
  VALUE(dup(0));
  VALUE(open("/", O_RDONLY));
  VALUE(dup2(0, 12));
  VALUE(fcntl(0, F_DUPFD, 12));
  int pair[2];
  VALUE(pipe(pair));
  VALUE(set(RLIMIT_NOFILE, 30, 40));
  VALUE(dup2(0, 29));
  VALUE(dup2(0, 30));
  VALUE(set(RLIMIT_NOFILE, 5, 40));
  VALUE(fcntl(29, F_GETFD));
  VALUE(sysconf(_SC_OPEN_MAX));
}

static void sizes(void) {
  struct rlimit limit = {1000, 2000};
  char bytes[1500] = "";
  signal(SIGXFSZ, on_signal);
  VALUE(setrlimit(RLIMIT_FSIZE, &limit));
  int fd = open("/tmp/files/limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
  VALUE(write(fd, bytes, 600));
  VALUE(write(fd, bytes, 600));
  VALUE(write(fd, bytes, 600));
  VALUE(pwrite(fd, bytes, 10, 995));
  VALUE(pwrite(fd, bytes, 10, 1000));
  VALUE(ftruncate(fd, 1001));
  VALUE(ftruncate(fd, 900));
  VALUE(lseek(fd, 0, SEEK_END));
  int pair[2];
  pipe(pair);
  VALUE(write(pair[1], bytes, 1500));
  signal(SIGXFSZ, SIG_DFL);
  pwrite(fd, bytes, 10, 1000);
}

static void memory(void) {
  char* start = sbrk(0);
  VALUE(set(RLIMIT_DATA, 256 << 20, RLIM_INFINITY));
  VALUE(brk(start + (300l << 20)));
  VALUE(brk(start + (1l << 20)));
  VALUE(set(RLIMIT_AS, 512 << 20, RLIM_INFINITY));
  void* large = mmap(NULL, 600 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("large %d\n", large == MAP_FAILED ? errno : 0);
  void* small = mmap(NULL, 10 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("small %d\n", small == MAP_FAILED ? errno : 0);
}

static void tasks(void) {
  VALUE(setuid(54321));
  VALUE(set(RLIMIT_NPROC, 2, 2));
  VALUE(set(RLIMIT_NPROC, 3, 3));
  pid_t first = fork();
  if (first == 0) {
    pause();
    _exit(0);
  }
  SHOW(first);
  VALUE(fork());
  kill(first, SIGKILL);
  waitpid(first, NULL, 0);
  VALUE(set(RLIMIT_CORE, 100, 50));
  VALUE(syscall(SYS_prlimit64, 1, RLIMIT_CORE, NULL, NULL));
}

static void exec_keeps(void) {
  set(RLIMIT_NOFILE, 33, 44);
  set(RLIMIT_CORE, 0, 0);
  execl("/bin/sh", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c", (char*)0);
}

/* What is open stays open over exec, whatever the limit has become. */
static void exec_keeps_open(void) {
  dup2(1, 40);
  dup2(1, 200);
  set(RLIMIT_NOFILE, 20, 44);
  execl("/bin/sh", "sh", "-c", "for i in 19 40 200; do test -e /proc/self/fd/$i && echo $i; done", (char*)0);
}

/* Deeper than any limit that is set by default. */
static int goes_down(int frames) {
  volatile char frame[1 << 20];
  frame[0] = (char)frames;
  return frames == 0 ? 0 : goes_down(frames - 1) + (frame[0] == (char)frames);
}
static const char* self;
static void exec_deep(void) {
  set(RLIMIT_STACK, RLIM_INFINITY, RLIM_INFINITY);
  execl(self, self, "deep", (char*)0);
}
static void exec_without_room(void) {
  set(RLIMIT_STACK, RLIM_INFINITY, RLIM_INFINITY);
  set(RLIMIT_AS, 300 << 20, RLIM_INFINITY);
  execl(self, self, "shallow", (char*)0);
}

/* Changed by another process while a file is open, and written. */
static int told[2], go[2];
static void wait_for_parent(void) {
  char byte;
  write(told[1], "x", 1);
  if (read(go[0], &byte, 1) != 1) _exit(1);
}
static void limited_meanwhile(void) {
  int fd = -1, last = -1;
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < 20; ++i) {
    close(fd);
    fd = open("/tmp/files/limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
    write(fd, "0123", 4);
  }
  VALUE(write(fd, "4567", 4));
  wait_for_parent();
  VALUE(write(fd, "89", 2));
  VALUE(write(fd, "89", 2));
  VALUE(pwrite(fd, "x", 1, 0));
  wait_for_parent();
  VALUE(write(fd, "ab", 2));
  wait_for_parent();
  while ((fd = dup(0)) >= 0) last = fd;
  VALUE(last);
}
static void by_another(void) {
  struct rlimit limit = {9, RLIM_INFINITY};
  char byte;
  pipe(told);
  pipe(go);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    limited_meanwhile();
    fflush(stdout);
    _exit(0);
  }
  read(told[0], &byte, 1);
  VALUE(prlimit(child, RLIMIT_FSIZE, &limit, NULL));
  write(go[1], "x", 1);
  read(told[0], &byte, 1);
  limit.rlim_cur = RLIM_INFINITY;
  VALUE(prlimit(child, RLIMIT_FSIZE, &limit, NULL));
  write(go[1], "x", 1);
  read(told[0], &byte, 1);
  limit = (struct rlimit){23, 50};
  VALUE(prlimit(child, RLIMIT_NOFILE, &limit, NULL));
  write(go[1], "x", 1);
  int status = 0;
  waitpid(child, &status, 0);
  VALUE(status);
}

int main(int argc, char** argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "deep") == 0) return goes_down(100);
  if (argc > 1 && strcmp(argv[1], "shallow") == 0) return goes_down(3);
  mkdir("/tmp/files", 0700);
  for (int fd = 3; fd < 64; ++fd) close(fd);
  VALUE(set(RLIMIT_STACK, 1 << 20, RLIM_INFINITY));
  VALUE(soft(RLIMIT_STACK));
  VALUE(set(RLIMIT_STACK, 8 << 20, RLIM_INFINITY));
  VALUE(set(RLIMIT_CORE, 4096, 8192));
  VALUE(soft(RLIMIT_CORE));
  VALUE(set(99, 1, 1));
  VALUE(soft(99));
  VALUE(getrlimit(0, (void*)8));
  in_child(files);
  in_child(sizes);
  in_child(memory);
  in_child(tasks);
  in_child(exec_keeps);
  in_child(exec_keeps_open);
  in_child(exec_deep);
  in_child(exec_without_room);
  fflush(stdout);
  by_another();

  /* Another's. */
  int go[2], told[2];
  pipe(go);
  pipe(told);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    if (read(go[0], &byte, 1) != 1) _exit(1);
    long seen = soft(RLIMIT_NOFILE);
    if (write(told[1], &seen, sizeof(seen)) < 0) _exit(1);
    _exit(7);
  }
  struct rlimit next = {21, 50}, old;
  VALUE(prlimit(child, RLIMIT_NOFILE, &next, &old));
  VALUE(prlimit(child, RLIMIT_NOFILE, NULL, &next));
  printf("%ld %ld\n", (long)next.rlim_cur, (long)next.rlim_max);
  write(go[1], "x", 1);
  long seen = 0;
  read(told[0], &seen, sizeof(seen));
  VALUE(seen);
  int status;
  waitpid(child, &status, 0);
  VALUE(WEXITSTATUS(status));
  VALUE(prlimit(999999, RLIMIT_NOFILE, NULL, &old));
  return 0;
}
