/* What a program is told that watches files and folders: each event once, in order, with its name. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <utime.h>

static int watcher;
static uint32_t last_cookie;

static void Bits(uint32_t mask) {
  static const struct {
    uint32_t bit;
    const char *name;
  } names[] = {{IN_ACCESS, "access"},        {IN_MODIFY, "modify"},           {IN_ATTRIB, "attrib"},
               {IN_CLOSE_WRITE, "close_write"}, {IN_CLOSE_NOWRITE, "close"},  {IN_OPEN, "open"},
               {IN_MOVED_FROM, "moved_from"}, {IN_MOVED_TO, "moved_to"},      {IN_CREATE, "create"},
               {IN_DELETE, "delete"},        {IN_DELETE_SELF, "delete_self"}, {IN_MOVE_SELF, "move_self"},
               {IN_Q_OVERFLOW, "overflow"},  {IN_IGNORED, "ignored"},         {IN_ISDIR, "dir"}};
  for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (mask & names[i].bit) printf(" %s", names[i].name), mask &= ~names[i].bit;
  if (mask) printf(" %x", mask);
}

static void Events(const char *after) {
  static char buffer[65536] __attribute__((aligned(8)));
  int bytes = -1;
  ioctl(watcher, FIONREAD, &bytes);
  ssize_t size = read(watcher, buffer, sizeof(buffer));
  printf("%s: %s\n", after, size < 0 ? strerrorname(errno) : bytes == size ? "" : "and more");
  for (char *at = buffer; size > 0 && at < buffer + size;) {
    struct inotify_event *event = (struct inotify_event *)at;
    printf("  %d", event->wd);
    Bits(event->mask);
    printf(" %s%s\n", event->len ? event->name : "-",
           !event->cookie ? "" : event->cookie == last_cookie ? " (its pair)" : " (pair)");
    if (event->cookie) last_cookie = event->cookie;
    at += sizeof(*event) + event->len;
  }
}

/* Which there were: kernels differ in the order. */
static void Which(const char *after) {
  char buffer[4096] __attribute__((aligned(8)));
  uint32_t all = 0;
  ssize_t size = read(watcher, buffer, sizeof(buffer));
  for (char *at = buffer; size > 0 && at < buffer + size;) {
    struct inotify_event *event = (struct inotify_event *)at;
    all |= event->mask;
    at += sizeof(*event) + event->len;
  }
  printf("%s:", after);
  Bits(all);
  printf("\n");
}

static void Write(const char *name, const char *what, int flags) {
  int fd = open(name, O_WRONLY | flags, 0600);
  if (write(fd, what, strlen(what)) < 0) perror("write");
  close(fd);
}
static void Read(const char *name) {
  char byte[8];
  int fd = open(name, O_RDONLY);
  if (read(fd, byte, sizeof(byte)) < 0) perror("read");
  if (read(fd, byte, sizeof(byte)) < 0) perror("read");
  close(fd);
}

