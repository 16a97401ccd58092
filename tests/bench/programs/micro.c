/* One static binary for both sides of a comparison: the same instructions in user space, so that
 * what differs is the kernel. As `micro ROW...` it prints `row NAME VALUE` with VALUE in ns per
 * operation (under QEMU's icount, where an instruction takes one ns: instructions per operation);
 * each row is the minimum over ROUNDS. Without the name of a row it runs all; as `micro --loop ROW
 * COUNT` one of them for ever. Run as init of a Linux guest it mounts what it needs and powers the
 * machine off when done. */
#define _GNU_SOURCE
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
enum { kRounds = 10 };

static uint64_t Now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void Check(int ok, const char* what) {
  if (ok) return;
  printf("row-failed %s errno %d\n", what, errno);
  exit(1);
}

static void NullCall(int count) {
  /* An invalid number would be logged; getppid needs no work. (On a node the kernel keeps the answer
   * where the personality reads it; getuid is one that it asks the kernel.) */
  while (count-- > 0) syscall(SYS_getppid);
}

static void GetPid(int count) {
  while (count-- > 0) syscall(SYS_getpid);
}

static void GetUid(int count) {
  while (count-- > 0) syscall(SYS_getuid);
}

static void ClockGetTime(int count) {
  struct timespec time;
  while (count-- > 0) clock_gettime(CLOCK_MONOTONIC, &time);
}

static void ForkExit(int count) {
  while (count-- > 0) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    Check(child > 0 && waitpid(child, NULL, 0) == child, "fork");
  }
}

static const char* self;

static void ForkExec(int count) {
  while (count-- > 0) {
    pid_t child = fork();
    if (child == 0) {
      execl(self, self, "nothing", NULL);
      _exit(127);
    }
    int status = -1;
    Check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork+exec");
  }
}

static void Spawn(int count) {
  char* const argv[] = {(char*)self, "nothing", NULL};
  while (count-- > 0) {
    pid_t child;
    int status = -1;
    Check(posix_spawn(&child, self, NULL, NULL, argv, environ) == 0, "spawn");
    Check(waitpid(child, &status, 0) == child && status == 0, "spawned");
  }
}

static void FirstTouch(int count) {
  size_t size = (size_t)count * 4096;
  char* pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Check(pages != MAP_FAILED, "mmap");
  for (int i = 0; i < count; i++) pages[(size_t)i * 4096] = 1;
  munmap(pages, size);
}

static const struct {
  const char* name;
  void (*run)(int);
  int count;
} kRows[] = {
    {"null_call", NullCall, 10000},  {"getpid", GetPid, 10000},
    {"getuid", GetUid, 10000},       {"clock_gettime", ClockGetTime, 10000},
    {"stat", Stat, 2000},            {"open_read_close_4k", OpenReadClose, 1000},
    {"reread_4k", RereadSmall, 2000}, {"create_write_unlink", CreateWriteUnlink, 500},
    {"read_large_64", ReadLarge64, 20000}, {"read_large_4k", ReadLarge4k, 10000},
    {"write_large_64", WriteLarge64, 20000}, {"write_large_4k", WriteLarge4k, 10000},
    {"read_large_once", ReadLargeOnce, 4096},
    {"postmark", Postmark, 2000},
    {"file_touch", FileTouch, 256},
    {"pipe_ping_pong", PipePingPong, 1000}, {"unix_ping_pong", UnixPingPong, 1000},
    {"tcp_ping_pong", TcpPingPong, 500},
    {"thread_switch", ThreadSwitch, 4000},
    {"futex_ping_pong", FutexPingPong, 1000}, {"thread_create_join", ThreadCreateJoin, 200},
    {"signal", Signal, 2000},        {"first_touch", FirstTouch, 1000},
    {"fork_exit", ForkExit, 50},     {"fork_exec", ForkExec, 30},
    {"posix_spawn", Spawn, 30},
    /* After those that fork: it touches more of this process. */
    {"served", Served, 1000},
    /* Last: their sockets stay open, and a fork would copy them. */
    {"epoll_10_idle", EpollFew, 1000}, {"epoll_10000_idle", EpollMany, 1000},
};

/* Where an operation begins, for who watches the instructions (profile.py). */
__attribute__((noipa)) void Mark(void) { __asm__ volatile(""); }

static void Loop(const char* name, int count) {
  for (size_t row = 0; row < sizeof kRows / sizeof *kRows; row++) {
    while (strcmp(name, kRows[row].name) == 0) {
      Mark();
      kRows[row].run(count);
    }
  }
}

static int Names(int argc, char** argv, const char* row) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], row) == 0) return 1;
  return 0;
}

int main(int argc, char** argv) {
  int init = getpid() == 1 && access("/proc/version", F_OK) != 0;
  if (argc == 2 && strcmp(argv[1], "nothing") == 0) return 0;
  if (init) {
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/tmp", "tmpfs", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    int clock = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY);
    char name[32] = {0};
    if (clock >= 0 && read(clock, name, sizeof name - 1) > 0) printf("clocksource %s", name);
  }
  self = init ? "/init" : argv[0];
  if (argc == 4 && strcmp(argv[1], "--loop") == 0) Loop(argv[2], atoi(argv[3]));
  setvbuf(stdout, NULL, _IOLBF, 0);
  /* Linux hands its init words of the kernel's command line, too. */
  int some = 0;
  for (size_t row = 0; row < sizeof kRows / sizeof *kRows; row++) some |= Names(argc, argv, kRows[row].name);
  for (size_t row = 0; row < sizeof kRows / sizeof *kRows; row++) {
    if (some && !Names(argc, argv, kRows[row].name)) continue;
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < kRounds; round++) {
      uint64_t began = Now();
      kRows[row].run(kRows[row].count);
      uint64_t took = Now() - began;
      if (took < best) best = took;
    }
    printf("row %s %llu.%03u\n", kRows[row].name, (unsigned long long)(best / (uint64_t)kRows[row].count),
           (unsigned)(best % (uint64_t)kRows[row].count * 1000 / (uint64_t)kRows[row].count));
  }
  printf("rows done\n");
  if (init) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return 0;
}
