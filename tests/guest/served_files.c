/* What a program may do with files, in the folder that it is told and is in: run in the kernel's memory file
 * system and in a served one, and compared. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void Say(const char* what, long result) {
  printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
}
#define VALUE(call) Say(#call, (long)(call))

static void Show(const char* name) {
  struct stat status;
  if (lstat(name, &status)) return Say(name, -1);
  printf("%s: mode %o links %ld user %d group %d", name, status.st_mode, (long)status.st_nlink, status.st_uid,
         status.st_gid);
  if (!S_ISDIR(status.st_mode)) printf(" size %ld", (long)status.st_size);
  printf("\n");
}

static void Mapped(void) {
  int fd = open("map", O_RDWR | O_CREAT | O_TRUNC, 0644);
  VALUE(ftruncate(fd, 40000));
  char* shared = mmap(0, 40000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* private = mmap(0, 40000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  memset(shared, 's', 9000);
  private[20000] = 'p';
  VALUE(msync(shared, 40000, MS_SYNC));
  char text[4] = "";
  VALUE(pread(fd, text, 3, 8998));
  printf("%s\n", text);
  VALUE(pwrite(fd, "written", 7, 30000));
  printf("%.7s %d\n", shared + 30000, private[30000] == 'w');
  pid_t child = fork();
  if (child == 0) {
    memcpy(shared + 35000, "child", 5);
    _exit(0);
  }
  waitpid(child, 0, 0);
  printf("%.5s\n", shared + 35000);
  VALUE(munmap(shared, 40000));
  VALUE(munmap(private, 40000));
  VALUE(close(fd));
  Show("map");
}

static void Names(void) {
  VALUE(mkdir("d", 0750));
  VALUE(mkdir("d", 0750));
  int fd = open("d/f", O_RDWR | O_CREAT | O_EXCL, 0600);
  VALUE(write(fd, "0123456789", 10));
  VALUE(open("d/f", O_RDWR | O_CREAT | O_EXCL, 0600));
  VALUE(link("d/f", "second"));
  VALUE(link("d", "directory"));
  VALUE(symlink("d/f", "s"));
  Show("s");
  Show("d/f");
  VALUE(rename("d", "d/below"));
  VALUE(rename("second", "d"));
  VALUE(rename("d", "second"));
  VALUE(rmdir("d"));
  VALUE(unlink("d"));
  VALUE(rename("d/f", "moved"));
  VALUE(rmdir("d"));
  VALUE(unlink("moved"));
  VALUE(unlink("second"));
  char text[16] = "";
  VALUE(pread(fd, text, 10, 0));
  printf("%s\n", text);
  VALUE(open("s", O_RDONLY));
  VALUE(ftruncate(fd, 4));
  VALUE(lseek(fd, 0, SEEK_END));
  VALUE(close(fd));
  VALUE(open("missing/x", O_RDONLY));
  VALUE(chdir("s"));
  VALUE(mkdir("deep", 0700));
  VALUE(chdir("deep"));
  VALUE(rmdir("../deep"));
  VALUE(open("late", O_RDWR | O_CREAT, 0600));
  VALUE(chdir(".."));
}

static void Sizes(void) {
  int fd = open("sparse", O_RDWR | O_CREAT, 0644);
  VALUE(pwrite(fd, "end", 3, 1L << 33));
  char text[4] = "zzz";
  VALUE(pread(fd, text, 3, 1 << 20));
  printf("%d\n", text[0] | text[1] | text[2]);
  struct stat status;
  fstat(fd, &status);
  printf("size %ld, little of it: %d\n", (long)status.st_size, status.st_blocks < 100);
  VALUE(lseek(fd, 0, SEEK_SET));
  int append = open("sparse", O_WRONLY | O_APPEND);
  VALUE(ftruncate(fd, 10));
  VALUE(write(append, "more", 4));
  VALUE(lseek(append, 0, SEEK_CUR));
  VALUE(posix_fallocate(fd, 0, 5000));
  Show("sparse");
  VALUE(flock(fd, LOCK_EX));
  VALUE(flock(append, LOCK_EX | LOCK_NB));
  VALUE(close(append));
  VALUE(close(fd));
}

static void Others(const char* folder) {
  umask(0);
  pid_t child = fork();
  if (child == 0) {
    if (setgid(1234) || setuid(1234)) _exit(1);
    close(open("theirs", O_RDWR | O_CREAT, 0640));
    mkdir("folder", 0700);
    VALUE(symlink("x", "link"));
    VALUE(mkdir("folder/in", 02755));
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, 0, 0);
  Show("theirs");
  Show("folder");
  Show("link");
  Show("folder/in");
  VALUE(chown("theirs", 77, 88));
  VALUE(chmod("theirs", 04711));
  Show("theirs");
  printf("in %s\n", strrchr(folder, '/'));
  struct timespec times[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
  VALUE(utimensat(AT_FDCWD, "theirs", times, 0));
  struct stat status;
  stat("theirs", &status);
  printf("%ld.%09ld %ld.%09ld\n", status.st_atim.tv_sec, status.st_atim.tv_nsec, status.st_mtim.tv_sec,
         status.st_mtim.tv_nsec);
}

static void Listing(void) {
  char name[64];
  mkdir("many", 0755);
  for (int i = 0; i < 1000; ++i) {
    snprintf(name, sizeof name, "many/a name of some length, number %d", i);
    close(open(name, O_WRONLY | O_CREAT, 0644));
  }
  DIR* folder = opendir("many");
  int count = 0, removed = 0;
  long sum = 0;
  for (struct dirent* each; (each = readdir(folder)) != NULL;) {
    if (each->d_name[0] == '.') continue;
    ++count;
    sum += atoi(strrchr(each->d_name, ' '));
    snprintf(name, sizeof name, "many/%.50s", each->d_name);
    removed += unlink(name) == 0;
  }
  closedir(folder);
  printf("%d names, sum %ld, %d removed\n", count, sum, removed);
  VALUE(rmdir("many"));
}

int main(int count, char** words) {
  if (count != 2) return 64;
  Names();
  Mapped();
  Sizes();
  Others(words[1]);
  Listing();
  return 0;
}
