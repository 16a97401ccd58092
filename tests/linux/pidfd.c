/* Descriptors of processes: made, waited for, polled, sent signals by. */
#include "check.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <pthread.h>

static int Open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int Send(int fd, int signal, siginfo_t *info, unsigned flags) {
  return syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}
static int Ready(int fd, int timeout) {
  struct pollfd entry = {fd, POLLIN, 0};
  int count = poll(&entry, 1, timeout);
  return count <= 0 ? count : entry.revents;
}
static pid_t Sleeper(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(1);
  }
  return pid;
}
static void Reaped(int fd, int flags) {
  siginfo_t info = {0};
  errno = 0;
  int result = waitid(P_PIDFD, fd, &info, flags);
  printf("waitid: %d %s code %d status %d signo %d\n", result, result ? strerrorname(errno) : "", info.si_code,
         info.si_status, info.si_signo);
}

static void Refusals(void) {
  VALUE(Open(0, 0));
  VALUE(Open(-1, 0));
  VALUE(Open(getpid(), 1));
  VALUE(Open(4000000, 0));
  int self = Open(getpid(), 0);
  VALUE(fcntl(self, F_GETFD));
  VALUE(fcntl(self, F_GETFL));
  VALUE(Ready(self, 0));
  VALUE(read(self, (char[8]){0}, 8));
  VALUE(write(self, "12345678", 8));
  VALUE(Send(self, 0, NULL, 0));
  VALUE(Send(self, 0, NULL, 0x80));
  VALUE(Send(self, 100, NULL, 0));
  VALUE(Send(1, 0, NULL, 0));
  VALUE(Send(99, 0, NULL, 0));
  VALUE(Send(self, 0, (void *)8, 0));
  Reaped(self, WEXITED);
  Reaped(1, WEXITED);
  Reaped(-1, WEXITED);
  VALUE(close(self));
}

static void OfChild(void) {
  pid_t pid = Sleeper();
  int fd = Open(pid, 0), waits = Open(pid, O_NONBLOCK);
  VALUE(Ready(fd, 0));
  VALUE(fcntl(waits, F_GETFL));
  Reaped(fd, WEXITED | WNOHANG);
  Reaped(waits, WEXITED);
  Reaped(fd, WSTOPPED | WNOHANG);
  VALUE(Send(fd, SIGSTOP, NULL, 0));
  Reaped(fd, WSTOPPED);
  VALUE(Ready(fd, 0));
  VALUE(Send(fd, SIGCONT, NULL, 0));
  Reaped(fd, WCONTINUED);
  siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_USER};
  VALUE(Send(fd, SIGTERM, &info, 0));
  info.si_code = SI_QUEUE;
  VALUE(Send(fd, SIGUSR1, &info, 0));
  VALUE(Send(fd, SIGTERM, &info, 0));
  VALUE(Ready(fd, 10000));
  VALUE(Ready(waits, 0));
  VALUE(Send(fd, SIGTERM, NULL, 0));
  int late = Open(pid, 0);
  VALUE(Ready(late, 0));
  Reaped(waits, WEXITED | WNOWAIT);
  Reaped(fd, WEXITED);
  VALUE(Ready(fd, 0) & POLLIN);  /* later kernels add a hang-up */
  VALUE(Send(fd, 0, NULL, 0));
  Reaped(fd, WEXITED);
  VALUE(Open(pid, 0));
  close(fd), close(waits), close(late);
}

/* Several in one epoll set, of children of another process as well. */
static void Several(void) {
  int epoll = epoll_create1(0), fds[4], grand[2];
  pid_t pids[4];
  pipe(grand);
  fflush(stdout);
  pid_t between = fork();
  if (between == 0) {
    pid_t inner = Sleeper();
    write(grand[1], &inner, sizeof(inner));
    int status;
    waitpid(inner, &status, 0);
    _exit(WTERMSIG(status));
  }
  for (int i = 0; i < 3; i++) pids[i] = Sleeper();
  read(grand[0], &pids[3], sizeof(pids[3]));
  for (int i = 0; i < 4; i++) {
    fds[i] = Open(pids[i], 0);
    struct epoll_event event = {EPOLLIN, {.u32 = i}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
  }
  struct epoll_event event;
  VALUE(epoll_wait(epoll, &event, 1, 0));
  for (int i = 3; i >= 0; i--) {
    Send(fds[i], SIGKILL, NULL, 0);
    int count = epoll_wait(epoll, &event, 1, 10000);
    printf("%d: %d\n", count, event.data.u32);
    Reaped(fds[i], WEXITED);
    epoll_ctl(epoll, EPOLL_CTL_DEL, fds[i], NULL);
    close(fds[i]);
  }
  int status;
  waitpid(between, &status, 0);
  printf("between: %d\n", WEXITSTATUS(status));
  close(epoll), close(grand[0]), close(grand[1]);
}

static int Body(void *argument) {
  _exit(*(int *)argument);
}
static void FromClone(void) {
  static char stack[65536] __attribute__((aligned(16)));
  int fd = -1, code = 7;
  pid_t pid = clone(Body, stack + sizeof(stack), CLONE_PIDFD | SIGCHLD, &code, &fd);
  printf("clone: %d %d\n", pid > 0, fd >= 0);
  VALUE(fcntl(fd, F_GETFD));
  Reaped(fd, WEXITED);
  close(fd);
  code = 8;
  pid = clone(Body, stack + sizeof(stack), CLONE_PIDFD | CLONE_VM | CLONE_VFORK | SIGCHLD, &code, &fd);
  printf("vfork: %d %d\n", pid > 0, fd >= 0);
  VALUE(Ready(fd, 10000));
  Reaped(fd, WEXITED);
  close(fd);
  struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
  fflush(stdout);
  pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
  if (pid == 0) _exit(9);
  printf("clone3: %d %d\n", pid > 0, fd >= 0);
  VALUE(Ready(fd, 10000));
  Reaped(fd, WEXITED);
  close(fd);
  VALUE(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0));
  VALUE(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, (void *)8, 0, 0));
  VALUE(waitpid(-1, NULL, WNOHANG));
}

static void *Second(void *unused) {
  SHOW(Open(syscall(SYS_gettid), 0) < 0 ? 0 : -1);  /* kernels differ in the reason */
  return unused;
}

int main(void) {
  Refusals();
  OfChild();
  Several();
  FromClone();
  pthread_t thread;
  pthread_create(&thread, NULL, Second, NULL);
  pthread_join(thread, NULL);
  return 0;
}
