/* Memory policies of a machine with one memory node. */
#include "check.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, MANY, WEIGHTED, NONE = 9 };
enum { NODE = 1, ADDRESS = 2, ALLOWED = 4 };
static long set(int mode, const unsigned long *mask, unsigned long bits) {
  return syscall(SYS_set_mempolicy, mode, mask, bits);
}
static long get(int *mode, unsigned long *mask, unsigned long bits, void *address, unsigned long flags) {
  return syscall(SYS_get_mempolicy, mode, mask, bits, address, flags);
}
static void told(const char *after) {
  int mode = -1;
  unsigned long mask[16];
  memset(mask, 0xff, sizeof(mask));
  const long result = get(&mode, mask, 1024, NULL, 0);
  printf("%s: %ld mode %x mask %lx %lx\n", after, result, mode, mask[0], mask[15]);
}
int main(void) {
  const unsigned long none[16] = {0}, first[16] = {1}, both[16] = {3}, other[16] = {2}, far[16] = {1, 1};
  unsigned long mask[16] = {0};
  int mode = -1;
  told("at first");
  VALUE(get(&mode, mask, 1024, NULL, ALLOWED));
  printf("allowed %lx\n", mask[0]);
  VALUE(get(&mode, mask, 1024, NULL, ALLOWED | NODE));
  VALUE(get(&mode, mask, 1024, NULL, 8));
  VALUE(get(&mode, mask, 0, NULL, 0));
  VALUE(get(&mode, NULL, 0, NULL, 0));
  VALUE(get(&mode, NULL, 0, &mode, 0));
  VALUE(get(&mode, NULL, 0, &mode, ADDRESS | NODE));
  printf("on node %d\n", mode);
  VALUE(get(&mode, NULL, 0, (void *)4096, ADDRESS | NODE));
  VALUE(get(&mode, NULL, 0, NULL, NODE));
  VALUE(get((int *)1, NULL, 0, NULL, 0));
  for (int which = DEFAULT; which <= NONE; ++which) {
    if (which >= WEIGHTED && which < NONE) continue; /* newer kernels have it */
    printf("mode %d\n", which);
    VALUE(set(which, NULL, 0));
    told("set");
    VALUE(set(which, none, 1024));
    VALUE(set(which, first, 1024));
    told("set");
    VALUE(set(which, both, 1024));
    told("set");
    VALUE(set(which, other, 1024));
    VALUE(set(which, far, 1024));
    VALUE(set(which, first, 1));
    VALUE(set(which, first, 40000));
    VALUE(set(which, (unsigned long *)1, 1024));
    VALUE(set(which | 1 << 15, first, 1024));
    told("set");
    VALUE(set(which | 1 << 15 | 1 << 14, first, 1024));
  }
  VALUE(set(INTERLEAVE, first, 1024));
  VALUE(get(&mode, NULL, 0, NULL, NODE));
  printf("next node %d\n", mode);
  fflush(stdout);
  if (fork() == 0) {
    told("child");
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  char *memory = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(memory, 1, 8192);
  VALUE(syscall(SYS_mbind, memory, 16384, BIND, first, 1024ul, 0));
  VALUE(syscall(SYS_mbind, memory, 16384, BIND, first, 1024ul, 3));
  VALUE(syscall(SYS_mbind, memory, 16384, BIND, none, 1024ul, 0));
  VALUE(syscall(SYS_mbind, memory, 16384, BIND, other, 1024ul, 0));
  VALUE(syscall(SYS_mbind, memory, 16384, BIND, first, 1024ul, 64));
  VALUE(syscall(SYS_mbind, memory + 1, 16384, BIND, first, 1024ul, 0));
  VALUE(syscall(SYS_mbind, memory, 0, DEFAULT, NULL, 0ul, 0));
  VALUE(syscall(SYS_mbind, 4096, 4096, BIND, first, 1024ul, 0));
  void *pages[3] = {memory, memory + 4096, memory};
  int status[3] = {9, 9, 9}, nodes[3] = {0, 0, 0};
  VALUE(syscall(SYS_move_pages, 0, 3ul, pages, NULL, status, 0));
  printf("pages on %d %d %d\n", status[0], status[1], status[2]);
  VALUE(syscall(SYS_move_pages, getpid(), 2ul, pages, nodes, status, 2));
  printf("pages on %d %d\n", status[0], status[1]);
  nodes[0] = 7;
  VALUE(syscall(SYS_move_pages, 0, 2ul, pages, nodes, status, 2));
  VALUE(syscall(SYS_move_pages, 0, 2ul, pages, NULL, status, 1));
  VALUE(syscall(SYS_move_pages, 99999999, 2ul, pages, NULL, status, 0));
  VALUE(syscall(SYS_migrate_pages, 0, 1024ul, first, first));
  VALUE(syscall(SYS_migrate_pages, 0, 1024ul, first, other));
  return 0;
}
