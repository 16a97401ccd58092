/* The first program: arguments, environment, exit code. */
#include "check.h"
int main(int argc, char **argv) {
  printf("hello, %d arguments, last %s, home %s\n", argc - 1, argv[argc - 1],
         getenv("HOME") ? "set" : "not set");
  return 7;
}
