/* Terminals and who may do what with them: a pair each, a session on its slave, jobs in and out of
 * the foreground. What a master says of its slave, and timed raw reads. */
#include "check.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

static int master;

/* A new pair; the child leads a session on its slave, which is `terminal`. */
static pid_t session(int *terminal) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(master);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    *terminal = open(ptsname(master), O_RDWR);
  }
  return child;
}
static void ended(const char *what, pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  printf("%s: %s %d\n", what, WIFEXITED(status) ? "exit" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  close(master);
}
static void done(void) {
  fflush(stdout);
  _exit(0);
}

/* A job of its own group, which does `act`; what becomes of it, and what once it is continued in the
 * foreground. */
static int terminal;
static void job(const char *what, void (*act)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    act();
    done();
  }
  setpgid(child, child);
  int status = 0;
  waitpid(child, &status, WUNTRACED);
  if (WIFSTOPPED(status)) {
    printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    fflush(stdout);
    tcsetpgrp(terminal, child);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    tcsetpgrp(terminal, getpgrp());
  }
  printf("%s: ended %x\n", what, status);
}

static void on_signal(int signal) { (void)signal; }
static void handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(signal, &action, NULL);
}
static void block(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, NULL);
}
static void show_read(void) {
  char line[16] = "";
  VALUE(read(terminal, line, sizeof(line) - 1));
}
static void show_settings(void) {
  struct termios settings;
  SHOW(tcgetattr(terminal, &settings));
  SHOW(tcsetattr(terminal, TCSANOW, &settings));
  SHOW(tcflush(terminal, TCIFLUSH));
}
static void show_foreground(void) { SHOW(tcsetpgrp(terminal, getpgrp())); }
static void show_write(void) { VALUE(write(terminal, "w", 1)); }

static void reads_ignored(void) {
  handle(SIGTTIN, SIG_IGN, 0);
  show_read();
}
static void reads_blocked(void) {
  block(SIGTTIN);
  show_read();
}
static void reads_handled(void) {
  handle(SIGTTIN, on_signal, 0);
  show_read();
}
static void sets_ignored(void) {
  handle(SIGTTOU, SIG_IGN, 0);
  show_settings();
  show_foreground();
}
static void sets_blocked(void) {
  block(SIGTTOU);
  show_settings();
}
static void writes_ignored(void) {
  handle(SIGTTOU, SIG_IGN, 0);
  show_write();
}

static void readers(void) {
  pid_t leader = session(&terminal);
  if (leader == 0) {
    write(master, "line\n", 5);
    job("reads ignored", reads_ignored);
    job("reads blocked", reads_blocked);
    job("reads handled", reads_handled);
    done();
  }
  ended("readers", leader);
}

/* The mask of whoever calls job() is the job's: these want it empty. */
static void open_mask(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}
static void reads_open(void) {
  open_mask();
  show_read();
}
static void sets_open(void) {
  open_mask();
  show_settings();
}
static void sets_handled_open(void) {
  open_mask();
  handle(SIGTTOU, on_signal, 0);
  show_settings();
}
static void takes_open(void) {
  open_mask();
  show_foreground();
}
static void writes_open(void) {
  open_mask();
  show_write();
}

static void settings(void) {
  pid_t leader = session(&terminal);
  if (leader == 0) {
    block(SIGTTOU);
    struct termios settings;
    tcgetattr(terminal, &settings);
    settings.c_lflag &= ~ECHO;
    tcsetattr(terminal, TCSANOW, &settings);
    write(master, "line\n", 5);
    job("reads", reads_open);
    job("sets", sets_open);
    job("sets ignored", sets_ignored);
    tcsetpgrp(terminal, getpgrp());
    job("sets blocked", sets_blocked);
    job("sets handled", sets_handled_open);
    job("takes", takes_open);
    job("writes", writes_open);
    settings.c_lflag |= TOSTOP;
    tcsetattr(terminal, TCSANOW, &settings);
    job("writes, tostop", writes_open);
    job("writes ignored, tostop", writes_ignored);
    done();
  }
  ended("settings", leader);
}

