/* Files and names in /tmp: flags, positions, links, directories, attributes, errors. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <sys/uio.h>

int main(void) {
  umask(022);
  mkdir("/tmp/files", 0700);
  if (chdir("/tmp/files")) return 1;
  int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0640);
  SHOW(fd);
  SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
  VALUE(write(fd, "0123456789", 10));
  VALUE(lseek(fd, -3, SEEK_END));
  char text[32] = "";
  VALUE(read(fd, text, 10));
  printf("%s\n", text);
  VALUE(pwrite(fd, "XY", 2, 2));
  VALUE(pread(fd, text, 5, 0));
  printf("%.5s\n", text);
  VALUE(lseek(fd, 0, SEEK_CUR));
  VALUE(lseek(fd, -1, SEEK_SET));
  struct stat status;
  fstat(fd, &status);
  printf("mode %o, size %ld, links %ld\n", status.st_mode, (long)status.st_size,
         (long)status.st_nlink);
  VALUE(ftruncate(fd, 4));
  VALUE(lseek(fd, 0, SEEK_END));
  VALUE(ftruncate(fd, 5000));
  VALUE(pread(fd, text, 1, 4999));
  printf("hole reads %d\n", text[0]);
  int append = open("a", O_WRONLY | O_APPEND);
  VALUE(write(append, "end", 3));
  VALUE(lseek(append, 0, SEEK_CUR));
  VALUE(read(append, text, 1));
  VALUE(fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND));
  struct iovec pieces[3] = {{"one", 3}, {"", 0}, {"two", 3}};
  lseek(fd, 0, SEEK_SET);
  VALUE(writev(fd, pieces, 3));
  VALUE(pread(fd, text, 6, 0));
  printf("%.6s\n", text);
  VALUE(link("a", "b"));
  VALUE(symlink("b", "c"));
  VALUE(readlink("c", text, sizeof(text)));
  VALUE(symlink("loop", "loop"));
  VALUE(open("loop", O_RDONLY));
  VALUE(open("c", O_RDONLY | O_NOFOLLOW));
  stat("c", &status);
  printf("links %ld\n", (long)status.st_nlink);
  lstat("c", &status);
  printf("is link %d\n", S_ISLNK(status.st_mode));
  VALUE(rename("b", "d"));
  VALUE(stat("c", &status));
  VALUE(mkdir("dir", 0755));
  VALUE(mkdir("dir", 0755));
  VALUE(rename("d", "dir"));
  VALUE(rename("dir", "d"));
  VALUE(unlink("dir"));
  VALUE(rmdir("d"));
  VALUE(mkdir("dir/sub/", 0755));
  VALUE(rmdir("dir"));
  VALUE(open("dir", O_WRONLY));
  VALUE(open("a/x", O_RDONLY));
  VALUE(open("none/x", O_RDONLY | O_CREAT, 0600));
  VALUE(open("", O_RDONLY));
  int directory = open("dir", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 30; ++i) {
    char name[32];
    snprintf(name, sizeof(name), "entry-%02d", i);
    close(openat(directory, name, O_CREAT | O_WRONLY, 0600));
  }
  DIR *stream = fdopendir(dup(directory));
  int entries = 0, directories = 0;
  for (struct dirent *entry; (entry = readdir(stream)) != NULL; ++entries)
    directories += entry->d_type == DT_DIR;
  printf("entries %d, directories %d\n", entries, directories);
  rewinddir(stream);
  entries = 0;
  while (readdir(stream)) ++entries;
  printf("again %d\n", entries);
  closedir(stream);
  VALUE(faccessat(directory, "entry-01", R_OK, 0));
  VALUE(faccessat(directory, "entry-99", F_OK, 0));
  VALUE(unlinkat(directory, "entry-01", 0));
  VALUE(unlinkat(directory, "sub", AT_REMOVEDIR));
  VALUE(fchdir(directory));
  printf("%s\n", getcwd(text, sizeof(text)));
  VALUE(getcwd(text, 3) == NULL ? -1 : 0);
  chdir("..");
  VALUE(chmod("a", 0604));
  struct timespec times[2] = {{1000, 5}, {2000, 7}};
  VALUE(utimensat(AT_FDCWD, "a", times, 0));
  stat("a", &status);
  printf("mode %o, times %ld.%ld %ld.%ld\n", status.st_mode & 07777, status.st_atim.tv_sec,
         status.st_atim.tv_nsec, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  struct statx extended;
  VALUE(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &extended));
  printf("statx size %llu\n", (unsigned long long)extended.stx_size);
  int out = open("copy", O_RDWR | O_CREAT, 0600);
  off_t offset = 0;
  VALUE(sendfile(out, fd, &offset, 6));
  VALUE(pread(out, text, 6, 0));
  printf("%.6s\n", text);
  VALUE(flock(fd, LOCK_EX | LOCK_NB));
  int second = open("a", O_RDWR);
  VALUE(flock(second, LOCK_SH | LOCK_NB));
  VALUE(flock(fd, LOCK_UN));
  VALUE(flock(second, LOCK_SH | LOCK_NB));
  unlink("a");
  unlink("d");
  VALUE(pread(fd, text, 3, 0));
  fstat(fd, &status);
  printf("links after unlink %ld\n", (long)status.st_nlink);
  VALUE(dup2(fd, 20));
  VALUE(close(20));
  VALUE(close(20));
  VALUE(dup2(99, 20));
  VALUE(fcntl(fd, F_DUPFD, 30));
  VALUE(lseek(0x7ffffff, 0, SEEK_SET));
  int pipe_fds[2];
  pipe(pipe_fds);
  VALUE(lseek(pipe_fds[0], 0, SEEK_CUR));
  VALUE(pread(pipe_fds[0], text, 1, 0));
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);
  VALUE(write(null, "x", 1));
  VALUE(read(null, text, 1));
  VALUE(read(zero, text, 8));
  printf("zero %d\n", text[7]);
  /* More than is moved at once. */
  enum { kMuch = (36 << 20) + 5 };
  int much = open("much", O_RDWR | O_CREAT, 0600);
  char *bytes = malloc(kMuch + 1);
  memset(bytes, 'm', kMuch);
  VALUE(write(much, bytes, kMuch));
  VALUE(lseek(much, 0, SEEK_SET));
  bytes[0] = bytes[kMuch - 1] = 0;
  VALUE(read(much, bytes, kMuch + 1));
  printf("%c %c\n", bytes[0], bytes[kMuch - 1]);
  VALUE(lseek(much, 0, SEEK_CUR));
  VALUE(read(much, bytes, kMuch));
  bytes[0] = 'a', bytes[kMuch - 2] = 'z';
  VALUE(pwrite(much, bytes, kMuch - 1, 1));
  bytes[0] = bytes[kMuch - 2] = 0;
  VALUE(pread(much, bytes, kMuch + 1, 1));
  printf("%c %c\n", bytes[0], bytes[kMuch - 2]);
  VALUE(read(zero, bytes, kMuch));
  free(bytes);
  close(much);
  unlink("much");
  /* The time of a change is the clock's, not only to the second. Linux's is up to a tick old. */
  int dated = open("dated", O_RDWR | O_CREAT, 0600), right = 0;
  for (int i = 0; i < 4; ++i) {
    struct timespec before, after, pause = {0, 270000000};
    clock_gettime(CLOCK_REALTIME, &before);
    VALUE(write(dated, "x", 1));
    clock_gettime(CLOCK_REALTIME, &after);
    fstat(dated, &status);
    long long early = (status.st_mtim.tv_sec - before.tv_sec) * 1000000000ll +
                      (status.st_mtim.tv_nsec - before.tv_nsec);
    long long late = (after.tv_sec - status.st_mtim.tv_sec) * 1000000000ll +
                     (after.tv_nsec - status.st_mtim.tv_nsec);
    right += early > -20000000 && late >= 0;
    nanosleep(&pause, NULL);
  }
  printf("dated right: %d\n", right);
  /* The mode of a link means nothing; it is not the target's that changes. */
  struct stat target;
  close(open("target", O_WRONLY | O_CREAT, 0600));
  symlink("target", "points");
  VALUE(syscall(452, AT_FDCWD, "points", 0777, AT_SYMLINK_NOFOLLOW));
  stat("target", &target);
  printf("mode %o\n", target.st_mode & 07777);
  VALUE(syscall(452, AT_FDCWD, "points", 0640, 0));
  stat("target", &target);
  printf("mode %o\n", target.st_mode & 07777);
  VALUE(syscall(452, AT_FDCWD, "target", 0604, AT_SYMLINK_NOFOLLOW));
  int open_target = open("target", O_RDONLY);
  VALUE(syscall(452, open_target, "", 0660, AT_EMPTY_PATH));
  fstat(open_target, &target);
  printf("mode %o\n", target.st_mode & 07777);
  VALUE(syscall(452, open_target, "", 0600, 0));
  VALUE(syscall(452, AT_FDCWD, "target", 0600, AT_SYMLINK_FOLLOW));
  VALUE(syscall(452, AT_FDCWD, "missing", 0600, AT_SYMLINK_NOFOLLOW));
  close(open_target);
  mkdir("here", 0700), mkdir("there", 0700);
  chdir("here");
  VALUE(renameat2(AT_FDCWD, "../here", AT_FDCWD, "../there", RENAME_EXCHANGE));
  printf("%s\n", getcwd(text, sizeof(text)));
  chdir("..");
  return system("rm -r /tmp/files");
}
