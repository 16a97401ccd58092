/* vfork, posix_spawn, system, popen: children that share memory until they exec. */
#include "check.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
int main(void) {
  pid_t child;
  int status;
  volatile int changed = 0;
  child = vfork();
  if (child == 0) {
    changed = 1;
    _exit(9);
  }
  waitpid(child, &status, 0);
  printf("vfork: %d, memory shared: %d\n", WEXITSTATUS(status), changed);
  /* Who such a child is: it has a parent, a group and children of its own. */
  volatile int parent = 0, group = 0, session = 0, seen = 0;
  pid_t me = getpid();
  child = vfork();
  if (child == 0) {
    parent = getppid() == me;
    group = getpgrp() == getpgid(me);
    pid_t self = getpid(), grandchild = fork();
    if (grandchild == 0) _exit(getppid() == self ? 7 : 8);
    int ended = 0;
    seen = waitpid(grandchild, &ended, 0) == grandchild ? WEXITSTATUS(ended) : -1;
    session = setsid() == self && getsid(0) == self && getpgrp() == self;
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("child of vfork: parent %d, group %d, session %d, its child %d\n", parent, group, session,
         seen);
  printf("and this one: same group %d, same parent %d, no children left %d\n",
         getpgrp() == getpgid(0) && getsid(0) != child, getppid() != me,
         waitpid(-1, NULL, WNOHANG) == -1);
  child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 5", (char *)0);
    _exit(127);
  }
  waitpid(child, &status, 0);
  printf("vfork and exec: %d\n", WEXITSTATUS(status));
  child = vfork();
  if (child == 0) {
    execl("/nonexistent", "x", (char *)0);
    changed = errno;
    _exit(127);
  }
  waitpid(child, &status, 0);
  printf("failed exec: %d, %s\n", WEXITSTATUS(status), strerrorname(changed));
  char *words[] = {"sh", "-c", "echo spawned; exit 4", NULL};
  fflush(stdout);
  int error = posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ);
  waitpid(child, &status, 0);
  printf("posix_spawn: %d, exit %d\n", error, WEXITSTATUS(status));
  error = posix_spawn(&child, "/nonexistent", NULL, NULL, words, environ);
  printf("posix_spawn of nothing: %s\n", strerrorname(error));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/tmp/spawn.out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  error = posix_spawn(&child, "/bin/sh", &actions, NULL, words, environ);
  waitpid(child, &status, 0);
  char text[64] = "";
  int fd = open("/tmp/spawn.out", O_RDONLY);
  read(fd, text, sizeof(text) - 1);
  unlink("/tmp/spawn.out");
  printf("with file actions: %d, %s", error, text);
  printf("system: %d\n", WEXITSTATUS(system("exit 3")));
  FILE *pipe = popen("echo through a pipe", "r");
  if (fgets(text, sizeof(text), pipe)) printf("popen: %s", text);
  printf("pclose: %d\n", pclose(pipe));
  return 0;
}
