/* Waiting for signals, those that are ignored by default among them. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <time.h>

static void handler(int signal) { (void)signal; }
static void set(int signal, void (*to)(int), int flags) {
  struct sigaction action = {.sa_handler = to, .sa_flags = flags};
  sigaction(signal, &action, NULL);
}
static const char *name_of(int signal) {
  return signal == SIGCHLD ? "SIGCHLD" : signal == SIGURG ? "SIGURG" : signal == SIGCONT ? "SIGCONT" :
         signal == SIGUSR1 ? "SIGUSR1" : signal < 0 ? strerrorname(errno) : "another";
}
static sigset_t set_of(int one, int two) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, one);
  if (two) sigaddset(&set, two);
  return set;
}
static pid_t kills_later(pid_t whom, int signal, int ms) {
  pid_t child = fork();
  if (child == 0) {
    usleep(ms * 1000);
    if (signal) kill(whom, signal);
    _exit(3);
  }
  return child;
}

/* What is ignored by default can be waited for. */
static void waits_for_ignored(void) {
  const struct timespec long_time = {20, 0};
  siginfo_t info;
  sigset_t old, all = set_of(SIGCHLD, SIGURG);
  sigaddset(&all, SIGCONT);
  sigprocmask(SIG_BLOCK, &all, &old);
  sigset_t wanted = set_of(SIGCHLD, 0);
  pid_t child = kills_later(0, 0, 100);
  int got = sigtimedwait(&wanted, &info, &long_time);
  printf("a child: %s, its number %s, status %d\n", name_of(got), got > 0 && info.si_pid == child ? "right" : "wrong",
         got > 0 ? info.si_status : 0);
  waitpid(child, NULL, 0);
  while (sigtimedwait(&wanted, NULL, &(struct timespec){0, 0}) > 0) {
  }
  wanted = set_of(SIGURG, 0);
  child = kills_later(getpid(), SIGURG, 100);
  printf("another's: %s\n", name_of(sigtimedwait(&wanted, NULL, &long_time)));
  waitpid(child, NULL, 0);
  wanted = set_of(SIGCONT, 0);
  child = kills_later(getpid(), SIGCONT, 100);
  printf("go on: %s\n", name_of(sigtimedwait(&wanted, NULL, &long_time)));
  waitpid(child, NULL, 0);
  raise(SIGURG);
  wanted = set_of(SIGURG, 0);
  printf("waits already: %s\n", name_of(sigtimedwait(&wanted, NULL, &long_time)));
  /* Another signal, whose handler runs, ends the wait. */
  set(SIGUSR1, handler, SA_RESTART);
  child = kills_later(getpid(), SIGUSR1, 100);
  printf("a handler: %s\n", name_of(sigtimedwait(&wanted, NULL, &long_time)));
  waitpid(child, NULL, 0);
  printf("nothing: %s\n", name_of(sigtimedwait(&wanted, NULL, &(struct timespec){0, 20000000})));
  wanted = set_of(SIGCHLD, 0);
  while (sigtimedwait(&wanted, NULL, &(struct timespec){0, 0}) > 0) {
  }
  sigprocmask(SIG_SETMASK, &old, NULL);
}

static void *waits(void *argument) {
  int got = 0;
  return (void *)(long)(sigwait(argument, &got) == 0 ? got : -1);
}
/* The thread that waits gets it, though others have it blocked, and though the mask of all is the same. */
static void in_a_thread(void) {
  sigset_t old, wanted = set_of(SIGCHLD, SIGURG);
  pthread_t thread;
  void *got;
  sigprocmask(SIG_BLOCK, &wanted, &old);
  pthread_create(&thread, NULL, waits, &wanted);
  usleep(100000);
  kill(getpid(), SIGURG);
  pthread_join(thread, &got);
  printf("a thread: %s\n", name_of((int)(long)got));
  pthread_create(&thread, NULL, waits, &wanted);
  usleep(100000);
  pthread_kill(thread, SIGURG);
  pthread_join(thread, &got);
  printf("told alone: %s\n", name_of((int)(long)got));
  sigprocmask(SIG_SETMASK, &old, NULL);
}

/* A timer has one signal waiting, which counts those that it stands for. */
static void of_a_timer(void) {
  timer_t timer, other;
  siginfo_t info;
  sigset_t old, wanted = set_of(SIGRTMIN + 1, 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
  const struct itimerspec often = {{0, 20000000}, {0, 20000000}}, once = {{0}, {0, 20000000}}, never = {{0}};
  const struct timespec none = {0, 0};
  sigprocmask(SIG_BLOCK, &wanted, &old);
  event.sigev_value.sival_int = 1;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  event.sigev_value.sival_int = 2;
  timer_create(CLOCK_MONOTONIC, &event, &other);
  timer_settime(other, 0, &once, NULL);
  timer_settime(timer, 0, &often, NULL);
  usleep(300000);
  /* While one waits, the count is that of the last one taken. */
  VALUE(timer_getoverrun(timer));
  for (int i = 0; i < 2; ++i) {
    VALUE(sigtimedwait(&wanted, &info, &none) > 0);
    printf("of timer %d, stands for many: %d\n", info.si_value.sival_int, info.si_overrun > 3);
  }
  printf("the same: %d\n", timer_getoverrun(timer) > 3);
  timer_settime(timer, 0, &never, NULL);
  timer_delete(timer);
  timer_delete(other);
  while (sigtimedwait(&wanted, &info, &none) > 0) {
  }
  sigprocmask(SIG_SETMASK, &old, NULL);
}

/* What kind of floating point exception it was. Unmasked in the x87, whose instructions all machines
 * trap on. */
static sigjmp_buf back;
static volatile int code;
static void fault(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  code = info->si_code;
  siglongjmp(back, 1);
}
static void of_arithmetic(void) {
  const unsigned short all = 0x37f, unmasked[] = {all & ~1, all & ~4, all & ~8, all & ~16, all & ~32};
  const long double top[] = {0.0L, 1.0L, 0x1p+16000L, 0x1p-16000L, 1.0L},
                    bottom[] = {0.0L, 0.0L, 0x1p-16000L, 0x1p+16000L, 3.0L};
  const char *names[] = {"invalid", "by zero", "overflow", "underflow", "inexact"};
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, NULL);
  for (int i = 0; i < 5; ++i) {
    code = 0;
    if (sigsetjmp(back, 1) == 0) {
      long double result;
      __asm__ volatile("fninit; fldcw %1; fldt %2; fldt %3; fdivrp; fwait; fstpt %0"
                       : "=m"(result)
                       : "m"(unmasked[i]), "m"(top[i]), "m"(bottom[i]));
    }
    __asm__ volatile("fninit");
    printf("%s: %d\n", names[i], code);
  }
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("idivl %0" : : "m"((int){0}), "a"(1), "d"(0));
  printf("of integers: %d\n", code);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  alarm(60);
  waits_for_ignored();
  in_a_thread();
  of_a_timer();
  of_arithmetic();
  return 0;
}
