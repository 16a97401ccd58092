/* fork, exit, wait, pipes between processes, groups and sessions. */
#include "check.h"
#include <fcntl.h>
#include <sys/wait.h>

static int run(int code);

/* Its child leaves nothing. */
static void no_zombies(const char *when) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  usleep(200000);
  printf("%s: ", when);
  VALUE(waitpid(-1, NULL, WNOHANG));
  fflush(stdout);
}
static void on_child(int signal) { (void)signal; }
static void child_actions(const char *self) {
  int status;
  fflush(stdout);
  signal(SIGCHLD, SIG_IGN);
  if (fork() == 0) {
    no_zombies("ignored, forked");
    execl(self, self, "executed", "ignored, executed", (char *)0);
    _exit(1);
  }
  waitpid(-1, NULL, 0);
  if (vfork() == 0) {
    execl(self, self, "executed", "ignored, vforked", (char *)0);
    _exit(1);
  }
  waitpid(-1, NULL, 0);
  struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDWAIT | SA_NOCLDSTOP};
  sigaction(SIGCHLD, &action, NULL);
  if (fork() == 0) {
    no_zombies("not wanted, forked");
    _exit(0);
  }
  while (waitpid(-1, NULL, 0) < 0 && errno == EINTR) continue;
  /* What the handler said ends with it: the children of the program leave a status again. */
  if (fork() == 0) {
    execl(self, self, "executed", "not wanted, executed", (char *)0);
    _exit(1);
  }
  while (waitpid(-1, NULL, 0) < 0 && errno == EINTR) continue;
  signal(SIGCHLD, SIG_DFL);
  if (fork() == 0) {
    signal(SIGCHLD, SIG_DFL);
    printf("default: %d\n", run(3));
    fflush(stdout);
    _exit(0);
  }
  wait(&status);
}
static int run(int code) {
  pid_t child = fork();
  if (child == 0) _exit(code);
  int status;
  if (waitpid(child, &status, 0) != child) return -1;
  return WEXITSTATUS(status);
}
int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "executed") == 0) {
    pid_t zombie = fork();
    if (zombie == 0) _exit(3);
    usleep(200000);
    int left = waitpid(-1, NULL, WNOHANG);
    printf("%s: %s\n", words[2], left == zombie ? "a zombie" : left < 0 ? strerrorname(errno) : "none");
    return 0;
  }
  printf("codes %d %d %d\n", run(0), run(1), run(255));
  VALUE(waitpid(-1, NULL, 0));
  VALUE(waitpid(-1, NULL, WNOHANG));
  int fds[2], status;
  pipe(fds);
  char line[64] = "";
  pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    for (int i = 0; i < 5; ++i) dprintf(fds[1], "line %d\n", i);
    _exit(0);
  }
  close(fds[1]);
  size_t have = 0;
  ssize_t got;
  while ((got = read(fds[0], line + have, sizeof(line) - 1 - have)) > 0) have += (size_t)got;
  line[have] = 0;
  printf("from the child: %s", line);
  wait(&status);
  child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  VALUE(waitpid(child, &status, WNOHANG));
  kill(child, SIGTERM);
  siginfo_t info = {0};
  waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
  printf("waitid: code %s, status %d, keeps %d\n", info.si_code == CLD_KILLED ? "killed" : "other",
         info.si_status, waitpid(child, &status, 0) == child);
  /* The child lives on until it is told: an exit seen first would hide that it continued. */
  int go[2];
  pipe(go);
  child = fork();
  if (child == 0) {
    char byte;
    raise(SIGSTOP);
    read(go[0], &byte, 1);
    _exit(6);
  }
  waitpid(child, &status, WUNTRACED);
  printf("stopped: %d by %d\n", WIFSTOPPED(status), WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  printf("continued: %d\n", WIFCONTINUED(status));
  write(go[1], "", 1);
  waitpid(child, &status, 0);
  printf("then exit %d\n", WEXITSTATUS(status));
  child = fork();
  if (child == 0) {
    int ok = setsid() == getpid() && getpgrp() == getpid() && getsid(0) == getpid();
    _exit(ok && setpgid(0, 0) < 0 ? 1 : 0);
  }
  waitpid(child, &status, 0);
  printf("session leader: %d\n", WEXITSTATUS(status));
  int shared = 1;
  child = fork();
  if (child == 0) {
    shared = 2;
    _exit(shared);
  }
  waitpid(child, &status, 0);
  printf("copies: child %d, parent %d\n", WEXITSTATUS(status), shared);
  /* A file position is shared, a descriptor table is not. */
  int fd = open("/tmp/fork_wait.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(fd, "abcdef", 6);
  lseek(fd, 0, SEEK_SET);
  child = fork();
  if (child == 0) {
    char two[2];
    read(fd, two, 2);
    close(fd);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  char byte;
  read(fd, &byte, 1);
  printf("shared position: %c\n", byte);
  unlink("/tmp/fork_wait.file");
  signal(SIGCHLD, SIG_IGN);
  child = fork();
  if (child == 0) _exit(0);
  VALUE(waitpid(child, NULL, 0));
  signal(SIGCHLD, SIG_DFL);
  child_actions(words[0]);
  for (int i = 0; i < 40; ++i) { /* a storm */
    if (fork() == 0) _exit(i & 1);
  }
  int ones = 0, all = 0;
  while (wait(&status) > 0) ones += WEXITSTATUS(status), ++all;
  printf("storm: %d, %d ones\n", all, ones);
  VALUE(kill(99999999, 0));
  return 0;
}
