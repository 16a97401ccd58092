/* Signals that meet processes just being born, or taking another program. */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include "check.h"

static unsigned random_state = 7;
static unsigned below(unsigned limit) {
  random_state = random_state * 1103515245 + 12345;
  return (random_state >> 16) % limit;
}

/* Who is killed with its group leaves no child that was not. */
static void kill_a_forking_group(void) {
  int left = 0;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int round = 0; round < 12; round++) {
    pid_t leader = fork();
    if (leader == 0) {
      setpgid(0, 0);
      for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
          for (;;) pause();
        }
        if (child < 0)
          break;
      }
      for (;;) pause();
    }
    setpgid(leader, leader);
    usleep(2000 + below(20000));
    kill(-leader, SIGKILL);
    int status, tries = 0;
    for (;;) {
      pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended < 0)
        break;
      if (ended > 0)
        continue;
      if (++tries == 3000)
        break;
      usleep(1000);
    }
    left += kill(-leader, 0) == 0;
    kill(-leader, SIGKILL);
    while (waitpid(-1, &status, 0) > 0) continue;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  printf("left by a kill: %d\n", left);
  fflush(stdout);
}

/* Sends signals to whoever's number it reads, after a moment. */
static pid_t start_sender(volatile int* shared, int first, int second) {
  fflush(stdout);
  pid_t sender = fork();
  if (sender != 0)
    return sender;
  for (unsigned turn = 0;; turn++) {
    int to;
    while ((to = shared[0]) == 0) sched_yield();
    shared[0] = 0;
    for (volatile unsigned spin = below(40000); spin != 0; spin--) continue;
    if (kill(to, first) != 0)
      shared[1]++;
    if (second != 0) {
      usleep(3000);
      if (kill(to, second) != 0)
        shared[1]++;
    }
  }
}

static void signal_a_new_program(const char* self, const char* what, int first, int second) {
  volatile int* shared =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t sender = start_sender(shared, first, second);
  int as_it_should = 0, status;
  for (int round = 0; round < 25; round++) {
    pid_t child = vfork();
    if (child == 0) {
      shared[0] = getpid();
      execl(self, self, second != 0 ? "short" : "long", (char*)0);
      _exit(1);
    }
    if (waitpid(child, &status, 0) == child)
      as_it_should += second != 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 7
                                  : WIFSIGNALED(status) && WTERMSIG(status) == first;
  }
  kill(sender, SIGKILL);
  waitpid(sender, &status, 0);
  printf("%s: %d, not sent %d\n", what, as_it_should, shared[1]);
  fflush(stdout);
}

/* The time of children that leave no status is nobody's. */
static void times_of_the_ignored(void) {
  struct tms times_now;
  fflush(stdout);
  if (fork() == 0) {
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
      clock_t end = clock() + CLOCKS_PER_SEC / 20;
      while (clock() < end) continue;
      _exit(0);
    }
    waitpid(-1, NULL, 0);
    times(&times_now);
    printf("time of an ignored child: %ld\n", (long)(times_now.tms_cutime + times_now.tms_cstime));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "short") == 0) {
    usleep(10000);
    return 7;
  }
  if (argc > 1 && strcmp(argv[1], "long") == 0) {
    sleep(4);
    return 1;
  }
  kill_a_forking_group();
  signal_a_new_program(argv[0], "killed", SIGKILL, 0);
  signal_a_new_program(argv[0], "ended", SIGTERM, 0);
  signal_a_new_program(argv[0], "stopped and continued", SIGSTOP, SIGCONT);
  times_of_the_ignored();
  return 0;
}
