/* Random Linux calls with random and hostile arguments: linux_fuzz SEED SECONDS.
 *
 * The supervisor (root) starts one child after the other, as nobody, in a folder of its own. Each
 * makes calls until it dies of one, or its time is over. The node must stand, and give back what
 * children held: free memory and processes are looked at between rounds. Exit status 0: they were.
 *
 * For a node of one's own: the supervisor ends every other process it is allowed to.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kNobody = 65534, kChildMs = 700, kPages = 16, kPage = 4096 };

static uint64_t state;
static unsigned char* arena; /* kPages pages, one unmapped and one read-only behind */
static volatile long* calls; /* shared with the supervisor */

static uint64_t Random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
static uint64_t Below(uint64_t limit) {
  return Random() % limit;
}

static double Now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static const char* const kPaths[] = {"f",     "d",           "d/x",          ".",           "/",
                                     "/proc/self/fd", "/proc/self/maps", "/dev/null", "/dev/zero", "/dev/fd/3",
                                     "/proc/self/status", "link", "fifo", "/dev/ptmx", "/sys/devices", "/tmp", ""};

static uint64_t InArena(void) {
  switch (Below(6)) {
    case 0: /* ends where nothing is mapped */
      return (uint64_t)arena + kPages * kPage - Below(64);
    case 1:
      return (uint64_t)arena + Below(kPages) * kPage;
    default:
      return (uint64_t)arena + Below(kPages * kPage) / 8 * 8;
  }
}

static uint64_t Hostile(void) {
  static const uint64_t kSome[] = {0,
                                   1,
                                   2,
                                   8,
                                   0x1000,
                                   0xffff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff,
                                   0xfffffffffffff000,
                                   0xffff800000000000, /* the kernel's */
                                   0xffffffff80000000,
                                   0x7ffffffff000,
                                   0x00007fffffffffff,
                                   0x0000800000000000, /* not canonical */
                                   0x700000000000,
                                   0x7f0000000000,
                                   0x7e0000000000};
  return kSome[Below(sizeof(kSome) / sizeof(kSome[0]))];
}

static uint64_t Argument(void) {
  switch (Below(12)) {
    case 0:
    case 1:
      return Hostile();
    case 2:
    case 3:
    case 4:
      return InArena();
    case 5:
    case 6:
      return Below(24); /* a descriptor, a small number */
    case 7:
      return (uint64_t)kPaths[Below(sizeof(kPaths) / sizeof(kPaths[0]))];
    case 8:
      return 1ull << Below(64);
    case 9:
      return Below(8) * kPage;
    case 10:
      return -Below(200);
    default:
      return Random();
  }
}

/* Pages with structures, paths, lengths and addresses in them. */
static void FillArena(void) {
  for (int i = 0; i < kPages * kPage / 8; ++i) {
    uint64_t word = 0;
    switch (Below(4)) {
      case 0:
        word = Below(256);
        break;
      case 1:
        word = Argument();
        break;
      case 2:
        word = InArena();
        break;
    }
    ((uint64_t*)arena)[i] = word;
  }
}

static int Harmful(long number) {
  switch (number) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_rt_sigreturn:
    case SYS_setitimer:
    case SYS_alarm:
    case SYS_rt_sigprocmask: /* would leave every wait without end */
      return 1;
  }
  return 0;
}

static void Wake(int signal) {
  (void)signal;
}

