/* Files that a process has to itself and then no more: what one writes, everybody reads at once, on
 * whatever way; positions are shared where descriptors are; times move; nothing is lost. */
#include "file_check.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static void Plain(void) {
  puts("-- one opening");
  struct stat st;
  int file = open("plain", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(file, "hello world", 11));
  fstat(file, &st);
  printf("size %ld blocks %d\n", (long)st.st_size, st.st_blocks != 0);
  stat("plain", &st);
  printf("size %ld\n", (long)st.st_size);
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(read(file, text, 5));
  VALUE(lseek(file, 6, SEEK_SET));
  VALUE(read(file, text, 100));
  printf("%.5s\n", text);
  VALUE(pwrite(file, "W", 1, 6));
  VALUE(pread(file, text, 100, 0));
  printf("%.11s\n", text);
  VALUE(lseek(file, 5, SEEK_END));
  VALUE(write(file, "far", 3));
  VALUE(pread(file, text, 100, 0));
  for (int i = 0; i < 19; i++) printf("%d ", text[i]);
  puts("");
  VALUE(lseek(file, -100, SEEK_CUR));
  VALUE(lseek(file, -100, SEEK_SET));
  VALUE(lseek(file, 1l << 40, SEEK_SET));
  VALUE(read(file, text, 10));
  VALUE(lseek(file, 0, SEEK_SET));
  struct iovec pieces[2] = {{text, 3}, {text + 3, 4}};
  VALUE(readv(file, pieces, 2));
  printf("%.7s\n", text);
  VALUE(writev(file, pieces, 2));
  printf("seen: %s\n", Seen("plain"));
  VALUE(read(file, (void*)8, 5));
  VALUE(write(file, (void*)8, 5));
  VALUE(lseek(file, 0, SEEK_CUR));
  VALUE(write(file, "", 0));
  close(file);
  file = open("plain", O_RDONLY);
  VALUE(write(file, "x", 1));
  VALUE(read(file, text, 4));
  close(file);
  file = open("plain", O_WRONLY);
  VALUE(read(file, text, 4));
  VALUE(write(file, "ab", 2));
  VALUE(pwrite(file, "yz", 2, 17));
  VALUE(pwrite(file, "mn", 2, 9));
  VALUE(pwrite(file, "end", 3, 100));
  close(file);
  file = open("plain", O_RDONLY);
  VALUE(read(file, text, 200));
  for (int i = 0; i < 103; i++) printf("%d ", text[i]);
  puts("");
  close(file);
}

static void Append(void) {
  puts("-- append");
  int file = open("log", O_CREAT | O_WRONLY | O_APPEND | O_TRUNC, 0600);
  int other = open("log", O_WRONLY | O_APPEND);
  for (int i = 0; i < 4; i++) {
    VALUE(write(file, "one ", 4));
    VALUE(write(other, "two ", 4));
    VALUE(lseek(file, 0, SEEK_CUR));
    VALUE(pwrite(file, "at ", 3, 0));
  }
  printf("seen: %s\n", Seen("log"));
  VALUE(fcntl(file, F_SETFL, 0));
  VALUE(pwrite(file, "START", 5, 0));
  VALUE(fcntl(file, F_SETFL, O_APPEND));
  VALUE(write(file, "END", 3));
  printf("seen: %s\n", Seen("log"));
  close(file);
  close(other);
}

