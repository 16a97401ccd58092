/* Every call that takes addresses, with each of them bad in turn: null, unmapped, not canonical, the
 * kernel's, and so near the end of a mapping that what is there begins and does not end. Each try is a
 * child of its own, with files, pipes and sockets that do not block. */
#include "check.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { kRoom = 1 << 16 };
static char *room;         /* zeros */
static char *edge;         /* four bytes, then nothing */
static struct timespec soon = {0, 1000};
static char stack_room[1 << 16];
static stack_t stack = {stack_room, 0, sizeof(stack_room)};
static char text[] = "/tmp/files/arguments/file";
static char folder[] = "/tmp/files/arguments";
static char other[] = "/tmp/files/arguments/other";
static char *words[] = {text, 0};
static int file, pipe_in, pipe_out, one, two, epoll, listener, timer, place;

/* What stands in a row for an address; ordinary numbers are below. */
#define A(pointer) ((long)(pointer))
typedef struct {
  const char *name;
  long number;
  int addresses; /* bit i: argument i is one */
  long *fd;
  long arguments[6];
} Row;
#define ROW(call, addresses, ...) {#call, SYS_##call, addresses, 0, {__VA_ARGS__}}

static void prepare(void) {
  room = mmap(0, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  edge = pages + 4092;
  mkdir("/tmp/files", 0700);
  mkdir(folder, 0700);
  place = open(folder, O_RDONLY | O_DIRECTORY);
  if (chdir(folder)) exit(1);
  file = open(text, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (write(file, "0123456789", 10) != 10) exit(1);
  lseek(file, 0, SEEK_SET);
  int pair[2];
  if (pipe2(pair, O_NONBLOCK)) exit(1);
  pipe_in = pair[0];
  pipe_out = pair[1];
  if (write(pipe_out, "bytes in the pipe", 17) != 17) exit(1);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) exit(1);
  one = pair[0];
  two = pair[1];
  if (write(two, "bytes in the socket", 19) != 19) exit(1);
  epoll = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {0}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_in, &event);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
}

static void try_one(const Row *row, int which, long bad, const char *how) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(2); /* some wait for ever, without a time limit */
    long a[6];
    memcpy(a, row->arguments, sizeof(a));
    a[which] = bad;
    errno = 0;
    long result = syscall(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    printf("%s %d %s: %s\n", row->name, which, how, result < 0 ? strerrorname(errno) : "ok");
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s %d %s: signal %d\n", row->name, which, how, WTERMSIG(status));
  lseek(file, 0, SEEK_SET);
}

/* How much of a buffer that ends early is used, is not told: Linux gives what went before the end. */
static int is_data(const Row *row) {
  static const char *const calls[] = {"read", "write", "pread64", "pwrite64", "getrandom"};
  for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); ++i)
    if (strcmp(row->name, calls[i]) == 0) return 1;
  return 0;
}

