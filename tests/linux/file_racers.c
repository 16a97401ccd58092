/* Two processes with one file: each writes its own records, all the time, and looks at the other's;
 * files are opened anew, cut and grown meanwhile. No record is lost, and none is anybody's but
 * its writer's. And what one has seen and then written over does not come again. */
#include "file_check.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { kRecord = 64, kRounds = 3000 };
static const char* const kName = "racers";

struct Record {
  int writer, place;
  long number;
  char rest[kRecord - 16];
};

static void Make(struct Record* record, int writer, int place, long number) {
  *record = (struct Record){writer, place, number};
  memset(record->rest, 'a' + (int)(number % 26), sizeof(record->rest));
}

static int IsWhole(const struct Record* record, int place) {
  for (unsigned i = 0; i < sizeof(record->rest); i++)
    if (record->rest[i] != 'a' + record->number % 26) return 0;
  return record->writer == place % 2 && record->place == place;
}

/* Places of its own are the even ones or the odd ones. The end of the file moves above them. */
static int Race(int who, int places) {
  static long mine[8192];
  int wrong = 0;
  unsigned state = (unsigned)who + 1;
  int file = open(kName, O_RDWR);
  for (long round = 1; round <= kRounds; round++) {
    struct Record record;
    state = state * 1664525u + 1013904223u;
    int place = (int)((state >> 8) % (unsigned)places);
    if (place % 2 == who) {
      Make(&record, who, place, round);
      mine[place] = round;
      wrong += pwrite(file, &record, kRecord, (long)place * kRecord) != kRecord;
    }
    wrong += pread(file, &record, kRecord, (long)place * kRecord) != kRecord;
    if (place % 2 == who) wrong += !IsWhole(&record, place) || record.number != mine[place];
    long end = (long)places * kRecord;
    if (round % 97 == 0) wrong += pwrite(file, "more", 4, end + (state >> 8) % 5000) != 4;
    if (round % 211 == 0) wrong += ftruncate(file, end + (state >> 8) % 5000) != 0;
    if (round % 307 == 0) {
      close(file);
      file = open(kName, O_RDWR);
    }
    if (round % 401 == 0) usleep(100);
  }
  for (int place = who; place < places; place += 2) {
    struct Record record;
    wrong += pread(file, &record, kRecord, (long)place * kRecord) != kRecord;
    wrong += !IsWhole(&record, place) || record.number != mine[place];
  }
  close(file);
  return wrong != 0;
}

static void Run(int places) {
  printf("-- %d records\n", places);
  int file = open(kName, O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (int place = 0; place < places; place++) {
    struct Record record;
    Make(&record, place % 2, place, 0);
    if (write(file, &record, kRecord) != kRecord) puts("short");
  }
  close(file);
  fflush(stdout);
  pid_t children[2];
  for (int who = 0; who < 2; who++) {
    children[who] = fork();
    if (children[who] == 0) _exit(Race(who, places));
  }
  for (int who = 0; who < 2; who++) {
    int status = -1;
    waitpid(children[who], &status, 0);
    printf("racer %d: %d\n", who, status);
  }
  file = open(kName, O_RDONLY);
  int torn = 0;
  for (int place = 0; place < places; place++) {
    struct Record record;
    torn += pread(file, &record, kRecord, (long)place * kRecord) != kRecord || !IsWhole(&record, place);
  }
  printf("torn %d\n", torn);
  close(file);
}

/* Writes ever larger numbers, all over the piece, until the other says that it is enough. */
static void Count(volatile int* enough, long at) {
  static long piece[500];
  long number = 0;
  while (!*enough) {
    int file = open(kName, O_RDWR);
    for (int i = 0; i < 300 && !*enough; i++) {
      number++;
      for (int j = 0; j < 500; j++) piece[j] = number;
      if (pwrite(file, piece, sizeof(piece), at) != sizeof(piece)) _exit(1);
    }
    close(file);
  }
  _exit(0);
}

static void Mark(long size, long at) {
  printf("-- %ld bytes, written over\n", size);
  int file = open(kName, O_CREAT | O_RDWR | O_TRUNC, 0600), again = 0, status = -1;
  static char zeros[100000];
  if (write(file, zeros, (size_t)size) != size) puts("short");
  volatile int* enough = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) Count(enough, at);
  for (int round = 0; round < 3000; round++) {
    long seen = 0, mark, now = 0;
    usleep((unsigned)(round * 37 % 300));
    if (pread(file, &seen, sizeof(seen), at) != sizeof(seen)) puts("nothing");
    if (seen <= 0) continue;
    mark = -seen;
    if (pwrite(file, &mark, sizeof(mark), at) != sizeof(mark)) puts("not marked");
    if (pread(file, &now, sizeof(now), at) != sizeof(now)) puts("nothing");
    again += now != mark && now <= seen;
  }
  *enough = 1;
  waitpid(child, &status, 0);
  printf("came again %d, the other %d\n", again, status);
  close(file);
}

int main(void) {
  if (Begin()) return 1;
  Run(100);
  Run(1000);
  Run(8000);
  Mark(10000, 4000);
  Mark(100000, 50000);
  return 0;
}
