/* Many processes take one lock of a file in turn, each waiting for the others: all three kinds. */
#include "check.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { kProcesses = 4, kTurns = 300 };
static const char path[] = "/tmp/files/locked";

static int take(int kind, int fd) {
  struct flock all = {F_WRLCK, SEEK_SET, 0, 0, 0};
  return kind == 0 ? flock(fd, LOCK_EX) : fcntl(fd, kind == 1 ? F_SETLKW : F_OFD_SETLKW, &all);
}

int main(void) {
  mkdir("/tmp/files", 0700);
  for (int kind = 0; kind < 3; ++kind) {
    unlink(path);
    int keep = open(path, O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < kProcesses; ++i) {
      if (fork() != 0) continue;
      for (int turn = 0; turn < kTurns; ++turn) {
        int fd = open(path, O_RDWR), count = 0;
        if (take(kind, fd) != 0) _exit(1);
        pread(fd, &count, sizeof(count), 0);
        ++count;
        pwrite(fd, &count, sizeof(count), 0);
        close(fd); /* gives it back */
      }
      _exit(0);
    }
    int status, failed = 0, count = 0;
    while (wait(&status) > 0) failed += status != 0;
    pread(keep, &count, sizeof(count), 0);
    printf("kind %d: %d turns, %d failed\n", kind, count, failed);
    close(keep);
  }
  return 0;
}
