/* Many processes take one lock of a file in turn, each waiting for the others: all three kinds. What
 * ends the locks of a process, and what is left of a wait that was given up. */
#include "check.h"
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { kProcesses = 4, kTurns = 300 };
static const char path[] = "/tmp/files/locked";

static int take(int kind, int fd) {
  struct flock all = {F_WRLCK, SEEK_SET, 0, 0, 0};
  return kind == 0 ? flock(fd, LOCK_EX) : fcntl(fd, kind == 1 ? F_SETLKW : F_OFD_SETLKW, &all);
}

/* What another process sees of our lock of the file. */
static void look(const char *of, const char *when) {
  fflush(stdout);
  if (fork() == 0) {
    struct flock all = {F_WRLCK, SEEK_SET, 0, 0, 0};
    int fd = open(of, O_RDWR);
    if (fcntl(fd, F_GETLK, &all) != 0) _exit(1);
    printf("%s: %s\n", when, all.l_type == F_UNLCK ? "free" : all.l_pid == getppid() ? "ours" : "another's");
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  wait(&status);
  if (status != 0) printf("status %x\n", status);
}
static int locked(const char *name, int flags) {
  int fd = open(name, O_RDWR | O_CREAT | flags, 0600);
  take(1, fd);
  return fd;
}
static void ends(const char *self) {
  int null = open("/dev/null", O_RDWR), fd = locked(path, 0), again = open(path, O_RDONLY);
  look(path, "locked");
  close(dup(null));
  look(path, "other closed");
  close(again);
  look(path, "another opening closed");
  take(1, fd);
  close(dup(fd));
  look(path, "copy closed");
  take(1, fd);
  VALUE(dup2(fd, fd) == fd);
  VALUE(dup2(99, fd));
  look(path, "dup2 of nothing");
  dup2(null, fd);
  look(path, "dup2 over it");
  close(fd);
  fd = locked(path, 0);
  dup3(null, fd, O_CLOEXEC);
  look(path, "dup3 over it");
  close(fd);
  fd = locked(path, 0);
  VALUE(close_range(fd + 1, ~0u, 0));
  look(path, "close_range behind it");
  VALUE(close_range(fd, fd, CLOSE_RANGE_CLOEXEC));
  look(path, "close_range for exec");
  VALUE(close_range(fd, fd, 0));
  look(path, "close_range");

  /* Its child's closes are none of its. */
  fd = locked(path, 0);
  if (fork() == 0) {
    close(fd);
    _exit(0);
  }
  wait(NULL);
  look(path, "child closed");
  if (vfork() == 0) {
    char *words[] = {"true", NULL};
    execv("/bin/true", words);
    _exit(1);
  }
  wait(NULL);
  look(path, "child executed");
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  char number[16];
  snprintf(number, sizeof(number), "%d", locked("/tmp/files/kept", 0));
  fflush(stdout);
  execl(self, self, "executed", number, (char *)0);
}
static int executed(int fd) {
  look(path, "closed by exec");
  look("/tmp/files/kept", "kept by exec");
  close(fd);
  look("/tmp/files/kept", "closed after exec");
  return 0;
}

/* Descriptors are not closed by whom they end with. */
static void end_without_closing(const char *how, int signal) {
  int ready[2], status = 0;
  pipe(ready);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    locked(path, 0);
    write(ready[1], "x", 1);
    if (signal == 0) _exit(0);
    if (signal == SIGSEGV) *(volatile int *)8 = 1;
    for (;;) pause();
  }
  char byte;
  read(ready[0], &byte, 1);
  if (signal == SIGKILL) {
    look(path, "before its end");
    kill(child, SIGKILL);
  }
  waitpid(child, &status, 0);
  look(path, how);
  close(ready[0]);
  close(ready[1]);
}

/* Who waits for it is woken by the end of who has it. */
static void inherits(void) {
  int ready[2], status = 0;
  pipe(ready);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    locked(path, 0);
    write(ready[1], "x", 1);
    for (;;) pause();
  }
  char byte;
  read(ready[0], &byte, 1);
  if (fork() == 0) {
    usleep(200000);
    kill(child, SIGKILL);
    _exit(0);
  }
  int fd = open(path, O_RDWR);
  VALUE(take(1, fd));
  close(fd);
  while (wait(&status) > 0) continue;
  close(ready[0]);
  close(ready[1]);
}

static void on_alarm(int signal) { (void)signal; }

/* We have the lock; a child waits for it and is interrupted, and lives on. Then we let go. */
static void gives_up(int kind) {
  int gone[2], done[2], status = 0;
  pipe(gone);
  pipe(done);
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  take(kind, fd);
  fflush(stdout);
  if (fork() == 0) {
    char byte;
    int own = open(path, O_RDWR);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(1);
    VALUE(take(kind, own));
    fflush(stdout);
    write(gone[1], "x", 1);
    close(done[1]);
    read(done[0], &byte, 1);
    _exit(0);
  }
  char byte;
  read(gone[0], &byte, 1);
  struct flock none = {F_UNLCK, SEEK_SET, 0, 0, 0}, all = {F_WRLCK, SEEK_SET, 0, 0, 0};
  if (kind == 0) flock(fd, LOCK_UN);
  else fcntl(fd, kind == 1 ? F_SETLK : F_OFD_SETLK, &none);
  int third = open(path, O_RDWR);
  VALUE(kind == 0 ? flock(third, LOCK_EX | LOCK_NB) : fcntl(third, kind == 1 ? F_SETLK : F_OFD_SETLK, &all));
  close(third);
  close(fd);
  close(done[0]);
  close(done[1]);
  wait(&status);
  printf("given up %d: %x\n", kind, status);
  close(gone[0]);
  close(gone[1]);
}

int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "executed") == 0) return executed(atoi(words[2]));
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
  alarm(40); /* who waits in vain */
  end_without_closing("after _exit", 0);
  end_without_closing("after kill", SIGKILL);
  end_without_closing("after a crash", SIGSEGV);
  inherits();
  for (int kind = 0; kind < 3; ++kind) gives_up(kind);
  alarm(0);
  ends(words[0]);
  return 0;
}
