/* How many words exec takes, and how long ones. */
#include "check.h"
#include <sys/resource.h>
#include <sys/wait.h>

/* `count` words of `size` bytes with their zero, besides the first two. */
static void many_words(const char *self, long count, long size, long stack_mb) {
  char **words = calloc(count + 3, sizeof(*words)), *word = malloc(size);
  memset(word, 'w', size - 1);
  word[size - 1] = 0;
  words[0] = "name", words[1] = "count";
  for (long i = 0; i < count; ++i) words[i + 2] = word;
  pid_t child = fork();
  if (child == 0) {
    struct rlimit stack = {stack_mb << 20, stack_mb << 20};
    setrlimit(RLIMIT_STACK, &stack);
    char *none[] = {NULL};
    execve(self, words, none);
    printf("%ld of %ld: %s\n", count, size, errno == E2BIG ? "E2BIG" : strerrorname(errno));
    _exit(1);
  }
  waitpid(child, NULL, 0);
  free(words), free(word);
}
int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && strcmp(argv[1], "count") == 0) {
    long bytes = 0;
    for (int i = 0; i < argc; ++i) bytes += strlen(argv[i]) + 1;
    printf("%d words, %ld bytes\n", argc, bytes);
    return 0;
  }
  const char *self = argv[0];
  many_words(self, 15, 120000, 8);
  many_words(self, 20, 120000, 8);
  many_words(self, 100000, 2, 8);
  many_words(self, 230000, 2, 8);
  many_words(self, 1, 131072, 8);
  many_words(self, 1, 131073, 8);
  many_words(self, 2, 120000, 1);
  many_words(self, 3, 120000, 1);
  return 0;
}
