/* Memory that wants 2 MiB pages: whatever is done to a part of it, contents are those of small
 * pages. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define LARGE (2ul << 20)
#define PAGE 4096ul
#define PAGES (LARGE / PAGE)

static sigjmp_buf back;
static void fault(int signal) {
  siglongjmp(back, signal);
}
static const char* touch(volatile char* address, int write_it) {
  if (sigsetjmp(back, 1))
    return "fault";
  if (write_it)
    *address = 1;
  else
    (void)*address;
  return "ok";
}

/* `count` large pages, aligned, asked for. */
static char* wanted(unsigned long count) {
  char* at =
      mmap(NULL, (count + 1) * LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    printf("no memory\n");
    exit(1);
  }
  char* aligned = (char*)(((unsigned long)at + LARGE - 1) & ~(LARGE - 1));
  munmap(at, aligned - at);
  munmap(aligned + count * LARGE, at + LARGE - aligned);
  if (madvise(aligned, count * LARGE, MADV_HUGEPAGE) != 0)
    printf("not to be had\n");
  return aligned;
}
static void fill(char* at, unsigned long first, unsigned long end, long base) {
  for (unsigned long i = first; i < end; i++) *(long*)(at + i * PAGE + 40) = base + (long)i;
}
/* How many of the pages hold what fill left there. */
static unsigned long kept(char* at, unsigned long first, unsigned long end, long base) {
  unsigned long same = 0;
  for (unsigned long i = first; i < end; i++)
    same += *(long*)(at + i * PAGE + 40) == base + (long)i;
  return same;
}
/* The sum of what smaps says. */
static long anon_huge_kib(void) {
  FILE* file = fopen("/proc/self/smaps", "r");
  char line[256];
  long sum = -1, one = 0;
  while (file && fgets(line, sizeof(line), file))
    if (sscanf(line, "AnonHugePages: %ld kB", &one) == 1)
      sum = (sum < 0 ? 0 : sum) + one;
  if (file)
    fclose(file);
  return sum;
}
/* Linux may have none at the moment; a node that has just started has. */
static void expect_kib(const char* what, long least, long most) {
  const long now = anon_huge_kib();
  const int right = now >= 0 && (!on_node() || (now >= least && now <= most));
  printf("%s: %s\n", what, right ? "right" : "wrong");
  if (!right)
    printf("%ld kB\n", now);
}

static char* shared_area;
static pthread_barrier_t barrier;
static void* toucher(void* argument) {
  const long self = (long)argument;
  pthread_barrier_wait(&barrier);
  for (unsigned long i = 0; i < 2 * PAGES; i++) shared_area[i * PAGE + self] += self + 1;
  return NULL;
}

static void parts(void) {
  char* a = wanted(4);
  unsigned long zero = 0;
  for (unsigned long i = 0; i < 4 * PAGES; i++) zero += a[i * PAGE + 40] == 0;
  printf("zero: %lu\n", zero);
  fill(a, 0, 4 * PAGES, 7);
  expect_kib("large pages", 8192, 8192);
  VALUE(munmap(a + 10 * PAGE, 2 * PAGE));
  printf("unmapped: %s, others %lu\n", touch(a + 11 * PAGE, 0),
         kept(a, 0, 10, 7) + kept(a, 12, 4 * PAGES, 7));
  VALUE(mprotect(a + LARGE + PAGE, 3 * PAGE, PROT_READ));
  printf("read-only: %s %s, beside %s %s\n", touch(a + LARGE + PAGE, 0), touch(a + LARGE + PAGE, 1),
         touch(a + LARGE, 1), touch(a + LARGE + 4 * PAGE, 1));
  VALUE(madvise(a + 2 * LARGE + 5 * PAGE, 20 * PAGE, MADV_DONTNEED));
  printf("dropped: %ld, kept %lu\n", *(long*)(a + 2 * LARGE + 6 * PAGE + 40),
         kept(a, 2 * PAGES, 2 * PAGES + 5, 7) + kept(a, 2 * PAGES + 25, 4 * PAGES, 7));
  VALUE(mprotect(a + 3 * LARGE, LARGE, PROT_READ));
  printf("whole: %s %s\n", touch(a + 3 * LARGE, 0), touch(a + 3 * LARGE, 1));
  VALUE(mprotect(a + 3 * LARGE, LARGE, PROT_READ | PROT_WRITE));
  printf("again: %s, %lu\n", touch(a + 3 * LARGE, 1), kept(a, 3 * PAGES, 4 * PAGES, 7));
  char* moved = mremap(a + 2 * LARGE, 2 * LARGE, 3 * LARGE, MREMAP_MAYMOVE);
  printf("moved: %lu, grown %d\n", kept(moved, 25, 2 * PAGES, 7 + 2 * PAGES), moved[3 * LARGE - 1]);
  VALUE(munmap(moved, 3 * LARGE));
  VALUE(munmap(a, 2 * LARGE));
  expect_kib("none left", 0, 0);
}

