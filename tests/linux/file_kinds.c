/* A file is served in one of three ways: small, exclusive (larger, and one opening has it to
 * itself) and shared. The same is done to files of each kind, in many orders, and each step is
 * compared with what the file must be: bytes, size, position, times. What is printed says only
 * where that is not so. */
#include "file_check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { kLargest = 300000 };
static char model[kLargest], seen[kLargest + 64];
static long model_size;
static const char* const kName = "kinds";
static int step;

static unsigned Random(unsigned below) {
  static unsigned state = 12345;
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % below;
}

static void Expect(int right, const char* what) {
  static int said;
  if (!right && said++ < 20) printf("step %d: %s\n", step, what);
}

static void SameFile(int file, const char* who) {
  struct stat st;
  long got = pread(file, seen, sizeof(seen), 0);
  Expect(got == model_size, who);
  Expect(got < 0 || memcmp(seen, model, (size_t)(got < model_size ? got : model_size)) == 0, who);
  Expect(fstat(file, &st) == 0 && st.st_size == model_size, who);
}

static void PutModel(long at, const char* bytes, long count) {
  if (at > model_size) memset(model + model_size, 0, (size_t)(at - model_size));
  memcpy(model + at, bytes, (size_t)count);
  if (at + count > model_size) model_size = at + count;
}

static void CutModel(long size) {
  if (size > model_size) memset(model + model_size, 0, (size_t)(size - model_size));
  model_size = size;
}

/* Often enough to be had to itself. */
static void UseOften(int file) {
  char byte;
  for (int i = 0; i < 40; i++) {
    long at = (long)Random((unsigned)model_size + 1);
    long got = pread(file, &byte, 1, at);
    Expect(got == (at < model_size) && (got == 0 || byte == model[at]), "read often");
  }
}

static int Begun(long size) {
  int file = open(kName, O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (long i = 0; i < size; i++) model[i] = (char)(i * 7 + i / 251);
  model_size = size;
  Expect(write(file, model, (size_t)size) == size, "filled");
  UseOften(file);
  return file;
}

/* What others do with it meanwhile; each leaves the file as the model. */
static void OtherOpens(int file) {
  int other = open(kName, O_RDWR);
  char bytes[100];
  memset(bytes, 'o', sizeof(bytes));
  long at = (long)Random((unsigned)model_size + 1);
  SameFile(other, "another opening");
  Expect(pwrite(other, bytes, sizeof(bytes), at) == sizeof(bytes), "another writes");
  PutModel(at, bytes, sizeof(bytes));
  SameFile(file, "after another wrote");
  close(other);
}

static void OtherCuts(int file) {
  long size = (long)Random((unsigned)model_size + 1);
  Expect(truncate(kName, size) == 0, "cut by name");
  CutModel(size);
  SameFile(file, "after another cut it");
  Expect(pread(file, seen, 10, size) == 0, "read beyond what was cut");
}

static void Grows(int file) {
  static char more[5000];
  memset(more, 'g', sizeof(more));
  long at = model_size + (long)Random(3000);
  if (at + (long)sizeof(more) > kLargest) return;
  Expect(pwrite(file, more, sizeof(more), at) == sizeof(more), "grows");
  PutModel(at, more, sizeof(more));
}

static void Appends(int file) {
  if (model_size + 10 > kLargest) return;
  int flags = fcntl(file, F_GETFL);
  Expect(fcntl(file, F_SETFL, flags | O_APPEND) == 0, "append");
  long before = lseek(file, 3, SEEK_SET);
  Expect(before == 3 && write(file, "0123456789", 10) == 10, "appends");
  PutModel(model_size, "0123456789", 10);
  Expect(lseek(file, 0, SEEK_CUR) == model_size, "at the end");
  Expect(fcntl(file, F_SETFL, flags) == 0, "append no more");
}

static void Maps(int file) {
  if (model_size == 0) return;
  char* map = mmap(NULL, (size_t)model_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  Expect(map != MAP_FAILED, "mapped");
  long at = (long)Random((unsigned)model_size);
  map[at] = 'm';
  model[at] = 'm';
  SameFile(file, "after a store");
  UseOften(file);
  at = (long)Random((unsigned)model_size);
  Expect(pwrite(file, "M", 1, at) == 1 && map[at] == 'M', "seen in the mapping");
  model[at] = 'M';
  munmap(map, (size_t)model_size);
}

static void Forks(int file) {
  long at = (long)Random((unsigned)model_size + 1);
  Expect(lseek(file, at, SEEK_SET) == at, "before the fork");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    SameFile(file, "in the child");
    int right = write(file, "child", 5) == 5 && lseek(file, 0, SEEK_CUR) == at + 5;
    _exit(right ? 0 : 1);
  }
  int status = -1;
  Expect(waitpid(child, &status, 0) == child && status == 0, "the child");
  PutModel(at, "child", 5);
  Expect(lseek(file, 0, SEEK_CUR) == at + 5, "moved by the child");
}

/* The opening goes to another process, which moves its position and writes. */
static void Passes(int file) {
  int ends[2];
  char byte = 0;
  Expect(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "pair");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    char room[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    close(file);
    if (recvmsg(ends[1], &message, 0) != 1) _exit(2);
    int got;
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
    _exit(lseek(got, 2, SEEK_SET) == 2 && write(got, "passed", 6) == 6 ? 0 : 3);
  }
  Expect(lseek(file, 0, SEEK_SET) == 0, "before it is passed");
  char room[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &file, sizeof(file));
  Expect(sendmsg(ends[0], &message, 0) == 1, "passed");
  int status = -1;
  Expect(waitpid(child, &status, 0) == child && status == 0, "who got it");
  PutModel(2, "passed", 6);
  Expect(lseek(file, 0, SEEK_CUR) == 8, "moved by who got it");
  close(ends[0]);
  close(ends[1]);
}

static void Locks(int file) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  Expect(fcntl(file, F_SETLK, &lock) == 0, "locked");
  UseOften(file);
  lock.l_type = F_UNLCK;
  Expect(fcntl(file, F_SETLK, &lock) == 0, "unlocked");
}

