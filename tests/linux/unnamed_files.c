/* Files without a name: O_TMPFILE, memfd_create. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void temporary(void) {
  char text[4] = "";
  struct stat status;
  mkdir("/tmp/files", 0700), mkdir("/tmp/files/others", 0777), mkdir("/tmp/files/closed", 0755);
  chmod("/tmp/files", 0755), chmod("/tmp/files/others", 0777);
  close(open("/tmp/files/plain", O_CREAT | O_WRONLY, 0600));
  symlink("others", "/tmp/files/link");
  umask(022);
  int file = open("/tmp/files", O_TMPFILE | O_RDWR, 0666);
  printf("%s\n", file >= 0 ? "made" : strerrorname(errno));
  VALUE(write(file, "abc", 3));
  VALUE(pread(file, text, 3, 0));
  fstat(file, &status);
  printf("%s, mode %o, size %ld\n", text, status.st_mode, (long)status.st_size);
  close(file);
  SHOW(open("/tmp/files/link", O_TMPFILE | O_WRONLY, 0600));
  SHOW(open("/tmp/files/missing", O_TMPFILE | O_RDWR, 0600));
  SHOW(open("/tmp/files/plain", O_TMPFILE | O_RDWR, 0600));
  SHOW(open("/tmp/files/plain/under", O_TMPFILE | O_RDWR, 0600));
  SHOW(open("/tmp/files", O_TMPFILE | O_RDONLY, 0600));
  SHOW(open("/tmp/files", O_TMPFILE | O_RDWR | O_CREAT, 0600));
  SHOW(open("/tmp/files", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
  SHOW(open("/proc", O_TMPFILE | O_RDWR, 0600));
  if (fork() == 0) {
    setgid(1000), setuid(1000);
    SHOW(open("/tmp/files/closed", O_TMPFILE | O_RDWR, 0600));
    SHOW(open("/tmp/files/others", O_TMPFILE | O_RDWR, 0600));
    _exit(0);
  }
  wait(NULL);
}

/* Seals hold, or are not given. */
static void seals(void) {
  int file = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC), plain = memfd_create("plain", 0);
  printf("files %d\n", file >= 0 && plain >= 0);
  write(file, "abc", 3);
  int sealed = fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
  int seals = fcntl(file, F_GET_SEALS);
  if (sealed == 0) {
    if (seals != (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)) puts("other seals");
    if (pwrite(file, "x", 1, 0) != -1) puts("sealed, but written");
    if (ftruncate(file, 100) != -1) puts("sealed, but grown");
    if (ftruncate(file, 1) != -1) puts("sealed, but cut");
  } else if (seals > 0) {
    puts("seals that nobody could add");
  }
  if (fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE) == 0) puts("sealed without leave");
  VALUE(pwrite(plain, "x", 1, 0));
  int ends[2];
  pipe(ends);
  VALUE(fcntl(ends[1], F_ADD_SEALS, F_SEAL_WRITE));
  VALUE(fcntl(ends[1], F_GET_SEALS));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  temporary();
  seals();
  return system("rm -r /tmp/files");
}
