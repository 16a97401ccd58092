/* Makes and ends processes and threads in every way, over and over, and tells how much less memory is
 * free afterwards: linux_cycles COUNT. As `linux_cycles nothing` it does nothing. */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static const char* self;

static long long Free(void) {
  struct sysinfo info;
  usleep(300000); /* what has ended is given back */
  sysinfo(&info);
  return (long long)info.freeram * info.mem_unit;
}

static void Fail(const char* what) {
  printf("failed: %s\n", what);
  exit(1);
}

static void Buried(pid_t child, int wanted) {
  int status = -1;
  if (child <= 0 || waitpid(child, &status, 0) != child || status != wanted << 8) Fail("child");
}

static void* Thread(void* argument) {
  return argument;
}

static void Cycle(void) {
  char* const words[] = {(char*)self, "nothing", NULL};
  pid_t child = fork();
  if (child == 0) _exit(3);
  Buried(child, 3);
  child = fork();
  if (child == 0) {
    execve(self, words, environ);
    _exit(4);
  }
  Buried(child, 0);
  child = vfork();
  if (child == 0) {
    execve(self, words, environ);
    _exit(4);
  }
  Buried(child, 0);
  child = vfork();
  if (child == 0) {
    execve("/nowhere", words, environ);
    _exit(5);
  }
  Buried(child, 5);
  if (posix_spawn(&child, self, NULL, NULL, words, environ) != 0) Fail("spawn");
  Buried(child, 0);
  pthread_t thread;
  if (pthread_create(&thread, NULL, Thread, NULL) != 0) Fail("thread");
  pthread_join(thread, NULL);
  int ends[2];
  char byte = 1;
  if (pipe(ends) != 0 || write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) Fail("pipe");
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char** argv) {
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "nothing") == 0) return 0;
  const int count = argc == 2 ? atoi(argv[1]) : 100;
  for (int i = 0; i < 50; ++i) Cycle();
  const long long before = Free();
  for (int i = 0; i < count; ++i) Cycle();
  const long long after = Free();
  printf("%d cycles, %lld KiB less free\n", count, (before - after) / 1024);
  return 0;
}
