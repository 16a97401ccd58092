/* A client and a server in two processes, each with some work of its own to do for a request: what a
 * second CPU is good for. The client keeps a few requests under way, as over a connection that many
 * use, so both can work at once where there are CPUs for both. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "micro.h"

enum { kUnderWay = 8, kWords = 512 };

struct Message {
  uint64_t number, sum;
};

/* Some ten thousand instructions, whose outcome the other side can check. */
__attribute__((noipa)) static uint64_t Work(uint64_t seed) {
  static uint64_t words[kWords];
  for (int i = 0; i < kWords; i++) words[i] = seed = seed * 6364136223846793005u + 1442695040888963407u;
  for (int turn = 0; turn < 3; turn++)
    for (int i = 0; i < kWords; i++) words[i] ^= words[(i * 7 + turn) % kWords] >> 5, seed += words[i];
  return seed;
}

static void Serve(int from) {
  struct Message message;
  ssize_t got;
  while ((got = read(from, &message, sizeof message)) == sizeof message) {
    message.sum = Work(message.number);
    if (write(from, &message, sizeof message) != sizeof message) _exit(1);
  }
  _exit(got == 0 ? 0 : 1);
}

void Served(int count) {
  int pair[2], status = -1;
  Check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "socketpair");
  pid_t child = fork();
  Check(child >= 0, "fork");
  if (child == 0) {
    close(pair[0]);
    Serve(pair[1]);
  }
  close(pair[1]);
  uint64_t sums[kUnderWay];
  struct Message message;
  memset(&message, 0, sizeof message);
  for (int sent = 0, done = 0; done < count;) {
    while (sent < count && sent - done < kUnderWay) {
      message.number = (uint64_t)sent;
      sums[sent % kUnderWay] = Work(message.number);
      Check(write(pair[0], &message, sizeof message) == sizeof message, "ask");
      sent++;
    }
    Check(read(pair[0], &message, sizeof message) == sizeof message && message.number == (uint64_t)done &&
              message.sum == sums[done % kUnderWay], "answer");
    done++;
  }
  close(pair[0]);
  Check(waitpid(child, &status, 0) == child && status == 0, "server");
}
