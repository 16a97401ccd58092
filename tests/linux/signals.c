/* Handlers, masks, alternate stacks, restarts, faults: what a program sees of signals. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile int count, last_signal, last_code, on_stack;
static volatile long last_value;
static char other_stack[65536];

static void note(int signal, siginfo_t *info, void *context) {
  char here;
  (void)context;
  ++count;
  last_signal = signal;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
  on_stack = &here > other_stack && &here < other_stack + sizeof(other_stack);
}
static void set(int signal, int flags) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, NULL);
}

static sigjmp_buf back;
static void *fault_address;
static void fault(int signal, siginfo_t *info, void *context) {
  (void)context;
  fault_address = info->si_addr;
  last_code = info->si_code;
  siglongjmp(back, signal);
}
static int order[4], ordered;
static void record(int signal) { order[ordered++ & 3] = signal; }

int main(void) {
  set(SIGUSR1, 0);
  raise(SIGUSR1);
  printf("raise: %d, code %s\n", count, last_code == SI_TKILL ? "tkill" : "other");
  kill(getpid(), SIGUSR1);
  printf("kill: %d, code %s\n", count, last_code == SI_USER ? "user" : "other");
  union sigval value = {.sival_int = 42};
  set(SIGRTMIN + 1, 0);
  sigqueue(getpid(), SIGRTMIN + 1, value);
  printf("queue: value %ld, code %s\n", last_value, last_code == SI_QUEUE ? "queue" : "other");

  sigset_t mask, old, pending;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &mask, &old);
  count = 0;
  for (int i = 0; i < 3; ++i) {
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN + 1, value);
  }
  sigpending(&pending);
  printf("blocked: %d handled, USR1 %d, RT %d pending\n", count, sigismember(&pending, SIGUSR1),
         sigismember(&pending, SIGRTMIN + 1));
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("unblocked: %d (one USR1, three RT)\n", count);

  stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};
  sigaltstack(&stack, NULL);
  set(SIGUSR2, SA_ONSTACK);
  raise(SIGUSR2);
  printf("alternate stack: %d\n", on_stack);
  raise(SIGUSR1);
  printf("normal stack: %d\n", on_stack);

  int fds[2];
  pipe(fds);
  char byte;
  set(SIGALRM, 0);
  struct itimerval soon = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &soon, NULL);
  VALUE(read(fds[0], &byte, 1));
  set(SIGALRM, SA_RESTART);
  setitimer(ITIMER_REAL, &soon, NULL);
  pid_t child = fork();
  if (child == 0) {
    usleep(100000);
    write(fds[1], "x", 1);
    _exit(0);
  }
  VALUE(read(fds[0], &byte, 1));
  waitpid(child, NULL, 0);

  struct timespec time = {5, 0}, rest = {0, 0};
  setitimer(ITIMER_REAL, &soon, NULL);
  VALUE(nanosleep(&time, &rest));
  printf("rest is %s\n", rest.tv_sec == 4 ? "right" : "wrong");

  sigemptyset(&mask);
  sigaddset(&mask, SIGALRM);
  sigprocmask(SIG_BLOCK, &mask, &old);
  count = 0;
  setitimer(ITIMER_REAL, &soon, NULL);
  VALUE(sigsuspend(&old));
  printf("suspended until %d\n", count);
  setitimer(ITIMER_REAL, &soon, NULL);
  printf("sigwait: %s\n", sigwaitinfo(&mask, NULL) == SIGALRM ? "SIGALRM" : "other");
  struct timespec none = {0, 1000000};
  VALUE(sigtimedwait(&mask, NULL, &none));
  sigprocmask(SIG_SETMASK, &old, NULL);

  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
  printf("null write: address %ld, %s\n", (long)fault_address,
         last_code == SEGV_MAPERR ? "not mapped" : "other");
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) *(volatile char *)page = 1;
  printf("read-only write: address %s, %s\n", fault_address == page ? "right" : "wrong",
         last_code == SEGV_ACCERR ? "no permission" : "other");
  volatile int zero = 0;
  int got = sigsetjmp(back, 1);
  if (got == 0) zero = 1 / zero;
  printf("division: %s\n", got == SIGFPE ? "SIGFPE" : "other");
  got = sigsetjmp(back, 1);
  if (got == 0) __asm__ volatile("ud2");
  printf("undefined instruction: %s\n", got == SIGILL ? "SIGILL" : "other");

  action = (struct sigaction){.sa_handler = record};
  sigfillset(&action.sa_mask);
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGUSR2);
  sigprocmask(SIG_BLOCK, &mask, &old);
  kill(getpid(), SIGUSR2);
  kill(getpid(), SIGUSR1);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("order: %d handlers, lower number %s\n", ordered, order[0] == SIGUSR1 ? "first" : "last");

  signal(SIGPIPE, SIG_IGN);
  close(fds[0]);
  VALUE(write(fds[1], "x", 1));
  action = (struct sigaction){.sa_handler = record, .sa_flags = SA_RESETHAND};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &action);
  printf("reset: %s\n", action.sa_handler == SIG_DFL ? "default" : "handler");
  for (int signal_number = 1; signal_number <= 15; signal_number += 2) {
    if (signal_number == SIGTRAP) continue;
    int status;
    child = fork();
    if (child == 0) {
      signal(signal_number, SIG_DFL);
      raise(signal_number);
      _exit(0);
    }
    waitpid(child, &status, 0);
    printf("default of %d: %s %d\n", signal_number, WIFSIGNALED(status) ? "killed by" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  return 0;
}
