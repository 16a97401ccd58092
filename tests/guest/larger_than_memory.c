/* Reads a file of pages, each beginning with its number: larger_than_memory read|map FILE PAGES. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096, kPiece = 16 };

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int file = open(argv[2], O_RDONLY);
  const uint64_t pages = strtoull(argv[3], NULL, 10);
  if (file < 0) return 3;
  uint64_t wrong = 0;
  if (strcmp(argv[1], "map") == 0) {
    const char* map = mmap(NULL, pages * kPage, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) return 4;
    for (int round = 0; round < 2; ++round) { /* forth, and back over what has gone */
      for (uint64_t i = 0; i < pages; ++i) {
        const uint64_t page = round == 0 ? i : pages - 1 - i;
        wrong += *(const volatile uint64_t*)(map + page * kPage) != page;
      }
    }
  } else {
    static char buffer[kPiece * kPage];
    for (uint64_t page = 0; page < pages;) {
      const ssize_t got = read(file, buffer, sizeof buffer);
      if (got <= 0 || got % kPage != 0) return 5;
      for (ssize_t at = 0; at < got; at += kPage, ++page) {
        uint64_t number;
        memcpy(&number, buffer + at, sizeof number);
        wrong += number != page;
      }
    }
  }
  printf("%s: %llu of %llu pages wrong\n", argv[1], (unsigned long long)wrong, (unsigned long long)pages);
  return wrong != 0;
}
