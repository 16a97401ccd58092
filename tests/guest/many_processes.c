/* Many processes at once: each a program of its own, which says that it is there, waits for the word and
 * goes. many_processes.py runs it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kStatus = 100, kWord = 20, kHere = 21 };  // descriptors of a child

static int Child(int number) {
  char byte = 0;
  if (write(kHere, &number, sizeof number) != sizeof number) return 1;
  return read(kWord, &byte, 1) == 0 ? number % kStatus : 2;
}

static int Listed(void) {
  DIR* folder = opendir("/proc");
  int count = 0;
  for (struct dirent* entry; (entry = readdir(folder)) != NULL;)
    count += strspn(entry->d_name, "0123456789") == strlen(entry->d_name);
  closedir(folder);
  return count;
}

static long FreeKib(void) {
  char line[128];
  long kib = -1;
  FILE* file = fopen("/proc/meminfo", "r");
  while (kib < 0 && fgets(line, sizeof line, file)) sscanf(line, "MemFree: %ld", &kib);
  fclose(file);
  return kib;
}

int main(int argc, char** argv) {
  if (argc == 3) return Child(atoi(argv[2]));
  const int wanted = atoi(argv[1]);
  int word[2], here[2];
  if (pipe(word) != 0 || pipe(here) != 0 || dup2(word[0], kWord) != kWord || dup2(here[1], kHere) != kHere) return 1;
  const long before = FreeKib();
  pid_t* pids = calloc((size_t)wanted, sizeof *pids);
  for (int i = 0; i < wanted; ++i) {
    pids[i] = fork();
    if (pids[i] < 0) {
      printf("fork %d failed\n", i);
      return 1;
    }
    if (pids[i] == 0) {
      char number[16];
      snprintf(number, sizeof number, "%d", i);
      for (int fd = 3; fd < kWord; ++fd) close(fd);
      execl("/proc/self/exe", "many", "child", number, NULL);
      _exit(127);
    }
  }
  long long sum = 0;
  for (int i = 0; i < wanted; ++i) {
    int number;
    if (read(here[0], &number, sizeof number) != sizeof number) return 1;
    sum += number;
  }
  const long full = FreeKib();
  printf("%d at once, numbers %s, %s\n", wanted, sum == (long long)wanted * (wanted - 1) / 2 ? "right" : "WRONG",
         Listed() > wanted ? "all listed" : "NOT listed");
  printf("KiB of each: %ld\n", (before - full) / wanted);
  close(word[1]);
  int right = 0;
  for (int i = 0; i < wanted; ++i) {
    int status;
    right += waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status) && WEXITSTATUS(status) == i % kStatus;
  }
  printf("ended as they should: %d\n", right);
  return right == wanted ? 0 : 1;
}