static void Punches(int file) {
  long at = (long)Random((unsigned)model_size + 1), count = 1 + (long)Random(9000);
  if (fallocate(file, 3 /* punch a hole, keep the size */, at, count) != 0) {
    Expect(0, "a hole");
    return;
  }
  if (at + count > model_size) count = model_size - at;
  if (count > 0) memset(model + at, 0, (size_t)count);
}

/* Data that is there in part only: what of it was moved is not compared. */
static void BadAddress(int file) {
  char* pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  memset(pages, 'p', 4096);
  if (model_size < 2000) return;
  Expect(pwrite(file, pages + 4000, 500, 100) < 500, "no more than there is");
  Expect(pread(file, pages + 4090, 500, 100) < 500, "nor read");
  Expect(pwrite(file, pages, 500, 100) == 500, "all that there is");
  PutModel(100, pages, 500);
  Expect(pread(file, (void*)8, 5, 0) == -1 && errno == EFAULT, "nowhere");
  Expect(pwrite(file, (void*)8, 5, 0) == -1 && errno == EFAULT, "from nowhere");
  munmap(pages, 4096);
}

static long long Ns(struct timespec t) { return t.tv_sec * 1000000000ll + t.tv_nsec; }

static void Times(int file) {
  struct stat before, after;
  if (model_size < 10) return;
  struct timespec old[2] = {{1000, 5}, {2000, 7}};
  Expect(futimens(file, old) == 0, "times set");
  UseOften(file);
  fstat(file, &before);
  Expect(Ns(before.st_mtim) == Ns(old[1]), "times stay");
  Expect(before.st_atim.tv_sec > 2000, "read");
  usleep(5000);
  Expect(pwrite(file, "T", 1, 5) == 1, "written");
  model[5] = 'T';
  stat(kName, &after);
  Expect(Ns(after.st_mtim) > Ns(before.st_mtim) && Ns(after.st_ctim) == Ns(after.st_mtim), "written later");
}

