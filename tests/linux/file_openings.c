/* Openings that several processes have: what one has to itself and then shares, closes here and goes on
 * with there; locks, positions, flags and bytes are the opening's, and end with it. */
#include "file_check.h"
#include <sys/socket.h>

/* A child goes on with an opening that is closed here: only it has it then. `when_closed` runs in the
 * child after the close and `meanwhile`. */
static void ChildKeeps(const char* name, void (*when_closed)(void), void (*meanwhile)(void)) {
  int closed[2];
  char byte;
  if (pipe(closed)) puts("pipe");
  shared_file = open(name, O_RDWR);
  VALUE(read(shared_file, text, 3));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(closed[1]);
    if (read(closed[0], &byte, 1) != 0) puts("not told");
    when_closed();
    fflush(stdout);
    _exit(0);
  }
  close(shared_file);
  meanwhile();
  fflush(stdout);
  close(closed[1]);
  waitpid(child, NULL, 0);
  close(closed[0]);
}

static void GoOn(void) {
  VALUE(read(shared_file, text, 100));
  printf("%.9s\n", text);
}

/* As many files as a process may have to itself, and more: each is its own. */
static void OpenOthers(void) {
  static int files[40];
  int wrong = 0;
  for (int i = 0; i < 40; i++) {
    char name[16];
    int size = sprintf(name, "other%d", i);
    files[i] = open(name, O_RDWR);
    wrong += read(files[i], text, 100) != size || memcmp(text + 1, name + 1, (size_t)size - 1);
    wrong += pwrite(files[i], "O", 1, 0) != 1;
  }
  for (int i = 0; i < 40; i++) close(files[i]);
  printf("wrong %d\n", wrong);
}

static void Kept(void) {
  puts("-- closed here, open in a child");
  for (int i = 0; i < 40; i++) {
    char name[16];
    sprintf(name, "other%d", i);
    Put(name, name);
  }
  Put("kept", "kept by a child");
  ChildKeeps("kept", GoOn, OpenOthers);
  printf("seen: %s\n", Seen("kept"));
  printf("seen: %s\n", Seen("other31"));
}

static void LockShared(void) { VALUE(flock(shared_file, LOCK_EX)); }
static void LockRangeShared(void) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  VALUE(fcntl(shared_file, F_OFD_SETLK, &range));
}
static void Nothing(void) {}

/* By another name: so the file is not opened here as it was before. */
static void TryLocks(void) {
  struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  int other = open("link", O_RDWR);
  VALUE(flock(other, LOCK_EX | LOCK_NB));
  VALUE(fcntl(other, F_OFD_SETLK, &range));
  close(other);
}

/* A lock ends with the last descriptor of its opening, whoever took it and wherever that was. */
static void Locks(void) {
  puts("-- locks of a child");
  Put("locked", "a file with locks");
  VALUE(link("locked", "link"));
  shared_file = open("locked", O_RDWR);
  VALUE(read(shared_file, text, 1));
  Child(LockShared);
  Child(LockRangeShared);
  TryLocks();
  close(shared_file);
  TryLocks();
  ChildKeeps("locked", LockShared, Nothing);
  TryLocks();
  ChildKeeps("locked", LockRangeShared, Nothing);
  TryLocks();
}

/* The same for a descriptor that was sent. */
static void Sent(void) {
  puts("-- sent");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) puts("socketpair");
  fflush(stdout);
  pid_t child = fork();
  char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
  struct iovec piece = {&byte, 1};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof(control)};
  if (child == 0) {
    close(ends[0]);
    if (recvmsg(ends[1], &message, 0) != 1) puts("nothing came");
    memcpy(&shared_file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    if (read(ends[1], &byte, 1) != 0) puts("not told");
    GoOn();
    LockShared();
    fflush(stdout);
    _exit(0);
  }
  int file = open("locked", O_RDWR);
  VALUE(read(file, text, 2));
  struct cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &file, sizeof(int));
  VALUE(sendmsg(ends[0], &message, 0));
  close(file);
  OpenOthers();
  fflush(stdout);
  close(ends[0]);
  close(ends[1]);
  waitpid(child, NULL, 0);
  TryLocks();
}

static void SetAppend(void) { VALUE(fcntl(shared_file, F_SETFL, O_APPEND)); }
static void SetNoAppend(void) { VALUE(fcntl(shared_file, F_SETFL, 0)); }

/* How an opening appends is the same for all who have it. */
static void Append(void) {
  puts("-- another says that it appends");
  shared_file = open("log", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(shared_file, "0123456789", 10));
  Child(SetAppend);
  printf("appends: %d\n", (fcntl(shared_file, F_GETFL) & O_APPEND) != 0);
  for (int i = 0; i < 20; i++)
    if (pwrite(shared_file, "a", 1, 0) != 1) puts("short");
  printf("seen: %s\n", Seen("log"));
  Child(SetNoAppend);
  printf("appends: %d\n", (fcntl(shared_file, F_GETFL) & O_APPEND) != 0);
  for (int i = 0; i < 20; i++)
    if (pwrite(shared_file, "b", 1, i) != 1) puts("short");
  printf("seen: %s\n", Seen("log"));
  close(shared_file);
}

/* Attributes of another's file: not allowed to change (EPERM), or not even to reach (EACCES). */
static void ChangeOfOthers(void) {
  struct timespec times[2] = {{1, 0}, {2, 0}};
  if (setgid(54321) != 0 || setuid(54321) != 0) _exit(1);
  int file = open("others", O_RDONLY);
  VALUE(chmod("others", 0600));
  VALUE(chown("others", 54321, -1));
  VALUE(utimensat(AT_FDCWD, "others", times, 0));
  VALUE(utimensat(AT_FDCWD, "others", NULL, 0));
  VALUE(truncate("others", 0));
  VALUE(fchmod(file, 0600));
  VALUE(fchown(file, -1, 54321));
  VALUE(futimens(file, times));
  VALUE(futimens(file, NULL));
  VALUE(chmod("closed/others", 0600));
  VALUE(chown("closed/others", 54321, -1));
  VALUE(utimensat(AT_FDCWD, "closed/others", NULL, 0));
  VALUE(truncate("closed/others", 0));
}
static void Denied(void) {
  puts("-- another user's");
  Put("others", "text");
  chmod("others", 0644);
  mkdir("closed", 0700);
  Put("closed/others", "text");
  chmod("/tmp/files", 0711);
  Child(ChangeOfOthers);
  chmod("/tmp/files", 0700);
}

int main(void) {
  if (Begin()) return 1;
  Kept();
  Locks();
  Sent();
  Append();
  Denied();
  return 0;
}
