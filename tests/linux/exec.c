/* What survives exec, and what exec refuses. */
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int in_child(const char *self, char *const words[]) {
  pid_t child = fork();
  if (child == 0) {
    execv(self, words);
    printf("exec failed: %s\n", strerrorname(errno));
    fflush(stdout);
    _exit(126);
  }
  int status;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && strcmp(argv[1], "inside") == 0) {
    sigset_t mask;
    struct sigaction action;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("inside: %d words, blocked USR1 %d USR2 %d\n", argc, sigismember(&mask, SIGUSR1),
           sigismember(&mask, SIGUSR2));
    sigaction(SIGHUP, NULL, &action);
    printf("ignored stays %s\n", action.sa_handler == SIG_IGN ? "ignored" : "default");
    sigaction(SIGINT, NULL, &action);
    printf("handled becomes %s\n", action.sa_handler == SIG_DFL ? "default" : "something");
    VALUE(fcntl(10, F_GETFD));
    VALUE(fcntl(11, F_GETFD));
    char directory[128];
    printf("directory %s\n", getcwd(directory, sizeof(directory)));
    printf("umask %o, variable %s\n", umask(0), getenv("EXEC_TEST"));
    char text[8] = "";
    VALUE(read(10, text, 3));
    printf("position goes on: %s\n", text);
    return 21;
  }
  const char *self = argv[0];
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  signal(SIGHUP, SIG_IGN);
  signal(SIGINT, (void (*)(int))main);
  int fd = open("/tmp/exec.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(fd, "abcdefgh", 8);
  lseek(fd, 2, SEEK_SET);
  dup2(fd, 10);
  dup2(fd, 11);
  fcntl(11, F_SETFD, FD_CLOEXEC);
  umask(027);
  chdir("/tmp");
  setenv("EXEC_TEST", "passed on", 1);
  char *words[] = {"name", "inside", "", "last", NULL};
  printf("exit %d\n", in_child(self, words));
  char *script_words[] = {"script", "one", "two", NULL};
  int script = open("/tmp/exec.script", O_WRONLY | O_CREAT | O_TRUNC, 0700);
  dprintf(script, "#!/bin/sh -e\necho script $0 $1 $2\nexit 8\n");
  close(script);
  printf("exit %d\n", in_child("/tmp/exec.script", script_words));
  script = open("/tmp/exec.junk", O_WRONLY | O_CREAT | O_TRUNC, 0700);
  dprintf(script, "\177ELFjunk");
  close(script);
  printf("exit %d\n", in_child("/tmp/exec.junk", script_words));
  chmod("/tmp/exec.junk", 0600);
  printf("exit %d\n", in_child("/nonexistent", script_words));
  printf("exit %d\n", in_child("/tmp", script_words));
  unlink("/tmp/exec.file");
  unlink("/tmp/exec.script");
  unlink("/tmp/exec.junk");
  return 0;
}
