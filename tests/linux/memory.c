/* Mappings: private, shared, files, fork, protection, growth. */
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <sys/wait.h>

static sigjmp_buf back;
static void fault(int signal) { siglongjmp(back, signal); }
static const char *touch(volatile char *address, int write_it) {
  if (sigsetjmp(back, 1)) return "fault";
  if (write_it)
    *address = 1;
  else
    (void)*address;
  return "ok";
}
int main(void) {
  signal(SIGSEGV, fault);
  signal(SIGBUS, fault);
  const size_t page = 4096;
  char *a = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(a == MAP_FAILED ? -1 : 0);
  memset(a, 7, 4 * page);
  VALUE(mprotect(a + page, page, PROT_READ));
  printf("read-only: read %s, write %s\n", touch(a + page, 0), touch(a + page, 1));
  VALUE(mprotect(a + page, page, PROT_NONE));
  printf("none: read %s\n", touch(a + page, 0));
  VALUE(munmap(a + page, page));
  printf("unmapped: read %s, neighbours %s %s\n", touch(a + page, 0), touch(a, 0),
         touch(a + 2 * page, 0));
  VALUE(mprotect(a, 4 * page, PROT_READ));
  char *b = mmap(a + page, page, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  printf("hole filled: %d, zero %d\n", b == a + page, b[0]);
  VALUE(mmap(a, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
                MAP_FAILED
            ? -1
            : 0);
  VALUE(munmap(a, 4 * page));
  VALUE(munmap(a + 1, page));
  VALUE(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  VALUE(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED ? -1 : 0);

  char *grow = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(grow, "moved");
  grow = mremap(grow, 2 * page, 600 * page, MREMAP_MAYMOVE);
  printf("remapped: %s, end %s\n", grow, touch(grow + 600 * page - 1, 1));
  grow = mremap(grow, 600 * page, page, 0);
  printf("shrunk: %s, behind %s\n", grow, touch(grow + page, 0));
  char *start = sbrk(0);
  sbrk(100000);
  memset(start, 1, 100000);
  sbrk(-100000);
  printf("break back: %d\n", sbrk(0) == start);
  strcpy(grow, "dropped");
  VALUE(madvise(grow, page, MADV_DONTNEED));
  printf("after DONTNEED: %d\n", grow[0]);

  int fd = open("/tmp/memory.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(fd, 3 * (off_t)page);
  char *shared = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  strcpy(shared + page, "through the map");
  char text[32] = "";
  pread(fd, text, 15, (off_t)page);
  printf("file sees: %s\n", text);
  pwrite(fd, "through write", 14, 2 * (off_t)page);
  printf("map sees: %s\n", shared + 2 * page);
  strcpy(private, "mine");
  printf("shared untouched: %d\n", shared[0]);
  VALUE(msync(shared, 3 * page, MS_SYNC));
  /* Several regions, and a hole. */
  mprotect(shared + page, page, PROT_READ);
  VALUE(msync(shared, 3 * page, MS_SYNC));
  mprotect(shared + page, page, PROT_READ | PROT_WRITE);
  char *holed = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  munmap(holed + page, page);
  VALUE(msync(holed, 3 * page, MS_SYNC));
  VALUE(msync(holed, page, MS_ASYNC));
  munmap(holed, 3 * page);
  pid_t child = fork();
  if (child == 0) {
    strcpy(shared, "child");
    strcpy(private + 100, "child");
    _exit(0);
  }
  waitpid(child, NULL, 0);
  printf("fork: shared %s, private %d\n", shared, private[100]);
  char *anonymous = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  child = fork();
  if (child == 0) {
    strcpy(anonymous, "anonymous");
    _exit(0);
  }
  waitpid(child, NULL, 0);
  printf("fork: %s\n", anonymous);
  int read_only = open("/tmp/memory.file", O_RDONLY);
  VALUE(mmap(NULL, page, PROT_WRITE, MAP_SHARED, read_only, 0) == MAP_FAILED ? -1 : 0);
  VALUE(mmap(NULL, page, PROT_WRITE, MAP_PRIVATE, read_only, 0) == MAP_FAILED ? -1 : 0);
  unlink("/tmp/memory.file");
  printf("still there: %s\n", shared);

  int id = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
  SHOW(id);
  char *segment = shmat(id, NULL, 0);
  strcpy(segment, "segment");
  child = fork();
  if (child == 0) {
    char *second = shmat(id, NULL, 0);
    strcat(second, " shared");
    _exit(shmdt(second));
  }
  waitpid(child, NULL, 0);
  VALUE(shmctl(id, IPC_RMID, NULL));
  printf("%s\n", segment);
  VALUE(shmdt(segment));
  VALUE(shmdt(segment));
  int first = shmget(0x4b3432, 4096, IPC_CREAT | IPC_EXCL | 0600);
  VALUE(shmget(0x4b3432, 4096, IPC_CREAT | IPC_EXCL | 0600));
  printf("same id: %d\n", shmget(0x4b3432, 4096, 0600) == first);
  VALUE(shmctl(first, IPC_RMID, NULL));
  VALUE(shmget(0x4b3432, 4096, 0600));

  static char secret[64] = "from the parent";
  int fds[2];
  pipe(fds);
  child = fork();
  if (child == 0) {
    char copy[64] = "";
    struct iovec local = {copy, 16}, remote = {secret, 16};
    ssize_t got = process_vm_readv(getppid(), &local, 1, &remote, 1, 0);
    dprintf(fds[1], "%ld %s\n", (long)got, copy);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  ssize_t got = read(fds[0], text, sizeof(text) - 1);
  text[got > 0 ? got : 0] = 0;
  printf("process_vm_readv: %s", text);
  return 0;
}
