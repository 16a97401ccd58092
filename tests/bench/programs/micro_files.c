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
