/* What the programs about files that a process has to itself share: a folder of their own, and what
 * is in it as others see it. */
#pragma once
#include "check.h"
// It says which interface the others show.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char text[40000];
static int shared_file;

/* The file's text as another opening sees it. */
static const char* Seen(const char* name) {
  static char seen[256];
  int file = open(name, O_RDONLY);
  ssize_t count = file < 0 ? -1 : read(file, seen, sizeof(seen) - 1);
  close(file);
  seen[count < 0 ? 0 : count] = 0;
  return seen;
}

static void Child(void (*body)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("child: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static void WarmUp(void) {
  for (int i = 0; i < 20; i++) {
    int file = open("/tmp/files/warm", O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (write(file, "x", 1) != 1)
      puts("warm up");
    close(file);
  }
}

static void Put(const char* name, const char* what) {
  int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
  if (write(file, what, strlen(what)) != (ssize_t)strlen(what))
    puts("short");
  close(file);
}

/* True: it did not work. A process has opened a few files before it gets any to itself. */
static int Begin(void) {
  umask(022);
  mkdir("/tmp/files", 0700);
  if (chdir("/tmp/files"))
    return 1;
  WarmUp();
  return 0;
}