static void Limits(int file) {
  struct rlimit before, limit;
  if (model_size < 9000) return;
  getrlimit(RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 8192;
  Expect(setrlimit(RLIMIT_FSIZE, &limit) == 0, "limited");
  Expect(pwrite(file, "12345678", 8, 8188) == 4, "up to the limit");
  PutModel(8188, "1234", 4);
  Expect(pwrite(file, "1", 1, 8192) == -1 && errno == EFBIG, "beyond the limit");
  Expect(pwrite(file, "1", 1, 0) == 1, "below the limit");
  model[0] = '1';
  setrlimit(RLIMIT_FSIZE, &before);
}

/* What its own process does, at the position and at places. */
static void Itself(int file) {
  char bytes[6000];
  long count = 1 + (long)Random(sizeof(bytes)), at = (long)Random((unsigned)model_size + 1);
  if (at + 2 * count > kLargest) return;
  memset(bytes, 'a' + (int)Random(26), sizeof(bytes));
  Expect(lseek(file, at, SEEK_SET) == at && write(file, bytes, (size_t)count) == count, "written at its position");
  PutModel(at, bytes, count);
  Expect(lseek(file, 0, SEEK_CUR) == at + count, "its position");
  long there = model_size - (at + count), got = read(file, seen, (size_t)count);
  Expect(got == (there < count ? there : count) && memcmp(seen, model + at + count, (size_t)got) == 0, "read on");
  Expect(lseek(file, -got, SEEK_CUR) == at + count, "and back");
  struct iovec pieces[2] = {{bytes, 10}, {bytes + 20, 30}};
  Expect(pwritev(file, pieces, 2, at) == 40, "pieces");
  PutModel(at, bytes, 10);
  PutModel(at + 10, bytes + 20, 30);
  Expect(lseek(file, 0, SEEK_END) == model_size, "its end");
}

/* Longer than what is shown of it at a time: read on, back and at random, written at places. */
enum { kLong = 9 << 20, kPlace = 100, kPlaces = kLong / kPlace };
static unsigned char version[kPlaces];

static void Fill(long at, char* bytes, long count) {
  for (long i = 0; i < count; i++, at++) bytes[i] = (char)(at * 7 + at / 251 + version[at / kPlace % kPlaces]);
}

static void SamePart(int file, long at, long count, const char* what) {
  static char right[65536];
  Fill(at, right, count);
  long got = at < 0 ? -1 : pread(file, seen, (size_t)count, at);
  Expect(got == count && memcmp(seen, right, (size_t)count) == 0, what);
}

static void Long(void) {
  static char block[65536];
  int file = open(kName, O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (long at = 0; at < kLong; at += (long)sizeof(block)) {
    Fill(at, block, sizeof(block));
    Expect(write(file, block, sizeof(block)) == sizeof(block), "filled");
  }
  lseek(file, 0, SEEK_SET);
  for (step = 0; step < kLong / 4096; step++) {
    Expect(read(file, seen, 4096) == 4096, "read on");
    Fill(step * 4096l, block, 4096);
    Expect(memcmp(seen, block, 4096) == 0, "read on");
  }
  Expect(read(file, seen, 10) == 0 && lseek(file, 0, SEEK_CUR) == kLong, "the end");
  for (step = kLong / 5000 - 1; step >= 0; step--) SamePart(file, step * 5000l, 5000, "read back");
  int reader = open(kName, O_RDONLY);
  for (step = 0; step < 20000; step++) {
    /* Mostly near one place, which moves. */
    long place = (step / 500 * 7001l + (long)Random(step % 5 == 0 ? kPlaces : 3000)) % (kPlaces - 1000);
    if (step % 3 != 0) {
      SamePart(file, place * kPlace + 3, 64, "near a place");
    } else {
      version[place]++;
      Fill(place * kPlace, block, kPlace);
      Expect(pwrite(file, block, kPlace, place * kPlace) == kPlace, "written");
    }
    if (step % 1000 == 0) SamePart(reader, place * kPlace, 60000, "seen by another");
  }
  for (long at = 0; at < kLong; at += (long)sizeof(block)) SamePart(reader, at, sizeof(block), "seen by another at the end");
  close(reader);
  close(file);
}

static void (*const kDeeds[])(int) = {OtherOpens, OtherCuts, Grows,   Appends,    Maps,  Forks, Passes,
                                      Locks,      Punches,   BadAddress, Times, Limits, Itself};
enum { kDeedCount = sizeof(kDeeds) / sizeof(*kDeeds) };

int main(void) {
  if (Begin()) return 1;
  signal(SIGXFSZ, SIG_IGN);
  static const long kSizes[] = {5000, 16384, 16385, 200000};
  for (int kind = 0; kind < 4; kind++) {
    printf("-- %ld bytes, each after each\n", kSizes[kind]);
    for (int first = 0; first < kDeedCount; first++) {
      for (int second = 0; second < kDeedCount; second++) {
        int file = Begun(kSizes[kind]);
        step = kind * 10000 + first * 100 + second;
        kDeeds[first](file);
        UseOften(file);
        kDeeds[second](file);
        UseOften(file);
        SameFile(file, "at the end");
        close(file);
      }
    }
  }
  puts("-- 9 MiB");
  Long();
  puts("-- one that may only be read, one that may only be written");
  close(Begun(100000));
  int readers[2] = {open(kName, O_RDONLY), open(kName, O_RDONLY)};
  int writer = open(kName, O_WRONLY);
  for (step = 0; step < 200; step++) {
    char text[20];
    int count = sprintf(text, "write %d", step);
    long at = (long)Random(90000);
    UseOften(readers[step % 2]);
    if (step % 3 != 0) continue;
    Expect(pwrite(writer, text, (size_t)count, at) == count, "the writer");
    PutModel(at, text, count);
    Expect(pread(readers[0], seen, 30, at) == 30 && memcmp(seen, model + at, 30) == 0, "a reader");
  }
  SameFile(readers[1], "the other reader");
  VALUE(pwrite(readers[0], "x", 1, 0));
  VALUE(pread(writer, seen, 1, 0));
  puts("done");
  return 0;
}