static void copies(void) {
  char* a = wanted(3);
  fill(a, 0, 3 * PAGES, 100);
  int to_child[2], to_parent[2];
  char c = 0;
  pipe(to_child);
  pipe(to_parent);
  const int child = fork();
  if (child == 0) {
    fill(a, 5, 20, 500);
    write(to_parent[1], &c, 1);
    read(to_child[0], &c, 1);
    const int good = kept(a, 5, 20, 500) == 15 && kept(a, 20, 3 * PAGES, 100) == 3 * PAGES - 20;
    _exit(good ? 0 : 1);
  }
  read(to_parent[0], &c, 1);
  fill(a, 5, 40, 900);
  write(to_child[1], &c, 1);
  int status = -1;
  waitpid(child, &status, 0);
  printf("child %d, parent %lu %lu\n", status, kept(a, 5, 40, 900), kept(a, 40, 3 * PAGES, 100));
  /* Copies of copies, which write as they go. */
  for (int depth = 0; depth < 4; depth++) {
    const int next = fork();
    if (next != 0) {
      waitpid(next, &status, 0);
      if (depth > 0)
        _exit(status != 0 || kept(a, depth * 50, depth * 50 + 50, depth) != 50);
      break;
    }
    fill(a, (depth + 1) * 50, (depth + 1) * 50 + 50, depth + 1);
    if (depth == 3)
      _exit(0);
  }
  printf("chain %d, parent %lu\n", status, kept(a, 40, 3 * PAGES, 100));
  munmap(a, 3 * LARGE);
}

static void calls(void) {
  char* a = wanted(2);
  int ends[2];
  pipe(ends);
  printf("piped: %zd", write(ends[1], a + LARGE - 2000, 4000));
  memset(a + LARGE + 5000, 'x', 4000);
  printf(" %zd", read(ends[0], a + LARGE + 5000, 4000));
  printf(" %d\n", a[LARGE + 5000] + a[LARGE + 8999]);
  fill(a, 0, 2 * PAGES, 3);
  char copy[8192];
  struct iovec mine = {copy, sizeof(copy)}, theirs = {a + LARGE - 4096, sizeof(copy)};
  VALUE(process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0));
  printf("differs: %d\n", memcmp(copy, a + LARGE - 4096, sizeof(copy)) != 0);
  memset(copy, 9, sizeof(copy));
  VALUE(process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0));
  printf("written: %d %d\n", a[LARGE - 4096], a[LARGE + 4095]);
  munmap(a, 2 * LARGE);

  pthread_t threads[4];
  pthread_barrier_init(&barrier, NULL, 4);
  unsigned long wrong = 0;
  for (int round = 0; round < 5; round++) {
    shared_area = wanted(2);
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, toucher, (void*)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (unsigned long i = 0; i < 2 * PAGES; i++)
      for (int k = 0; k < 4; k++) wrong += shared_area[i * PAGE + k] != k + 1;
    munmap(shared_area, 2 * LARGE);
  }
  printf("touched by four at once: %lu wrong\n", wrong);
}

static void refusals(void) {
  char* a = wanted(2);
  VALUE(madvise(a + 1, LARGE, MADV_HUGEPAGE));
  VALUE(madvise(a, 0, MADV_HUGEPAGE));
  munmap(a + LARGE, PAGE);
  VALUE(madvise(a, 2 * LARGE, MADV_HUGEPAGE));
  VALUE(madvise(a, 2 * LARGE, MADV_NOHUGEPAGE));
  VALUE(madvise(a, LARGE, MADV_NOHUGEPAGE));
  fill(a, 0, PAGES, 1);
  expect_kib("unwanted", 0, 0);
  munmap(a, 2 * LARGE);

  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
  const int file = open("/proc/self/exe", O_RDONLY);
#define MAPPED(size, flags, fd) \
  VALUE(mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED ? -1 : 0)
  MAPPED(LARGE, flags | 24 << 26, -1); /* 16 MiB */
  MAPPED(LARGE, flags | 12 << 26, -1);
  MAPPED(LARGE, flags | 63 << 26, -1);
  MAPPED(0, flags, -1);
  MAPPED(LARGE, MAP_PRIVATE | MAP_HUGETLB, file);
  MAPPED(1ul << 46, flags, -1);
  MAPPED(LARGE, flags | MAP_NORESERVE | 21 << 26, -1);
  VALUE(mmap((void*)(0x200000000ul + PAGE), LARGE, PROT_READ, flags | MAP_FIXED, -1, 0) ==
                MAP_FAILED
            ? -1
            : 0);
  /* Linux has them if its operator has set some aside. */
  char* large = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (large == MAP_FAILED)
    printf("%s\n", errno == ENOMEM ? "as it should" : strerror(errno));
  else
    printf("%s\n", (unsigned long)large % LARGE == 0 && touch(large + LARGE - 1, 1)[0] == 'o'
                       ? "as it should"
                       : "wrong");

  VALUE(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  VALUE(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
  VALUE(prctl(PR_SET_THP_DISABLE, 1, 0, 1, 0));
  VALUE(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  VALUE(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  const int child = fork();
  if (child == 0)
    _exit(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  int status = -1;
  waitpid(child, &status, 0);
  printf("inherited: %d\n", WEXITSTATUS(status));
  const long before = anon_huge_kib();
  char* b = wanted(1);
  fill(b, 0, PAGES, 1);
  printf("disabled: %ld\n", anon_huge_kib() - before);
  munmap(b, LARGE);
  VALUE(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  signal(SIGSEGV, fault);
  signal(SIGBUS, fault);
  parts();
  copies();
  calls();
  refusals();
  return 0;
}