static void Growth(void) {
  puts("-- growth");
  struct stat st;
  int file = open("growth", O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (int i = 0; i < (int)sizeof(text); i++) text[i] = (char)(i * 7 + i / 251);
  for (int at = 0; at < (int)sizeof(text); at += 1000) {
    if (write(file, text + at, 1000) != 1000) printf("short at %d\n", at);
    if (at % 5000 == 0) {
      fstat(file, &st);
      printf("%ld ", (long)st.st_size);
    }
  }
  puts("");
  static char back[sizeof(text)];
  VALUE(pread(file, back, sizeof(back), 0));
  printf("the same: %d\n", memcmp(back, text, sizeof(text)) == 0);
  VALUE(ftruncate(file, 3000));
  for (int i = 0; i < 40; i++) {
    if (pread(file, back, 100, 10 * i) != 100 || memcmp(back, text + 10 * i, 100)) puts("differs");
  }
  VALUE(pwrite(file, "changed", 7, 50));
  VALUE(pread(file, back, 7, 50));
  printf("%.7s\n", back);
  close(file);
}

static void WriteShared(void) {
  VALUE(lseek(shared_file, 0, SEEK_CUR));
  VALUE(write(shared_file, "child ", 6));
  printf("seen: %s\n", Seen("fork"));
}

static void Fork(void) {
  puts("-- fork");
  shared_file = open("fork", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(shared_file, "parent ", 7));
  Child(WriteShared);
  VALUE(lseek(shared_file, 0, SEEK_CUR));
  VALUE(write(shared_file, "again ", 6));
  Child(WriteShared);
  VALUE(write(shared_file, "last", 4));
  printf("seen: %s\n", Seen("fork"));
  close(shared_file);
}

static void Openers(void) {
  puts("-- two openers");
  int one = open("two", O_CREAT | O_RDWR | O_TRUNC, 0600);
  int other = open("two", O_RDWR);
  int reader = open("two", O_RDONLY);
  for (int i = 0; i < 30; i++) {
    char number[16];
    int size = sprintf(number, "%d,", i);
    if (pwrite(i % 2 ? one : other, number, (size_t)size, 3 * i) != size) puts("short");
    if (i % 3 == 0) {
      int got = (int)pread(reader, text, 200, 0);
      printf("%d %s ", got, strcmp(text + 3 * i, number) ? "old" : "new");
    }
    if (i % 5 == 0) printf("%ld ", (long)lseek(other, 0, SEEK_END));
  }
  puts("");
  close(one);
  VALUE(read(reader, text, 200));
  VALUE(read(reader, text, 200));
  VALUE(ftruncate(other, 2));
  VALUE(lseek(reader, 0, SEEK_SET));
  VALUE(read(reader, text, 200));
  close(other);
  close(reader);
}

static void Names(void) {
  puts("-- truncated, unlinked, renamed, mapped meanwhile");
  struct stat st;
  int file = open("name", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(file, "0123456789", 10));
  VALUE(truncate("name", 4));
  VALUE(read(file, text, 10));
  VALUE(pread(file, text, 10, 0));
  VALUE(write(file, "x", 1));
  VALUE(truncate("name", 20));
  VALUE(pread(file, text, 30, 0));
  for (int i = 0; i < 20; i++) printf("%d ", text[i]);
  puts("");
  close(file);
  file = open("name", O_RDWR);
  VALUE(write(file, "renamed", 7));
  VALUE(rename("name", "name2"));
  printf("seen: %s\n", Seen("name2"));
  VALUE(write(file, "!", 1));
  VALUE(unlink("name2"));
  VALUE(write(file, "?", 1));
  VALUE(pread(file, text, 9, 0));
  printf("%.9s\n", text);
  fstat(file, &st);
  printf("links %ld size %ld\n", (long)st.st_nlink, (long)st.st_size);
  close(file);
  file = open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(file, "for the map", 11));
  char* map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  printf("%s\n", map);
  memcpy(map, "FOR", 3);
  VALUE(pread(file, text, 11, 0));
  printf("%.11s\n", text);
  VALUE(pwrite(file, "THE", 3, 4));
  printf("%s\n", map);
  for (int i = 0; i < 30; i++) {
    map[0] = (char)('a' + i % 26);
    if (pread(file, text, 11, 0) != 11 || text[0] != map[0]) puts("stale");
  }
  munmap(map, 4096);
  for (int i = 0; i < 30; i++)
    if (pread(file, text, 11, 0) != 11) puts("short");
  printf("%.11s\n", text);
  int out = open("out", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(pwrite(file, "sent", 4, 0));
  off_t from = 0;
  VALUE(sendfile(out, file, &from, 100));
  VALUE(write(out, "+", 1));
  printf("seen: %s\n", Seen("out"));
  close(out);
  close(file);
}

static long long Ns(struct timespec t) { return t.tv_sec * 1000000000ll + t.tv_nsec; }

static void Times(void) {
  puts("-- times");
  struct stat before, after;
  int file = open("times", O_CREAT | O_RDWR | O_TRUNC, 0600);
  VALUE(write(file, "a", 1));
  stat("times", &before);
  usleep(20000);
  fstat(file, &after);
  printf("unchanged %d\n", Ns(before.st_mtim) == Ns(after.st_mtim));
  VALUE(write(file, "b", 1));
  stat("times", &after);
  printf("later %d changed too %d\n", Ns(after.st_mtim) > Ns(before.st_mtim),
         Ns(after.st_ctim) == Ns(after.st_mtim));
  struct timespec old[2] = {{1000, 5}, {2000, 7}};
  VALUE(write(file, "c", 1));
  VALUE(futimens(file, old));
  fstat(file, &after);
  printf("set %ld %ld\n", (long)after.st_atim.tv_sec, (long)after.st_mtim.tv_sec);
  close(file);
  stat("times", &after);
  printf("still %ld %ld size %ld\n", (long)after.st_atim.tv_sec, (long)after.st_mtim.tv_sec,
         (long)after.st_size);
  file = open("times", O_RDONLY);
  VALUE(read(file, text, 1));
  stat("times", &after);
  printf("read %d\n", after.st_atim.tv_sec > 2000);
  close(file);
}

static void KilledWriter(void) {
  int file = open("killed", O_CREAT | O_RDWR | O_TRUNC, 0600);
  for (int i = 0; i < 100; i++) {
    char line[16];
    sprintf(line, "line %03d\n", i);
    if (write(file, line, 9) != 9) _exit(1);
  }
  raise(SIGKILL);
}

static void ExecWriter(void) {
  dup2(open("exec", O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0600), 1);
  if (write(1, "before\n", 7) != 7) _exit(1);
  execl("/usr/bin/echo", "echo", "after", NULL);
}

static void Ends(void) {
  puts("-- the end of a process");
  struct stat st;
  Child(KilledWriter);
  stat("killed", &st);
  printf("size %ld\n", (long)st.st_size);
  int file = open("killed", O_RDONLY);
  VALUE(pread(file, text, 9, 891));
  printf("%.9s", text);
  close(file);
  Child(ExecWriter);
  printf("seen: %s", Seen("exec"));
}

static void PutFromChild(void) { Put("again", "from the child"); }
static void ReadShared(void) {
  VALUE(read(shared_file, text, 3));
  usleep(50000);
  VALUE(lseek(shared_file, 0, SEEK_CUR));
}

/* Closed and opened by the same name: it is the file of now, from its start, or none. */
static void Again(void) {
  puts("-- opened again");
  Put("again", "first");
  printf("seen: %s\n", Seen("again"));
  Child(PutFromChild);
  printf("seen: %s\n", Seen("again"));
  VALUE(unlink("again"));
  VALUE(open("again", O_RDONLY));
  Put("again", "anew");
  printf("seen: %s\n", Seen("again"));
  Put("other", "renamed over it");
  printf("seen: %s\n", Seen("other"));
  VALUE(rename("other", "again"));
  printf("seen: %s\n", Seen("again"));
  VALUE(open("other", O_RDONLY));
  for (int i = 0; i < 3; i++) {
    int file = open("again", O_RDWR | O_CREAT, 0600);
    VALUE(lseek(file, 0, SEEK_CUR));
    VALUE(read(file, text, 4));
    VALUE(write(file, "!", 1));
    close(file);
  }
  printf("seen: %s\n", Seen("again"));
  int append = open("again", O_RDWR | O_APPEND);
  VALUE(write(append, "more", 4));
  close(append);
  append = open("again", O_RDWR);
  VALUE(write(append, "XY", 2));
  close(append);
  printf("seen: %s\n", Seen("again"));
  /* The child goes on with the opening that the parent closes. */
  fflush(stdout);
  shared_file = open("again", O_RDONLY);
  VALUE(read(shared_file, text, 2));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    ReadShared();
    fflush(stdout);
    _exit(0);
  }
  close(shared_file);
  usleep(10000);
  int mine = open("again", O_RDONLY);
  if (read(mine, text, 6) != 6 || lseek(mine, 0, SEEK_CUR) != 6) puts("not at its start");
  waitpid(child, NULL, 0);
  VALUE(lseek(mine, 0, SEEK_CUR));
  close(mine);
  /* What a close does for others is done. */
  int locked = open("again", O_RDWR), waiting = open("again", O_RDWR);
  VALUE(flock(locked, LOCK_EX));
  VALUE(flock(waiting, LOCK_EX | LOCK_NB));
  VALUE(read(locked, text, 1));
  close(locked);
  VALUE(flock(waiting, LOCK_EX | LOCK_NB));
  close(waiting);
  /* Permission is asked for each time. */
  Put("private", "mine");
  printf("seen: %s\n", Seen("private"));
  if (geteuid() == 0) {
    chmod("/tmp/files", 0711);
    if (seteuid(65534) != 0) puts("seteuid");
    int file = open("private", O_RDONLY);
    if (file >= 0 || errno != EACCES) puts("opened what is private");
    if (seteuid(0) != 0) puts("seteuid back");
  }
  chmod("private", 0);
  chmod("private", 0600);
  printf("seen: %s\n", Seen("private"));
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  rlim_t before = limit.rlim_cur;
  int file = open("private", O_RDWR);
  VALUE(write(file, "12", 2));
  limit.rlim_cur = 8;
  signal(SIGXFSZ, SIG_IGN);
  VALUE(setrlimit(RLIMIT_FSIZE, &limit));
  VALUE(write(file, "3456789", 7));
  VALUE(write(file, "3456789", 7) < 0 && errno == EFBIG);
  limit.rlim_cur = before;
  VALUE(setrlimit(RLIMIT_FSIZE, &limit));
  close(file);
  printf("seen: %s\n", Seen("private"));
}

static void Many(void) {
  puts("-- 1000 files");
  static int files[1000];
  for (int i = 0; i < 1000; i++) {
    char name[16];
    sprintf(name, "many%d", i);
    files[i] = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (files[i] < 0 || write(files[i], name, 8) != 8) printf("failed at %d\n", i);
  }
  for (int i = 0; i < 1000; i++)
    if (write(files[i], "more", 4) != 4) printf("failed at %d\n", i);
  int wrong = 0;
  for (int i = 0; i < 1000; i++) {
    char name[16];
    sprintf(name, "many%d", i);
    wrong += strncmp(Seen(name), name, strlen(name)) != 0 || strcmp(Seen(name) + strlen(name), "");
    char whole[13] = "";
    wrong += pread(files[i], whole, 12, 0) != 12 || memcmp(whole + 8, "more", 4) != 0;
    close(files[i]);
    unlink(name);
  }
  printf("wrong %d\n", wrong);
}

int main(void) {
  if (Begin()) return 1;
  struct rlimit limit = {1100, 4096};
  setrlimit(RLIMIT_NOFILE, &limit);
  Plain();
  Append();
  Growth();
  Fork();
  Openers();
  Names();
  Times();
  Ends();
  Again();
  Many();
  return 0;
}
