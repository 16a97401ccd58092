/* What the programs here share. Each prints what it sees; the driver runs it on the host's Linux
 * and on a node and compares. So print no addresses, numbers of processes, or times. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A call's result by sign and its error's name. */
#define SHOW(call)                                              \
  do {                                                          \
    errno = 0;                                                  \
    long result_ = (long)(call);                                \
    printf("%s: %s %s\n", #call, result_ < 0 ? "failed" : "ok", \
           result_ < 0 ? strerrorname(errno) : "");             \
  } while (0)
/* The same with the value. */
#define VALUE(call)                                                                 \
  do {                                                                              \
    errno = 0;                                                                      \
    long result_ = (long)(call);                                                    \
    printf("%s: %ld %s\n", #call, result_, result_ < 0 ? strerrorname(errno) : ""); \
  } while (0)

/* For what must be said only where it is not as it should be. */
static inline int on_node(void) {
  struct utsname name;
  return uname(&name) == 0 && strstr(name.release, "k42") != NULL;
}

static inline const char* strerrorname(int number) {
  static char text[16];
  switch (number) {
    case EPERM:
      return "EPERM";
    case ENOENT:
      return "ENOENT";
    case ESRCH:
      return "ESRCH";
    case EINTR:
      return "EINTR";
    case EBADF:
      return "EBADF";
    case ECHILD:
      return "ECHILD";
    case EAGAIN:
      return "EAGAIN";
    case ENOMEM:
      return "ENOMEM";
    case EACCES:
      return "EACCES";
    case EFAULT:
      return "EFAULT";
    case EEXIST:
      return "EEXIST";
    case ENOTDIR:
      return "ENOTDIR";
    case EISDIR:
      return "EISDIR";
    case EINVAL:
      return "EINVAL";
    case ESPIPE:
      return "ESPIPE";
    case EPIPE:
      return "EPIPE";
    case ERANGE:
      return "ERANGE";
    case ENOSYS:
      return "ENOSYS";
    case ENOTEMPTY:
      return "ENOTEMPTY";
    case ELOOP:
      return "ELOOP";
    case ENOTTY:
      return "ENOTTY";
    case ENOTSOCK:
      return "ENOTSOCK";
    case ECONNREFUSED:
      return "ECONNREFUSED";
    case EINPROGRESS:
      return "EINPROGRESS";
    case ENOTCONN:
      return "ENOTCONN";
    case EADDRINUSE:
      return "EADDRINUSE";
    case ETIMEDOUT:
      return "ETIMEDOUT";
    case ENAMETOOLONG:
      return "ENAMETOOLONG";
    case ENOEXEC:
      return "ENOEXEC";
  }
  snprintf(text, sizeof(text), "error %d", number);
  return text;
}
