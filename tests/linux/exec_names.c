/* What a program with a long name is called once it runs: by fork and exec, and by posix_spawn. */
#include "check.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static void copy(const char *from, const char *to) {
  char bytes[65536];
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
  for (ssize_t got; (got = read(in, bytes, sizeof(bytes))) > 0;) write(out, bytes, got);
  close(in);
  close(out);
}
static void wait_for(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
}
int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  char name[4096];
  if (argc > 1 && strcmp(argv[1], "inside") == 0) {
    ssize_t length = readlink("/proc/self/exe", name, sizeof(name));
    printf("%zd bytes, as it was called: %d, ends in %.12s\n", length,
           length == (ssize_t)strlen(argv[0]) && memcmp(name, argv[0], length) == 0, name + length - 12);
    return 5;
  }
  static const int lengths[] = {10, 220, 240};
  for (int depth = 0; depth <= 4; ++depth) {
    for (int i = 0; i < 3; ++i) {
      int at = sprintf(name, "/tmp/exec_names");
      mkdir(name, 0700);
      for (int level = 0; level < depth; ++level) {
        at += sprintf(name + at, "/%0*d", 200, level);
        mkdir(name, 0700);
      }
      sprintf(name + at, "/%0*d_program", lengths[i], i);
      copy(argv[0], name);
      char *words[] = {name, "inside", NULL};
      pid_t child = fork();
      if (child == 0) {
        execv(name, words);
        _exit(126);
      }
      wait_for(child);
      const int error = posix_spawn(&child, name, NULL, NULL, words, environ);
      wait_for(child);
      printf("spawn %d\n", error);
      unlink(name);
    }
  }
  for (int depth = 4; depth >= 0; --depth) {
    int at = sprintf(name, "/tmp/exec_names");
    for (int level = 0; level < depth; ++level) at += sprintf(name + at, "/%0*d", 200, level);
    VALUE(rmdir(name));
  }
  return 0;
}
