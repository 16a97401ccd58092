/* Rows about processes and threads that talk. An operation is one byte there and one back. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "micro.h"

/* The child answers what it reads from `in` on `out`, `count` times. */
static pid_t Answerer(int in, int out, int count) {
  pid_t child = fork();
  Check(child >= 0, "fork");
  if (child != 0) return child;
  char byte;
  for (int i = 0; i < count; i++)
    if (read(in, &byte, 1) != 1 || write(out, &byte, 1) != 1) _exit(1);
  _exit(0);
}

static void Ask(int out, int in, int count, pid_t child) {
  char byte = 1;
  int status = -1;
  for (int i = 0; i < count; i++)
    Check(write(out, &byte, 1) == 1 && read(in, &byte, 1) == 1, "ping-pong");
  Check(waitpid(child, &status, 0) == child && status == 0, "wait");
}

void PipePingPong(int count) {
  int there[2], back[2];
  Check(pipe(there) == 0 && pipe(back) == 0, "pipe");
  Ask(there[1], back[0], count, Answerer(there[0], back[1], count));
  close(there[0]), close(there[1]), close(back[0]), close(back[1]);
}

void UnixPingPong(int count) {
  int pair[2];
  Check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  Ask(pair[0], pair[0], count, Answerer(pair[1], pair[1], count));
  close(pair[0]), close(pair[1]);
}

/* A fresh guest's loopback is down; a node's is up. */
static void LoopbackUp(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int socket_fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (socket_fd < 0) return;
  if (ioctl(socket_fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
    request.ifr_flags |= IFF_UP;
    ioctl(socket_fd, SIOCSIFFLAGS, &request);
  }
  close(socket_fd);
}

void TcpPingPong(int count) {
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  LoopbackUp();
  int listener = socket(AF_INET, SOCK_STREAM, 0), asking = socket(AF_INET, SOCK_STREAM, 0);
  Check(bind(listener, (struct sockaddr*)&address, size) == 0 && listen(listener, 1) == 0 &&
            getsockname(listener, (struct sockaddr*)&address, &size) == 0 &&
            connect(asking, (struct sockaddr*)&address, size) == 0, "connect");
  int answering = accept(listener, NULL, NULL);
  Check(answering >= 0, "accept");
  setsockopt(asking, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(answering, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Ask(asking, asking, count, Answerer(answering, answering, count));
  close(asking), close(answering), close(listener);
}

/* Linux's numbers; musl's compiler wrapper does not find the kernel's headers. */
enum { kFutexWaitPrivate = 128, kFutexWakePrivate = 129 };

static atomic_int turn;

static void Wait(int while_it_is) {
  while (atomic_load(&turn) == while_it_is)
    syscall(SYS_futex, &turn, kFutexWaitPrivate, while_it_is, NULL, NULL, 0);
}
static void Give(int to) {
  atomic_store(&turn, to);
  syscall(SYS_futex, &turn, kFutexWakePrivate, 1, NULL, NULL, 0);
}

static void* FutexAnswerer(void* count) {
  for (int i = 0; i < *(int*)count; i++) {
    Wait(0);
    Give(0);
  }
  return NULL;
}

void FutexPingPong(int count) {
  pthread_t thread;
  atomic_store(&turn, 0);
  Check(pthread_create(&thread, NULL, FutexAnswerer, &count) == 0, "thread");
  for (int i = 0; i < count; i++) {
    Give(1);
    Wait(1);
  }
  Check(pthread_join(thread, NULL) == 0, "join");
}

static void* Yielder(void* count) {
  for (int i = 0; i < *(int*)count / 2; i++) sched_yield();
  return NULL;
}

/* Two threads that give way to each other: a call and a switch each time, vector state included. */
void ThreadSwitch(int count) {
  pthread_t thread;
  Check(pthread_create(&thread, NULL, Yielder, &count) == 0, "thread");
  Yielder(&count);
  Check(pthread_join(thread, NULL) == 0, "join");
}

static void* Nothing(void* argument) { return argument; }

void ThreadCreateJoin(int count) {
  while (count-- > 0) {
    pthread_t thread;
    Check(pthread_create(&thread, NULL, Nothing, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
  }
}

static volatile sig_atomic_t seen;
static void Seen(int number) { seen += number == SIGUSR1; }

/* A program's signal to itself, taken by a handler. */
void Signal(int count) {
  struct sigaction action = {.sa_handler = Seen};
  sigaction(SIGUSR1, &action, NULL);
  seen = 0;
  for (int i = 0; i < count; i++) kill(getpid(), SIGUSR1);
  Check(seen == count, "signals");
}