int main(void) {
  prepare();
  const Row rows[] = {
      ROW(read, 2, file, A(room), 8),
      ROW(read, 2, pipe_in, A(room), 8),
      ROW(read, 2, one, A(room), 8),
      ROW(read, 2, timer, A(room), 8),
      ROW(write, 2, file, A(room), 8),
      ROW(write, 2, pipe_out, A(room), 8),
      ROW(write, 2, one, A(room), 8),
      ROW(pread64, 2, file, A(room), 8, 0),
      ROW(pwrite64, 2, file, A(room), 8, 0),
      ROW(readv, 2, file, A(room), 1),
      ROW(writev, 2, file, A(room), 1),
      ROW(preadv, 2, file, A(room), 1, 0),
      ROW(pwritev, 2, file, A(room), 1, 0),
      ROW(preadv2, 2, file, A(room), 1, 0, 0, 0),
      ROW(sendfile, 4, one, file, A(room), 4),
      ROW(copy_file_range, 2 | 8, file, A(room), file, A(room), 1, 0),
      ROW(splice, 2, file, A(room), pipe_out, 0, 4, 0),
      ROW(vmsplice, 2, pipe_out, A(room), 1, 0),
      ROW(open, 1, A(text), O_RDONLY, 0),
      ROW(openat, 2, AT_FDCWD, A(text), O_RDONLY, 0),
      ROW(openat2, 2 | 4, AT_FDCWD, A(text), A(room), 24),
      ROW(creat, 1, A(other), 0600),
      ROW(stat, 1 | 2, A(text), A(room)),
      ROW(lstat, 1 | 2, A(text), A(room)),
      ROW(fstat, 2, file, A(room)),
      ROW(fstat, 2, pipe_in, A(room)),
      ROW(newfstatat, 2 | 4, AT_FDCWD, A(text), A(room), 0),
      ROW(statx, 2 | 16, AT_FDCWD, A(text), 0, 0x7ff, A(room)),
      ROW(statfs, 1 | 2, A(text), A(room)),
      ROW(fstatfs, 2, file, A(room)),
      ROW(access, 1, A(text), 0),
      ROW(faccessat, 2, AT_FDCWD, A(text), 0),
      ROW(faccessat2, 2, AT_FDCWD, A(text), 0, 0),
      ROW(chdir, 1, A(folder)),
      ROW(getcwd, 1, A(room), 4096),
      ROW(mkdir, 1, A(other), 0700),
      ROW(rmdir, 1, A(other)),
      ROW(mknod, 1, A(other), S_IFIFO | 0600, 0),
      ROW(unlink, 1, A(other)),
      ROW(unlinkat, 2, AT_FDCWD, A(other), 0),
      ROW(rename, 1 | 2, A(other), A(other)),
      ROW(renameat2, 2 | 8, AT_FDCWD, A(other), AT_FDCWD, A(other), 0),
      ROW(link, 1 | 2, A(text), A(other)),
      ROW(symlink, 1 | 2, A(text), A(other)),
      ROW(unlink, 1, A(other)),
      ROW(readlink, 1 | 2, A("/proc/self/exe"), A(room), 100),
      ROW(readlinkat, 2 | 4, AT_FDCWD, A("/proc/self/fd/0"), A(room), 100),
      ROW(chmod, 1, A(text), 0600),
      ROW(chown, 1, A(text), -1, -1),
      ROW(fchownat, 2, AT_FDCWD, A(text), -1, -1, 0),
      ROW(truncate, 1, A(text), 10),
      ROW(utime, 1 | 2, A(text), A(room)),
      ROW(utimes, 1 | 2, A(text), A(room)),
      ROW(utimensat, 2 | 4, AT_FDCWD, A(text), A(room), 0),
      ROW(getdents64, 2, place, A(room), 1024),
      ROW(fcntl, 4, file, F_GETLK, A(room)),
      ROW(fcntl, 4, file, F_SETLK, A(room)),
      ROW(ioctl, 4, file, 0x541b /* FIONREAD */, A(room)),
      ROW(ioctl, 4, pipe_in, 0x541b, A(room)),
      ROW(ioctl, 4, pipe_in, 0x5421 /* FIONBIO */, A(room)),
      ROW(pipe, 1, A(room)),
      ROW(pipe2, 1, A(room), 0),
      ROW(memfd_create, 1, A("name"), 0),
      ROW(poll, 1, A(room), 1, 0),
      ROW(ppoll, 1 | 4 | 8, A(room), 1, A(&soon), A(room), 8),
      ROW(select, 2 | 4 | 8 | 16, 8, A(room), A(room), A(room), A(room)),
      ROW(pselect6, 2 | 16, 8, A(room), 0, 0, A(&soon), 0),
      ROW(epoll_ctl, 8, epoll, EPOLL_CTL_ADD, one, A(room)),
      ROW(epoll_wait, 2, epoll, A(room), 4, 0),
      ROW(epoll_pwait, 2 | 16, epoll, A(room), 4, 0, A(room), 8),
      ROW(epoll_pwait2, 2 | 8, epoll, A(room), 4, A(&soon), 0, 8),
      ROW(timerfd_settime, 4 | 8, timer, 0, A(room), A(room)),
      ROW(timerfd_gettime, 2, timer, A(room)),
      ROW(signalfd4, 2, -1, A(room), 8, 0),
      ROW(bind, 2, listener, A(room), 16),
      ROW(connect, 2, listener, A(room), 16),
      ROW(accept, 2 | 4, one, A(room), A(room)),
      ROW(getsockname, 2 | 4, one, A(room), A(room)),
      ROW(getpeername, 2 | 4, one, A(room), A(room)),
      ROW(socketpair, 8, AF_UNIX, SOCK_STREAM, 0, A(room)),
      ROW(setsockopt, 8, one, SOL_SOCKET, SO_SNDBUF, A(room), 4),
      ROW(getsockopt, 8 | 16, one, SOL_SOCKET, SO_SNDBUF, A(room), A(&(int){4})),
      ROW(sendto, 2, one, A(room), 8, 0, 0, 0),
      ROW(recvfrom, 2, one, A(room), 8, 0, 0, 0),
      ROW(sendmsg, 2, one, A(room), 0),
      ROW(recvmsg, 2, one, A(room), 0),
      ROW(sendmmsg, 2, one, A(room), 1, 0),
      ROW(recvmmsg, 2, one, A(room), 1, 0, 0),
      ROW(mincore, 4, A(room), 4096, A(room)),
      ROW(process_vm_readv, 2 | 8, getpid(), A(room), 1, A(room), 1, 0),
      ROW(execve, 1 | 2 | 4, A("/no/such/file"), A(words), A(words)),
      ROW(wait4, 2 | 8, -1, A(room), WNOHANG, A(room)),
      ROW(waitid, 4 | 16, P_ALL, 0, A(room), WEXITED | WNOHANG, A(room)),
      ROW(rt_sigaction, 2 | 4, SIGUSR1, A(room), A(room), 8),
      ROW(rt_sigprocmask, 2 | 4, SIG_BLOCK, A(room), A(room), 8),
      ROW(rt_sigpending, 1, A(room), 8),
      ROW(rt_sigtimedwait, 1 | 2 | 4, A(room), A(room), A(&soon), 8),
      ROW(rt_sigqueueinfo, 4, getpid(), 0, A(room)),
      ROW(rt_sigsuspend, 1, A(room), 7),
      ROW(sigaltstack, 1 | 2, A(&stack), A(room)),
      ROW(nanosleep, 1, A(&soon), A(room)),
      ROW(clock_nanosleep, 4, CLOCK_MONOTONIC, 0, A(&soon), A(room)),
      ROW(clock_gettime, 2, CLOCK_MONOTONIC, A(room)),
      ROW(clock_getres, 2, CLOCK_MONOTONIC, A(room)),
      ROW(clock_settime, 2, CLOCK_MONOTONIC, A(room)),
      ROW(gettimeofday, 1 | 2, A(room), A(room)),
      ROW(time, 1, A(room)),
      ROW(times, 1, A(room)),
      ROW(getitimer, 2, 0, A(room)),
      ROW(setitimer, 2 | 4, 0, A(room), A(room)),
      ROW(timer_create, 2 | 4, CLOCK_MONOTONIC, A(room), A(room)),
      ROW(timer_settime, 4, 99, 0, A(room), A(room)),
      ROW(futex, 1, A(room), 0, 1, A(&soon), 0, 0),
      ROW(futex, 1, A(room), 1, 1, 0, 0, 0),
      ROW(futex, 1 | 16, A(room), 3, 1, 1, A(room), 0),
      ROW(futex, 1 | 16, A(room), 4, 1, 1, A(room), 0),
      ROW(futex, 1 | 16, A(room), 5, 1, 1, A(room), 0),
      ROW(futex, 8, A(room), 0, 0, A(&soon), 0, 0),
      ROW(get_robust_list, 2 | 4, 0, A(room), A(room)),
      ROW(uname, 1, A(room)),
      ROW(sysinfo, 1, A(room)),
      ROW(getrusage, 2, 0, A(room)),
      ROW(getrlimit, 2, 7, A(room)),
      ROW(prlimit64, 8, 0, 7, 0, A(room)),
      ROW(getrandom, 1, A(room), 16, 0),
      ROW(getgroups, 2, 0, A(room)),
      ROW(getresuid, 1 | 2 | 4, A(room), A(room), A(room)),
      ROW(getresgid, 1 | 2 | 4, A(room), A(room), A(room)),
      ROW(capget, 1 | 2, A(room), A(room)),
      ROW(prctl, 2, 15 /* PR_SET_NAME */, A("name"), 0, 0, 0),
      ROW(prctl, 2, 16 /* PR_GET_NAME */, A(room), 0, 0, 0),
      ROW(arch_prctl, 2, 0x1003 /* ARCH_GET_FS */, A(room)),
      ROW(sched_getaffinity, 4, 0, 128, A(room)),
      ROW(sched_getparam, 2, 0, A(room)),
      ROW(sched_setparam, 2, 0, A(room)),
      ROW(sched_setscheduler, 4, 0, 0, A(room)),
      ROW(sched_getattr, 2, 0, A(room), 56, 0),
      ROW(sched_rr_get_interval, 2, 0, A(room)),
      ROW(getcpu, 1 | 2, A(room), A(room), 0),
      ROW(getpriority, 0, 0, 0),
  };
  const struct {
    const char *how;
    long value;
  } bad[] = {{"null", 0},
             {"unmapped", 8},
             {"strange", 0x800000000000},
             {"kernel", -4096},
             {"edge", (long)edge}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
    for (int which = 0; which < 6; ++which)
      for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); ++k)
        if ((rows[i].addresses >> which & 1) && !(bad[k].value == (long)edge && is_data(&rows[i])))
          try_one(&rows[i], which, bad[k].value, bad[k].how);
  return 0;
}