static void Refusals(void) {
  char small[16];
  VALUE(inotify_init1(1));
  VALUE(inotify_add_watch(watcher, "missing", IN_ALL_EVENTS));
  VALUE(inotify_add_watch(watcher, ".", 0));
  VALUE(inotify_add_watch(99, ".", IN_OPEN));
  VALUE(inotify_add_watch(1, ".", IN_OPEN));
  VALUE(inotify_add_watch(watcher, NULL, IN_OPEN));
  VALUE(inotify_add_watch(watcher, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
  VALUE(inotify_add_watch(watcher, "/etc/passwd", IN_OPEN | IN_ONLYDIR));
  VALUE(inotify_rm_watch(watcher, 1));
  VALUE(inotify_rm_watch(1, 1));
  VALUE(inotify_rm_watch(99, 1));
  VALUE(read(watcher, small, sizeof(small)));
  VALUE(write(watcher, small, sizeof(small)));
  VALUE(lseek(watcher, 0, SEEK_SET));
  VALUE(inotify_add_watch(watcher, "/tmp/files", IN_CREATE));
  Write("small", "x", O_CREAT);
  VALUE(read(watcher, small, sizeof(small)));
  VALUE(read(watcher, (void *)8, 4096));
  VALUE(unlink("small"));
  VALUE(inotify_rm_watch(watcher, 1));
  Events("refusals");
}

static void InFolder(void) {
  VALUE(inotify_add_watch(watcher, "/tmp/files", IN_ALL_EVENTS));
  Write("one", "text", O_CREAT);
  Events("made");
  Write("one", "more", O_APPEND);
  Events("appended");
  Write("one", "new", O_TRUNC);
  Which("cut");
  Read("one");
  Events("read");
  chmod("one", 0640);
  Events("chmod");
  struct utimbuf times = {1, 2};
  utime("one", &times);
  Events("utime");
  struct timespec access_only[2] = {{5, 0}, {0, UTIME_OMIT}}, modify_only[2] = {{0, UTIME_OMIT}, {5, 0}};
  utimensat(AT_FDCWD, "one", access_only, 0);
  Events("access time");
  utimensat(AT_FDCWD, "one", modify_only, 0);
  Events("modify time");
  truncate("one", 100);
  Events("truncate");
  rename("one", "two");
  Events("renamed");
  link("two", "three");
  Events("linked");
  symlink("two", "soft");
  Events("symlink");
  Read("soft");
  Events("through it");
  rename("three", "two");
  Events("two names of one file");
  unlink("soft");
  Events("removed");
  mkdir("folder", 0700);
  Events("mkdir");
  Write("folder/inside", "x", O_CREAT);
  Events("inside is another folder");
  rename("folder/inside", "came");
  Events("moved in");
  rename("came", "folder/inside");
  Events("moved out");
  rename("folder", "dir");
  Events("folder renamed");
  unlink("dir/inside");
  rmdir("dir");
  Events("rmdir");
  mkfifo("fifo", 0600);
  unlink("fifo");
  Events("fifo");
  stat("two", &(struct stat){0});
  access("two", R_OK);
  close(open("two", O_PATH));
  Events("no event");
  Write("a", "x", O_CREAT), Write("b", "y", O_CREAT);
  Events("two more");
  renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE);
  Events("exchanged");
  rename("a", "b");
  Events("over another");
  int fd = open("b", O_RDWR);
  void *map = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  munmap(map, 4096);
  Events("mapped");
  pwrite(fd, "12", 2, 1), pread(fd, (char[4]){0}, 2, 0), ftruncate(fd, 1), fallocate(fd, 0, 0, 10), fchmod(fd, 0600);
  Events("by number");
  unlink("b");
  Events("without a name");
  write(fd, "x", 1);
  close(fd);
  Events("closed");
  int dir = open(".", O_RDONLY | O_DIRECTORY);
  char names[4096];

  getdents64(dir, names, sizeof(names));
  close(dir);
  Events("listed");
}

static void OfFile(void) {
  Write("file", "x", O_CREAT);
  int again = inotify_add_watch(watcher, "/tmp/files", IN_OPEN);
  printf("the same number: %d\n", again == inotify_add_watch(watcher, ".", IN_CREATE | IN_MASK_ADD));
  VALUE(inotify_add_watch(watcher, ".", IN_CREATE | IN_MASK_CREATE) >= 0);
  Events("before");
  int wd = inotify_add_watch(watcher, "file", IN_ALL_EVENTS);
  printf("further: %d\n", wd > again);
  Write("file", "y", 0);
  Events("both are told");
  rename("file", "elsewhere");
  Events("moved itself");
  Read("elsewhere");
  Events("under its new name");
  int held = open("elsewhere", O_RDONLY);
  unlink("elsewhere");
  Events("removed, but open");
  close(held);
  Events("gone");
  VALUE(inotify_rm_watch(watcher, wd));
  mkdir("folder", 0700);
  VALUE(inotify_add_watch(watcher, "folder", IN_ALL_EVENTS) > wd);
  Write("folder/a", "x", O_CREAT);
  unlink("folder/a");
  rename("folder", "dir");
  rmdir("dir");
  Events("a folder's life");
  Write("once", "x", O_CREAT);
  Events("made");
  VALUE(inotify_add_watch(watcher, "once", IN_OPEN | IN_ONESHOT) > wd);
  Write("once", "y", 0);
  Write("once", "y", 0);
  Events("once");
  symlink("once", "link");
  int to = inotify_add_watch(watcher, "once", IN_ATTRIB);
  printf("follows: %d, or not: %d\n", to == inotify_add_watch(watcher, "link", IN_ATTRIB),
         to != inotify_add_watch(watcher, "link", IN_ATTRIB | IN_DONT_FOLLOW));
  unlink("link");
  Events("links");
  VALUE(inotify_rm_watch(watcher, to));
  VALUE(inotify_rm_watch(watcher, again));
  Events("ended");
  unlink("once");
}

/* Files that were open, and used, before anybody watched; and those of another process. */
static void OpenBefore(void) {
  int fd = open("before", O_CREAT | O_RDWR, 0600), go[2], done[2];
  for (int i = 0; i < 50; i++) pwrite(fd, "abc", 3, i);
  pipe(go), pipe(done);
  fflush(stdout);
  if (fork() == 0) {
    char byte;
    int own = open("theirs", O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < 50; i++) pwrite(own, "abc", 3, i);
    write(done[1], "x", 1);
    read(go[0], &byte, 1);
    pwrite(own, "abc", 3, 0);
    pread(own, (char[4]){0}, 3, 0);
    _exit(0);
  }
  char byte;
  read(done[0], &byte, 1);
  int other = inotify_init1(IN_NONBLOCK), old = watcher;
  close(old);
  watcher = other;
  VALUE(inotify_add_watch(watcher, ".", IN_MODIFY | IN_ACCESS | IN_CLOSE));
  pwrite(fd, "abc", 3, 0);
  pread(fd, (char[4]){0}, 3, 0);
  Events("open before");
  write(go[1], "x", 1);
  wait(NULL);
  Events("theirs");
  close(fd);
  Events("closed");
  unlink("before"), unlink("theirs");
  for (int i = 0; i < 4; i++) close(i < 2 ? go[i] : done[i - 2]);
}

static void Waiting(void) {
  struct pollfd ready = {watcher, POLLIN, 0};
  VALUE(inotify_add_watch(watcher, ".", IN_CREATE));
  VALUE(poll(&ready, 1, 0));
  int epoll = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.u32 = 7}};
  VALUE(epoll_ctl(epoll, EPOLL_CTL_ADD, watcher, &event));
  VALUE(epoll_wait(epoll, &event, 1, 0));
  fflush(stdout);
  if (fork() == 0) {
    usleep(50000);
    Write("wakes", "x", O_CREAT);
    _exit(0);
  }
  VALUE(epoll_wait(epoll, &event, 1, 10000));
  VALUE(poll(&ready, 1, 10000));
  wait(NULL);
  Events("woken");
  VALUE(poll(&ready, 1, 0));
  unlink("wakes");
  fcntl(watcher, F_SETFL, 0);
  fflush(stdout);
  if (fork() == 0) {
    usleep(50000);
    Write("wakes", "x", O_CREAT);
    _exit(0);
  }
  Events("read that waits");
  wait(NULL);
  fcntl(watcher, F_SETFL, O_NONBLOCK);
  unlink("wakes");
  fflush(stdout);
  if (fork() == 0) {
    Write("child", "x", O_CREAT);
    Events("shared with a child");
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  Events("which took it");
  unlink("child");
  close(epoll);
}

static void TooMany(void) {
  static char buffer[4096] __attribute__((aligned(8)));
  VALUE(inotify_add_watch(watcher, ".", IN_CREATE | IN_DELETE));
  for (int i = 0; i < 9000; i++) close(open("x", O_CREAT | O_RDWR, 0600)), unlink("x");
  int events = 0, lost = 0;
  ssize_t size;
  while ((size = read(watcher, buffer, sizeof(buffer))) > 0)
    for (char *at = buffer; at < buffer + size; events++) {
      struct inotify_event *event = (struct inotify_event *)at;
      lost += event->mask == IN_Q_OVERFLOW && event->wd == -1;
      at += sizeof(*event) + event->len;
    }
  printf("events %d, lost %d\n", events, lost);
}

int main(void) {
  umask(022);
  mkdir("/tmp/files", 0700);
  if (chdir("/tmp/files")) return 1;
  watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  VALUE(fcntl(watcher, F_GETFD));
  VALUE(fcntl(watcher, F_GETFL));
  Refusals();
  InFolder();
  OfFile();
  OpenBefore();
  Waiting();
  TooMany();
  VALUE(close(watcher));
  return 0;
}
