/* Short questions that programs put, and go by the answers: extended attributes where there is no
 * file, capabilities, CPUs of nobody. */
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

static void Attributes(void) {
  char value[16];
  VALUE(listxattr("/missing", value, sizeof(value)));
  VALUE(llistxattr("/missing/further", value, sizeof(value)));
  VALUE(listxattr("/etc/passwd/x", value, sizeof(value)));
  VALUE(flistxattr(99, value, sizeof(value)));
  VALUE(getxattr("/missing", "user.a", value, sizeof(value)));
  VALUE(lgetxattr("/missing", "user.a", value, sizeof(value)));
  VALUE(fgetxattr(99, "user.a", value, sizeof(value)));
  VALUE(setxattr("/missing", "user.a", "b", 1, 0));
  VALUE(fsetxattr(99, "user.a", "b", 1, 0));
  VALUE(removexattr("/missing", "user.a"));
  VALUE(fremovexattr(99, "user.a"));
  VALUE(listxattr((void *)8, value, sizeof(value)));
  unlink("/tmp/files-link");
  symlink("/missing", "/tmp/files-link");
  VALUE(listxattr("/tmp/files-link", value, sizeof(value)));
  SHOW(llistxattr("/tmp/files-link", NULL, 0));
  unlink("/tmp/files-link");
}

static void Capabilities(void) {
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 10, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 10, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1000, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
  VALUE(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0));
  VALUE(prctl(PR_CAPBSET_DROP, 1000, 0, 0, 0));
  VALUE(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  VALUE(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  if (setuid(1000) == 0) {
    VALUE(prctl(PR_CAPBSET_DROP, 10, 0, 0, 0));
    VALUE(prctl(PR_SET_SECUREBITS, 1, 0, 0, 0));
  }
}

int main(void) {
  cpu_set_t cpus;
  Attributes();
  VALUE(sched_getaffinity(-1, sizeof(cpus), &cpus));
  VALUE(sched_getaffinity(4000000, sizeof(cpus), &cpus));
  Capabilities();
  return 0;
}
