/* Short questions that programs put, and go by the answers: extended attributes where there is no
 * file, capabilities, CPUs of nobody. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

static void Attributes(void) {
  char value[16];
  VALUE(listxattr("/missing", value, sizeof(value)));
  VALUE(llistxattr("/missing/further", value, sizeof(value)));
  VALUE(listxattr("/etc/passwd/x", value, sizeof(value)));
  VALUE(flistxattr(99, value, sizeof(value)));
  VALUE(getxattr("/missing", "user.a", value, sizeof(value)));
  VALUE(lgetxattr("/missing", "user.a", value, sizeof(value)));
  VALUE(fgetxattr(99, "user.a", value, sizeof(value)));
  VALUE(setxattr("/missing", "user.a", "b", 1, 0));
  VALUE(fsetxattr(99, "user.a", "b", 1, 0));
  VALUE(removexattr("/missing", "user.a"));
  VALUE(fremovexattr(99, "user.a"));
  VALUE(listxattr((void *)8, value, sizeof(value)));
  unlink("/tmp/files-link");
  symlink("/missing", "/tmp/files-link");
  VALUE(listxattr("/tmp/files-link", value, sizeof(value)));
  SHOW(llistxattr("/tmp/files-link", NULL, 0));
  unlink("/tmp/files-link");
}

struct how {
  uint64_t flags, mode, resolve;
};
static long OpenAs(uint64_t flags, uint64_t mode, uint64_t resolve, size_t size) {
  struct {
    struct how how;
    uint64_t later[2];
  } request = {{flags, mode, resolve}};
  return syscall(SYS_openat2, AT_FDCWD, "/dev/null", &request, size);
}
static void Openings(void) {
  SHOW(OpenAs(O_RDONLY, 0, 0, 24));
  SHOW(OpenAs(O_RDONLY, 0, 0, 40));
  VALUE(OpenAs(O_RDONLY, 0, 0, 16));
  VALUE(OpenAs(O_RDONLY, 0600, 0, 24));
  VALUE(OpenAs(1ull << 40, 0, 0, 24));
  VALUE(OpenAs(O_RDONLY, 0, 1 << 20, 24));
  VALUE(OpenAs(O_RDONLY, 0, 8 | 16, 24));
  struct {
    struct how how;
    uint64_t later;
  } request = {{0}, 1};
  VALUE(syscall(SYS_openat2, AT_FDCWD, "/dev/null", &request, sizeof(request)));
  /* Restricted: it is, or the caller is told to do it by himself. */
  long file = OpenAs(O_RDONLY, 0, 4, 24);
  if (file < 0 && errno != ENOSYS) printf("no symbolic links: %s\n", strerrorname(errno));
}

static void Spaces(void) {
  int ends[2];
  pipe(ends);
  VALUE(unshare(0));
  VALUE(unshare(1 << 3));
  VALUE(setns(-1, 0));
  VALUE(setns(ends[0], 0));
  VALUE(unshare(CLONE_FILES | CLONE_FS));
  VALUE(close(ends[0]));
}
static void Clocks(void) {
  struct timex timex = {0};
  printf("clock's state: %d\n", adjtimex(&timex) >= 0);
  printf("tick %ld, its time %d\n", timex.tick, timex.time.tv_sec > 1000000);
  timex.modes = 0;
  printf("the same by number: %d\n", clock_adjtime(CLOCK_REALTIME, &timex) >= 0);
  VALUE(clock_adjtime(CLOCK_MONOTONIC, &timex));
  VALUE(clock_adjtime(77, &timex));
  VALUE(syscall(SYS_adjtimex, (void *)8));
}
/* Of one without privileges. */
static void Refused(void) {
  struct timex timex = {.modes = ADJ_TICK, .tick = 10000};
  VALUE(adjtimex(&timex));
  VALUE(clock_adjtime(CLOCK_REALTIME, &timex));
  VALUE(unshare(CLONE_NEWNET));
  VALUE(unshare(CLONE_NEWUTS | CLONE_FILES));
}

static void Capabilities(void) {
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 10, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 10, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1000, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0));
  VALUE(prctl(PR_CAPBSET_DROP, 1000, 0, 0, 0));
  VALUE(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  VALUE(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  if (setuid(1000) == 0) {
    VALUE(prctl(PR_CAPBSET_DROP, 10, 0, 0, 0));
    VALUE(prctl(PR_SET_SECUREBITS, 1, 0, 0, 0));
    Refused();
  }
}

/* A slash behind a name asks for a directory. */
static void Slashes(void) {
  mkdir("/tmp/files-slashes", 0700);
  if (chdir("/tmp/files-slashes") != 0) return;
  close(open("file", O_CREAT | O_RDWR, 0600));
  mkdir("folder", 0700);
  symlink("folder", "link");
  VALUE(rename("file/", "x"));
  VALUE(rename("file", "x/"));
  VALUE(rename("file//", "folder/x"));
  VALUE(rename("link/", "x"));
  VALUE(rename("missing/", "x"));
  VALUE(rename("folder/", "moved"));
  VALUE(rename("moved", "folder//"));
  VALUE(rename("folder", "file/"));
  VALUE(unlink("file"));
  VALUE(unlink("link"));
  VALUE(rmdir("folder"));
  VALUE(rmdir("/tmp/files-slashes"));
}

/* Each thread has its folder. */
static pthread_barrier_t met;
static void *Meets(void *argument) {
  (void)argument;
  char name[64];
  snprintf(name, sizeof(name), "/proc/self/task/%d/stat", (int)gettid());
  if (access(name, R_OK) != 0) puts("a thread without a folder");
  pthread_barrier_wait(&met);
  pthread_barrier_wait(&met);
  return NULL;
}
static int ThreadsListed(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    count += entry->d_name[0] != '.';
  }
  closedir(folder);
  return count;
}
static void Threads(void) {
  enum { kThreads = 40 };
  pthread_t threads[kThreads];
  pthread_barrier_init(&met, NULL, kThreads + 1);
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, Meets, NULL);
  pthread_barrier_wait(&met);
  printf("threads: %d\n", ThreadsListed());
  pthread_barrier_wait(&met);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < 100 && ThreadsListed() != 1; ++i) usleep(10000);
  printf("threads: %d\n", ThreadsListed());
  SHOW(access("/proc/self/task/1/stat", R_OK));
  SHOW(access("/proc/self/task/x", R_OK));
  SHOW(access("/proc/self/task/0", R_OK));
}

int main(void) {
  cpu_set_t cpus;
  Attributes();
  Openings();
  Slashes();
  Threads();
  Spaces();
  Clocks();
  VALUE(sched_getaffinity(-1, sizeof(cpus), &cpus));
  VALUE(sched_getaffinity(4000000, sizeof(cpus), &cpus));
  Capabilities();
  return 0;
}