static void MakeDescriptors(void) {
  int pair[2];
  (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
  (void)!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
  (void)!pipe2(pair, O_NONBLOCK);
  open("f", O_RDWR | O_CREAT, 0666);
  open(".", O_RDONLY | O_DIRECTORY);
  open("/dev/zero", O_RDWR);
  open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
  epoll_create1(0);
  eventfd(0, EFD_NONBLOCK);
  timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  syscall(SYS_memfd_create, "m", 0);
}

static void Child(uint64_t seed) {
  state = seed;
  struct rlimit processes = {24, 24}, space = {256 << 20, 256 << 20};
  setrlimit(RLIMIT_NPROC, &processes);
  setrlimit(RLIMIT_AS, &space);
  if (setgid(kNobody) || setuid(kNobody)) _exit(2);
  mkdir("d", 0777);
  (void)!symlink("f", "link");
  mkfifo("fifo", 0666);
  MakeDescriptors();
  struct sigaction action = {.sa_handler = Wake};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval often = {{0, 5000}, {0, 5000}};
  setitimer(ITIMER_REAL, &often, NULL);
  for (;;) {
    if (Below(64) == 0) FillArena();
    long number = Below(10) == 0 ? (long)Random() : (long)Below(Below(8) == 0 ? 512 : 335);
    if (Harmful(number)) continue;
    uint64_t a[6];
    for (int i = 0; i < 6; ++i) a[i] = Argument();
    if (number == SYS_kill || number == SYS_tkill || number == SYS_tgkill || number == SYS_rt_sigqueueinfo) {
      a[0] = getpid(); /* others are nobody's as well */
      if (number == SYS_tgkill) a[1] = a[0];
    }
    if ((number == SYS_munmap || number == SYS_mprotect || number == SYS_mremap || number == SYS_madvise ||
         number == SYS_mmap) &&
        Below(8) != 0) {
      a[0] = (uint64_t)arena + Below(kPages) * kPage;
      a[1] = Below(4) * kPage;
      if (number == SYS_mmap && Below(2)) a[3] = MAP_PRIVATE | MAP_ANONYMOUS | (Below(2) ? MAP_FIXED : 0);
    }
    ++*calls;
    syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_munmap || number == SYS_mprotect || number == SYS_mremap) {
      mmap(arena, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
  }
}

static long Free(void) {
  char text[4096];
  int fd = open("/proc/meminfo", O_RDONLY);
  ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[size > 0 ? size : 0] = 0;
  const char* found = strstr(text, "MemFree:");
  return found ? atol(found + 8) : -1;
}

static int Processes(void) {
  DIR* list = opendir("/proc");
  int count = 0;
  for (struct dirent* entry; list && (entry = readdir(list));) count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
  closedir(list);
  return count;
}

static void Remove(const char* folder) {
  pid_t child = fork();
  if (child == 0) {
    execl("/usr/bin/rm", "rm", "-rf", folder, (char*)NULL);
    _exit(1);
  }
  waitpid(child, NULL, 0);
}

static void Round(uint64_t seed) {
  Remove("/tmp/fuzz");
  mkdir("/tmp/fuzz", 0777);
  chmod("/tmp/fuzz", 0777);
  if (chdir("/tmp/fuzz")) exit(3);
  double end = Now() + kChildMs * 1e-3;
  while (Now() < end) {
    pid_t child = fork();
    if (child == 0) Child(seed);
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    while (waitpid(child, NULL, WNOHANG) == 0) {
      if (Now() > end) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        break;
      }
      usleep(5000);
    }
  }
  /* What children left behind, in whatever session. */
  for (int turn = 0; turn < 3; ++turn) {
    kill(-1, SIGKILL);
    usleep(10000);
  }
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  if (chdir("/")) exit(3);
  Remove("/tmp/fuzz");
}

int main(int count, char** words) {
  if (count < 3 || getuid() != 0) return 2;
  uint64_t seed = strtoull(words[1], NULL, 0) * 2654435761u + 1;
  double end = Now() + atof(words[2]);
  calls = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  arena = mmap(NULL, (kPages + 2) * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(arena + kPages * kPage, kPage);
  mprotect(arena + (kPages + 1) * kPage, kPage, PROT_READ);
  long first = 0, least = 0, now = 0;
  int processes = 0, rounds = 0;
  for (; Now() < end || rounds < 6; ++rounds) {
    Round(seed + (uint64_t)rounds * 0x9e3779b97f4a7c15ull);
    now = Free();
    int have = Processes();
    if (rounds == 2) { /* caches and tables have grown to what they need */
      first = least = now;
      processes = have;
    }
    if (rounds >= 2 && now < least) least = now;
    if (rounds > 2 && have > processes) {
      printf("FAILED: %d processes after round %d, %d before\n", have, rounds, processes);
      return 1;
    }
  }
  printf("%ld calls in %d rounds; free %ld KiB, was %ld, least %ld\n", *calls, rounds, now, first, least);
  /* What may stay: pages that CPUs and allocators keep at hand. */
  long most = 4096 + 64l * rounds;
  if (first - now > most) {
    printf("FAILED: %ld KiB less than at first\n", first - now);
    return 1;
  }
  printf("stood\n");
  return 0;
}
