/* Addresses that are not the program's: every call must answer EFAULT and leave the program alive. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

static void try_all(const char *name, long bad) {
  printf("-- %s\n", name);
  int fds[2], file = open("/tmp/bad_pointers", O_RDWR | O_CREAT | O_TRUNC, 0600);
  pipe(fds);
  write(fds[1], "abc", 3);
  write(file, "abc", 3);
  lseek(file, 0, SEEK_SET);
#define BAD(...) \
  do { \
    errno = 0; \
    long result_ = syscall(__VA_ARGS__); \
    printf("%s: %ld %s\n", #__VA_ARGS__, result_, result_ < 0 ? strerrorname(errno) : ""); \
  } while (0)
  BAD(SYS_read, fds[0], bad, 3);
  BAD(SYS_write, fds[1], bad, 3);
  BAD(SYS_read, file, bad, 3);
  BAD(SYS_write, file, bad, 3);
  BAD(SYS_open, bad, O_RDONLY);
  BAD(SYS_stat, bad, bad);
  BAD(SYS_stat, "/", bad);
  BAD(SYS_fstat, file, bad);
  BAD(SYS_newfstatat, AT_FDCWD, "/", bad, 0);
  BAD(SYS_readv, fds[0], bad, 2);
  BAD(SYS_pipe2, bad, 0);
  BAD(SYS_getcwd, bad, 100);
  BAD(SYS_readlink, "/proc/self/exe", bad, 10);
  BAD(SYS_execve, bad, 0, 0);
  BAD(SYS_execve, "/bin/true", bad, 0);
  BAD(SYS_rt_sigaction, SIGUSR1, bad, 0, 8);
  BAD(SYS_rt_sigaction, SIGUSR1, 0, bad, 8);
  BAD(SYS_rt_sigprocmask, 0, bad, 0, 8);
  BAD(SYS_nanosleep, bad, 0);
  BAD(SYS_clock_gettime, 1, bad);
  BAD(SYS_uname, bad);
  BAD(SYS_sysinfo, bad);
  BAD(SYS_getrusage, 0, bad);
  BAD(SYS_prlimit64, 0, 7, 0, bad);
  BAD(SYS_poll, bad, 1, 0);
  BAD(SYS_select, 5, bad, 0, 0, 0);
  BAD(SYS_futex, bad, 129, 1, 0, 0, 0);
  BAD(SYS_futex, bad, 128, 1, 0, 0, 0);
  BAD(SYS_getrandom, bad, 16, 0);
  int epoll = epoll_create1(0);
  BAD(SYS_epoll_ctl, epoll, 1, fds[0], bad);
  BAD(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad);
  int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
  BAD(SYS_connect, unix_socket, bad, 16);
  BAD(SYS_getdents64, open("/", O_RDONLY), bad, 1024);
  BAD(SYS_mkdir, bad, 0700);
  BAD(SYS_rename, "/tmp/x", bad);
  BAD(SYS_chdir, bad);
  BAD(SYS_sendmsg, unix_socket, bad, 0);
  BAD(SYS_rt_sigtimedwait, bad, 0, 0, 8);
  BAD(SYS_setitimer, 0, bad, 0);
  BAD(SYS_getgroups, 0, bad);
  close(unix_socket);
  close(epoll);
  close(fds[0]);
  close(fds[1]);
  close(file);
  unlink("/tmp/bad_pointers");
}
int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  try_all("null page", 8);
  try_all("far above", (long)0xffff800000000000);
  try_all("no canonical address", (long)0x1234567812345678);
  char *gone = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(gone, 8192);
  try_all("unmapped", (long)gone);
  char *border = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(border + 4096, 4096, PROT_NONE);
  memcpy(border + 4090, "/tmp/x", 6); /* runs into the border without an end */
  VALUE(open(border + 4090, O_RDONLY));
  VALUE(stat("/", (struct stat *)(border + 4096 - 16)));
  border[4095] = 0;
  strcpy(border + 4091, "/tmp");
  VALUE(access(border + 4091, F_OK));
  return 0;
}
