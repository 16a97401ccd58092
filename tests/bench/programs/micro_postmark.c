/* Many small files, as mail and news servers have them (after the well-known benchmark): a pool of
 * files of 500 to 10,000 bytes; each transaction reads one whole or appends to one, and creates one
 * or deletes one. Seeded: each round, on each system, does the same. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "micro.h"

enum { kPool = 200, kSmallest = 500, kLargest = 10000, kBlock = 4096 };
static const char kFolder[] = "/tmp/postmark";
static char block[kBlock];
static uint64_t state;
static int next_number;
static int pool[2 * kPool], pool_size;

static unsigned Random(unsigned limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)(state >> 20) % limit;
}

static const char* NameOf(int number) {
  static char name[64];
  snprintf(name, sizeof name, "%s/%d", kFolder, number);
  return name;
}

static void WriteOut(int file, unsigned size) {
  while (size > 0) {
    unsigned part = size < kBlock ? size : kBlock;
    Check(write(file, block, part) == (ssize_t)part, "postmark write");
    size -= part;
  }
  close(file);
}

static void CreateOne(void) {
  if (pool_size == 2 * kPool) return;
  int number = next_number++;
  int file = open(NameOf(number), O_CREAT | O_EXCL | O_WRONLY, 0600);
  Check(file >= 0, "postmark create");
  WriteOut(file, kSmallest + Random(kLargest - kSmallest));
  pool[pool_size++] = number;
}

static void DeleteOne(void) {
  if (pool_size == 0) return;
  unsigned which = Random((unsigned)pool_size);
  Check(unlink(NameOf(pool[which])) == 0, "postmark delete");
  pool[which] = pool[--pool_size];
}

static void ReadOne(int number) {
  int file = open(NameOf(number), O_RDONLY);
  Check(file >= 0, "postmark open");
  while (read(file, block, kBlock) > 0) {
  }
  close(file);
}

static void AppendOne(int number) {
  struct stat status;
  Check(stat(NameOf(number), &status) == 0, "postmark stat");
  if (status.st_size >= kLargest) return;
  int file = open(NameOf(number), O_WRONLY | O_APPEND);
  Check(file >= 0, "postmark append");
  WriteOut(file, 1 + Random((unsigned)(kLargest - status.st_size)));
}

/* `count` transactions on a fresh pool, whose making and end are a small part of them. */
void Postmark(int count) {
  state = 20061129;
  next_number = 0;
  mkdir(kFolder, 0700);
  for (int i = 0; i < kPool; i++) CreateOne();
  while (count-- > 0) {
    if (pool_size > 0) {
      int number = pool[Random((unsigned)pool_size)];
      Random(2) ? ReadOne(number) : AppendOne(number);
    }
    Random(2) ? CreateOne() : DeleteOne();
  }
  while (pool_size > 0) DeleteOne();
  rmdir(kFolder);
}
