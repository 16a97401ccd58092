/* /proc of a process that has gone since its files were opened. */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
static const char *const kFiles[] = {"stat", "status", "statm", "cmdline", "limits", "comm"};
enum { kCount = sizeof(kFiles) / sizeof(kFiles[0]) };
static void open_all(int child, int *fds) {
  for (int i = 0; i < kCount; ++i) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", child, kFiles[i]);
    fds[i] = open(path, O_RDONLY);
  }
}
int main(void) {
  const int child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  int unread[kCount], read_once[kCount];
  char text[8192];
  open_all(child, unread);
  open_all(child, read_once);
  for (int i = 0; i < kCount; ++i) printf("%s %d\n", kFiles[i], read(read_once[i], text, sizeof(text)) > 0);
  kill(child, SIGKILL);
  siginfo_t info;
  VALUE(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  int zombie[2];
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/stat", child);
  zombie[0] = open(path, O_RDONLY);
  printf("of a zombie %d\n", read(zombie[0], text, sizeof(text)) > 0);
  VALUE(waitpid(child, NULL, 0) == child);
  for (int i = 0; i < kCount; ++i) {
    printf("%s:\n", kFiles[i]);
    VALUE(read(unread[i], text, sizeof(text)));
    if (strcmp(kFiles[i], "cmdline") != 0) VALUE(read(read_once[i], text, sizeof(text)));
  }
  VALUE(open(path, O_RDONLY));
  return 0;
}
