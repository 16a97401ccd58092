/* Descriptors by name: /proc/self/fd, /dev/fd, /dev/stdin; the folder's list, links, openings. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The text of a link, without the number in brackets. */
static void link_text(const char* path) {
  char text[256] = "";
  ssize_t size = readlink(path, text, sizeof(text) - 1);
  if (size < 0) {
    printf("%s: %s\n", path, strerrorname(errno));
    return;
  }
  text[size] = 0;
  char* bracket = strchr(text, '[');
  if (bracket && bracket[1] >= '0' && bracket[1] <= '9') *bracket = 0;
  printf("%s -> %s\n", path, text);
}

static int is_type(const char* path, int follow, mode_t type) {
  struct stat status;
  if ((follow ? stat(path, &status) : lstat(path, &status)) != 0) return -errno;
  return (status.st_mode & S_IFMT) == type;
}

int main(void) {
  mkdir("/tmp/files", 0700);
  for (int fd = 3; fd < 64; ++fd) close(fd);
  int file = open("/tmp/files/named", O_RDWR | O_CREAT | O_TRUNC, 0644);
  VALUE(file);
  VALUE(write(file, "0123456789", 10));
  int folder = open("/tmp/files", O_RDONLY | O_DIRECTORY);
  int pipes[2];
  VALUE(pipe(pipes));
  int pair[2];
  VALUE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  int counter = eventfd(0, 0);
  int poller = epoll_create1(0);
  printf("numbers %d %d %d\n", folder, counter, poller);
  for (int fd = 3; fd < 12; ++fd) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    link_text(path);
  }
  link_text("/dev/fd");
  link_text("/dev/stdin");
  link_text("/dev/fd/3");
  link_text("/proc/self/fd");
  link_text("/proc/self/fd/77");
  link_text("/proc/self/fd/x");
  VALUE(is_type("/proc/self/fd/3", 1, S_IFREG));
  VALUE(is_type("/proc/self/fd/3", 0, S_IFLNK));
  VALUE(is_type("/dev/fd/5", 1, S_IFIFO));
  VALUE(is_type("/proc/self/fd", 1, S_IFDIR));
  VALUE(is_type("/proc/self/fd/8", 1, S_IFSOCK));
  VALUE(is_type("/proc/self/fd/99", 1, S_IFREG));
  VALUE(access("/proc/self/fd/3", R_OK));
  VALUE(access("/dev/fd/5", F_OK));
  VALUE(access("/dev/fd/50", F_OK));

  /* A second opening has a position of its own. */
  char text[16] = "";
  int again = open("/proc/self/fd/3", O_RDONLY);
  VALUE(read(again, text, 4));
  printf("%.4s\n", text);
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(write(again, "x", 1));
  close(again);
  again = open("/dev/fd/3", O_WRONLY | O_TRUNC);
  struct stat status;
  fstat(file, &status);
  printf("size %ld\n", (long)status.st_size);
  close(again);
  VALUE(open("/proc/self/fd/3", O_RDONLY | O_NOFOLLOW));
  VALUE(open("/proc/self/fd/3", O_RDONLY | O_DIRECTORY));
  VALUE(open("/proc/self/fd/7", O_RDWR));
  VALUE(open("/proc/self/fd/66", O_RDONLY));
  VALUE(open("/proc/self/fd", O_RDWR));

  /* Through a directory's descriptor. */
  int through = open("/proc/self/fd/4/named", O_RDONLY);
  SHOW(through);
  close(through);
  VALUE(open("/proc/self/fd/4/absent", O_RDONLY));
  VALUE(is_type("/proc/self/fd/4/", 0, S_IFDIR));
  VALUE(open("/proc/self/fd/3/named", O_RDONLY));
  VALUE(chmod("/proc/self/fd/3", 0600));
  fstat(file, &status);
  printf("mode %o\n", status.st_mode & 0777);
  VALUE(truncate("/dev/fd/3", 6));
  fstat(file, &status);
  printf("size %ld\n", (long)status.st_size);

  /* A file without a name gets one. */
  int unnamed = open("/tmp/files", O_TMPFILE | O_RDWR, 0600);
  SHOW(unnamed);
  close(unnamed);

  /* A pipe by name. */
  int writer = open("/dev/fd/6", O_WRONLY);
  VALUE(write(writer, "pipe", 4));
  close(writer);
  VALUE(read(pipes[0], text, 8));

  /* The list, in order, and relative to the folder. */
  DIR* list = opendir("/proc/self/fd");
  for (struct dirent* entry; list && (entry = readdir(list));)
    printf("%s type %d\n", entry->d_name, entry->d_type);
  rewinddir(list);
  printf("first again %s\n", readdir(list)->d_name);
  VALUE(readlinkat(dirfd(list), "3", text, sizeof(text)));
  VALUE(openat(dirfd(list), "55", O_RDONLY));
  int relative = openat(dirfd(list), "3", O_RDONLY);
  SHOW(relative);
  VALUE(fstatat(dirfd(list), "4", &status, 0));
  printf("directory %d\n", S_ISDIR(status.st_mode));
  VALUE(read(dirfd(list), text, 1));
  close(relative);
  closedir(list);

  /* exec by descriptor. */
  int shell = open("/bin/sh", O_RDONLY);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", shell);
  fflush(stdout);
  execl(path, "sh", "-c", "echo run by name; exit 7", (char*)0);
  return 1;
}
