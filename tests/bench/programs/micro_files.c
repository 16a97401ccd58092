/* Rows about files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "micro.h"

static const char kName[] = "/tmp/micro.file";
static char block[4096];

/* A file of `pages` pages, open for reading and writing. */
static int Create(int pages) {
  int file = open(kName, O_CREAT | O_RDWR | O_TRUNC, 0600);
  Check(file >= 0, "create");
  for (int i = 0; i < pages; i++) Check(write(file, block, sizeof block) == sizeof block, "fill");
  return file;
}

void Stat(int count) {
  struct stat st;
  while (count-- > 0) Check(stat("/tmp", &st) == 0, "stat");
}

void OpenReadClose(int count) {
  close(Create(1));
  while (count-- > 0) {
    int file = open(kName, O_RDONLY);
    Check(file >= 0 && read(file, block, sizeof block) == sizeof block, "read");
    close(file);
  }
  unlink(kName);
}

/* A file that nobody else has open is read again and again, as configuration and data bases are. */
void RereadSmall(int count) {
  int file = Create(1);
  while (count-- > 0) Check(pread(file, block, sizeof block, 0) == sizeof block, "reread");
  close(file);
  unlink(kName);
}

/* A file of 1 MiB that nobody else has open, at places in no order, as a data base's. */
enum { kLargePages = 256 };

static unsigned Somewhere(unsigned* state, unsigned size) {
  *state = *state * 1664525u + 1013904223u;
  return (*state >> 8) % (kLargePages * 4096u - size + 1);
}

static void AtRandom(int count, unsigned size, ssize_t (*transfer)(int, void*, size_t, off_t)) {
  static unsigned state = 1;
  int file = Create(kLargePages);
  while (count-- > 0)
    Check(transfer(file, block, size, Somewhere(&state, size)) == (ssize_t)size, "transfer");
  close(file);
  unlink(kName);
}

static ssize_t Put(int file, void* data, size_t size, off_t at) {
  return pwrite(file, data, size, at);
}

void ReadLarge64(int count) { AtRandom(count, 64, pread); }
void ReadLarge4k(int count) { AtRandom(count, 4096, pread); }
void WriteLarge64(int count) { AtRandom(count, 64, Put); }
void WriteLarge4k(int count) { AtRandom(count, 4096, Put); }

/* Read once from its start to its end, in pieces of 4 KiB; an operation is a piece. */
void ReadLargeOnce(int count) {
  int file = Create(kLargePages);
  while (count > 0) {
    int again = open(kName, O_RDONLY);
    for (int i = 0; i < kLargePages && count > 0; i++, count--)
      Check(read(again, block, sizeof block) == sizeof block, "read");
    close(again);
  }
  close(file);
  unlink(kName);
}

void CreateWriteUnlink(int count) {
  while (count-- > 0) {
    close(Create(1));
    Check(unlink(kName) == 0, "unlink");
  }
}

/* One read of each page of a file in memory, mapped shared, page by page. */
void FileTouch(int count) {
  int file = Create(count);
  size_t size = (size_t)count * 4096;
  volatile char* pages = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
  Check(pages != MAP_FAILED, "mmap of a file");
  for (int i = 0; i < count; i++) (void)pages[(size_t)i * 4096];
  munmap((void*)pages, size);
  close(file);
  unlink(kName);
}