/* Nobody could continue a session's leader's group: its signals do not stop it. */
static void orphaned(void) {
  int ready[2];
  pipe(ready);
  pid_t leader = session(&terminal);
  char byte;
  if (leader == 0) {
    write(ready[1], "x", 1);
    for (int i = 0; i < 10; ++i) usleep(50000);
    raise(SIGTSTP);
    raise(SIGTTIN);
    raise(SIGTTOU);
    _exit(7);
  }
  read(ready[0], &byte, 1);
  write(master, "\x1a", 1);
  usleep(200000);
  int status;
  VALUE(waitpid(leader, &status, WUNTRACED | WNOHANG));
  ended("orphaned", leader);

  /* In the background, left by its parent: what it may not do are errors. */
  leader = session(&terminal);
  if (leader == 0) {
    if (fork() == 0) {
      pid_t parent = getpid();
      fflush(stdout);
      if (fork() != 0) _exit(0);
      setpgid(0, 0);
      while (getppid() == parent) usleep(10000);
      show_read();
      show_settings();
      show_foreground();
      fflush(stdout);
      write(ready[1], "x", 1);
      _exit(0);
    }
    wait(NULL);
    read(ready[0], &byte, 1);
    _exit(0);
  }
  ended("leader", leader);
  close(ready[0]);
  close(ready[1]);
}

static void masters(void) {
  int ready[2], go[2];
  pipe(ready);
  pipe(go);
  master = posix_openpt(O_RDWR | O_NOCTTY);
  int sid = 0;
  VALUE(tcgetpgrp(master));
  VALUE(ioctl(master, TIOCGSID, &sid));
  close(master);
  pid_t leader = session(&terminal);
  char byte;
  if (leader == 0) {
    write(ready[1], "x", 1);
    read(go[0], &byte, 1);
    _exit(0);
  }
  read(ready[0], &byte, 1);
  printf("foreground %d\n", tcgetpgrp(master) == leader);
  VALUE(ioctl(master, TIOCGSID, &sid));
  printf("session %d\n", sid == leader);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  VALUE(tcgetpgrp(slave)); /* not ours */
  close(slave);
  write(go[1], "x", 1);
  ended("master", leader);
}

static long tenths(const struct timespec *since) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return ((now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000) / 100;
}
static void timed(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(master);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  struct termios settings;
  tcgetattr(slave, &settings);
  cfmakeraw(&settings);
  settings.c_cc[VMIN] = 0;
  settings.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &settings);
  char bytes[8];
  VALUE(read(slave, bytes, sizeof(bytes)));
  settings.c_cc[VTIME] = 5;
  tcsetattr(slave, TCSANOW, &settings);
  for (int i = 0; i < 2; ++i) {
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    VALUE(read(slave, bytes, sizeof(bytes)));
    long time = tenths(&since);
    printf("in time %d\n", time >= 4 && time <= 7);
  }
  fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
  VALUE(read(slave, bytes, sizeof(bytes)));
  fcntl(slave, F_SETFL, O_RDWR);
  fflush(stdout);
  pid_t typist = fork();
  if (typist == 0) {
    usleep(100000);
    write(master, "abc", 3);
    _exit(0);
  }
  VALUE(read(slave, bytes, sizeof(bytes)));
  waitpid(typist, NULL, 0);
  fflush(stdout);
  typist = fork();
  if (typist == 0) {
    usleep(800000);
    write(slave, "abcd", 4);
    _exit(0);
  }
  VALUE(read(master, bytes, sizeof(bytes))); /* the slave's time is none of the master's */
  close(slave);
  ended("typist", typist);
}

int main(void) {
  alarm(50);
  timed();
  masters();
  orphaned();
  readers();
  settings();
  return 0;
}
