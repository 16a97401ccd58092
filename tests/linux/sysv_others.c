/* System V objects between users and processes that end, die or do not keep to the rules. On a node
 * objects are files that others may write (user/linux/sysv_names.h); on the host the same is done as
 * far as it can be done there. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { kKey = 0x4b343262, kOne = 54321, kOther = 54322 };
union value {
  int number;
  unsigned short *all;
  struct semid_ds *status;
};
struct text {
  long type;
  char bytes[64];
};

static void pause_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}
static int change(int id, int number, int by, int flags) {
  struct sembuf operation = {number, by, flags};
  return semop(id, &operation, 1);
}
static pid_t start(int user, void (*run)(int), int id) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (user != 0 && (setgid(user) != 0 || setuid(user) != 0)) _exit(1);
    run(id);
    fflush(stdout);
    _exit(0);
  }
  return child;
}
static void join(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  printf("ended %x\n", status);
}
static void as(int user, void (*run)(int), int id) { join(start(user, run, id)); }
static void until_waits(int id, int number, int command) {
  for (int i = 0; i < 500 && semctl(id, number, command) != 1; ++i) pause_ms(10);
}
/* The node's file of an object; -1 on the host. */
static int object_file(char kind, int id, int flags) {
  char path[64];
  snprintf(path, sizeof(path), "/dev/shm/.sysv.%c.%08x", kind, id);
  int file = open(path, flags);
  if (file < 0 && on_node()) printf("no record: what follows shows nothing\n");
  return file;
}

/* A key is free when its object is removed, whoever made and whoever removes it. */
static void make_all(int mode) {
  SHOW(semget(kKey, 1, IPC_CREAT | IPC_EXCL | mode));
  SHOW(msgget(kKey, IPC_CREAT | IPC_EXCL | mode));
  SHOW(shmget(kKey, 100, IPC_CREAT | IPC_EXCL | mode));
}
static void remove_all(void) {
  VALUE(semctl(semget(kKey, 0, 0), 0, IPC_RMID));
  VALUE(msgctl(msgget(kKey, 0), IPC_RMID, NULL));
  VALUE(shmctl(shmget(kKey, 0, 0), IPC_RMID, NULL));
}
static void keys(void) {
  semctl(semget(kKey, 0, 0), 0, IPC_RMID); /* what an earlier run left */
  msgctl(msgget(kKey, 0), IPC_RMID, NULL);
  shmctl(shmget(kKey, 0, 0), IPC_RMID, NULL);
  as(kOne, make_all, 0600);
  remove_all();
  as(kOther, make_all, 0600);
  remove_all();
  VALUE(semget(kKey, 1, 0));
  VALUE(msgget(kKey, 0));
  VALUE(shmget(kKey, 1, 0));
}

/* Who is given an object may remove it, and then its key is free for all. */
static void remove_mine(int id) {
  (void)id;
  remove_all();
}
static void make_again(int id) {
  (void)id;
  make_all(0600);
}
static void given(void) {
  struct semid_ds set;
  struct msqid_ds queue;
  struct shmid_ds memory;
  make_all(0600);
  int id = semget(kKey, 0, 0);
  semctl(id, 0, IPC_STAT, (union value){.status = &set});
  set.sem_perm.uid = set.sem_perm.gid = kOne;
  VALUE(semctl(id, 0, IPC_SET, (union value){.status = &set}));
  id = msgget(kKey, 0);
  msgctl(id, IPC_STAT, &queue);
  queue.msg_perm.uid = queue.msg_perm.gid = kOne;
  VALUE(msgctl(id, IPC_SET, &queue));
  id = shmget(kKey, 0, 0);
  shmctl(id, IPC_STAT, &memory);
  memory.shm_perm.uid = memory.shm_perm.gid = kOne;
  VALUE(shmctl(id, IPC_SET, &memory));
  as(kOne, remove_mine, 0);
  as(kOther, make_again, 0);
  remove_all();
}

/* What others may do. */
static int ready[2];
static void read_only(int id) {
  unsigned short all[2];
  struct semid_ds status;
  VALUE(semget(kKey, 0, 0) == id);
  VALUE(semget(kKey, 0, 0444) == id);
  VALUE(semget(kKey, 0, 0666));
  VALUE(semctl(id, 0, GETVAL));
  VALUE(semctl(id, 0, GETALL, (union value){.all = all}));
  VALUE(semctl(id, 0, GETNCNT));
  VALUE(semctl(id, 0, IPC_STAT, (union value){.status = &status}));
  printf("key %x mode %o\n", status.sem_perm.__key, status.sem_perm.mode & 0777);
  VALUE(semctl(id, 0, SETVAL, (union value){1}));
  VALUE(semctl(id, 0, SETALL, (union value){.all = all}));
  VALUE(semctl(id, 0, IPC_SET, (union value){.status = &status}));
  VALUE(semctl(id, 0, IPC_RMID));
  VALUE(change(id, 0, -1, IPC_NOWAIT));
  VALUE(change(id, 1, 0, IPC_NOWAIT));
  VALUE(change(id, 0, 0, IPC_NOWAIT));
  close(ready[1]);
  VALUE(change(id, 0, 0, 0));
}
static void nothing(int id) {
  VALUE(semget(kKey, 0, 0) == id);
  VALUE(semget(kKey, 0, 0400));
  VALUE(semctl(id, 0, GETVAL));
  VALUE(change(id, 1, 0, IPC_NOWAIT));
  VALUE(change(id, 1, 1, IPC_NOWAIT));
}
static void other_memory(int id) {
  struct shmid_ds status;
  VALUE(shmget(kKey, 0, 0400) == id);
  VALUE(shmget(kKey, 0, 0600));
  VALUE(shmctl(id, IPC_STAT, &status));
  printf("key %x mode %o size %ld\n", status.shm_perm.__key, status.shm_perm.mode & 0777,
         (long)status.shm_segsz);
  SHOW(shmat(id, NULL, SHM_RDONLY));
  SHOW(shmat(id, NULL, 0));
  VALUE(shmctl(id, IPC_SET, &status));
  VALUE(shmctl(id, IPC_RMID, NULL));
}
static void permissions(void) {
  int id = semget(kKey, 2, IPC_CREAT | 0644);
  semctl(id, 0, SETVAL, (union value){1});
  if (pipe(ready) != 0) exit(1);
  pid_t child = start(kOne, read_only, id);
  close(ready[1]);
  char end;
  read(ready[0], &end, 1);
  pause_ms(100); /* it waits for zero now, or soon */
  semctl(id, 0, SETVAL, (union value){0});
  join(child);
  struct semid_ds status;
  semctl(id, 0, IPC_STAT, (union value){.status = &status});
  status.sem_perm.mode = 0600;
  VALUE(semctl(id, 0, IPC_SET, (union value){.status = &status}));
  as(kOne, nothing, id);
  VALUE(semctl(id, 0, IPC_RMID));
  id = shmget(kKey, 3000, IPC_CREAT | 0644);
  as(kOne, other_memory, id);
  struct shmid_ds shared;
  shmctl(id, IPC_STAT, &shared);
  shared.shm_perm.mode = 0604;
  VALUE(shmctl(id, IPC_SET, &shared));
  shmctl(id, IPC_STAT, &shared);
  printf("mode %o\n", shared.shm_perm.mode & 0777);
  VALUE(shmctl(id, IPC_RMID, NULL));
}

/* What is undone at the end of a process, and what is not. */
static void up_everywhere(int id) {
  int failed = 0;
  for (int i = 0; i < 200; ++i) failed += change(id, i, 1, SEM_UNDO) != 0;
  printf("failed %d, last %d\n", failed, semctl(id, 199, GETVAL));
}
static void up_and_wait(int id) {
  for (int i = 0; i < 3; ++i) change(id, i, 1, SEM_UNDO);
  change(id, 3, -1, 0);
}
static void undo(void) {
  int id = semget(IPC_PRIVATE, 200, 0600), sum = 0;
  unsigned short all[200];
  as(0, up_everywhere, id);
  semctl(id, 0, GETALL, (union value){.all = all});
  for (int i = 0; i < 200; ++i) sum += all[i];
  VALUE(sum);
  pid_t child = start(0, up_and_wait, id);
  until_waits(id, 3, GETNCNT);
  VALUE(semctl(id, 0, SETVAL, (union value){7}));
  change(id, 3, 1, 0);
  join(child);
  printf("%d %d\n", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
  child = start(0, up_and_wait, id);
  until_waits(id, 3, GETNCNT);
  for (int i = 0; i < 200; ++i) all[i] = i;
  VALUE(semctl(id, 0, SETALL, (union value){.all = all}));
  join(child);
  printf("%d %d\n", semctl(id, 1, GETVAL), semctl(id, 2, GETVAL));
  VALUE(semctl(id, 0, IPC_RMID));
}

/* A change that nobody is told of; a removal under one who waits for the object itself. */
static void take(int id) { VALUE(change(id, 0, -1, 0)); }
/* It may be gone before we come. */
static void take_removed(int id) {
  VALUE(change(id, 0, -1, 0) == -1 && (errno == EIDRM || errno == EINVAL));
}
/* The child has it open, too. */
static void unlock(int file) {
  struct flock all = {F_UNLCK, SEEK_SET, 0, 0, 0};
  fcntl(file, F_OFD_SETLK, &all);
  close(file);
}
static void untold(void) {
  int id = semget(IPC_PRIVATE, 1, 0600);
  change(id, 0, 1, 0);
  char before[4096];
  int file = object_file('s', id, O_RDWR);
  long size = file < 0 ? 0 : pread(file, before, sizeof(before), 0);
  change(id, 0, -1, 0);
  pid_t child = start(0, take, id);
  until_waits(id, 0, GETNCNT);
  struct flock all = {F_WRLCK, SEEK_SET, 0, 0, 0};
  if (file < 0) {
    change(id, 0, 1, 0);
  } else {
    fcntl(file, F_OFD_SETLKW, &all);
    pwrite(file, before, size, 0);
    unlock(file);
  }
  join(child);

  file = object_file('s', id, O_RDWR);
  if (file >= 0) fcntl(file, F_OFD_SETLKW, &all);
  child = start(0, take_removed, id);
  pause_ms(200);
  if (file < 0) {
    semctl(id, 0, IPC_RMID);
  } else {
    char path[64];
    snprintf(path, sizeof(path), "/dev/shm/.sysv.s.%08x", id);
    unlink(path);
    unlock(file);
  }
  join(child);
}

/* A fork by another thread than the one that waits: the child has nothing to do with it. */
static void *take_twice(void *id) {
  for (int i = 0; i < 2; ++i) VALUE(change(*(int *)id, 0, -1, 0));
  return NULL;
}
static void *add(void *id) {
  VALUE(change(*(int *)id, 1, 1, 0));
  return NULL;
}
static pid_t sleeping_child(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    pause_ms(8000);
    _exit(0);
  }
  return child;
}
static void forked_meanwhile(void) {
  int id = semget(IPC_PRIVATE, 2, 0600);
  pthread_t thread;
  pthread_create(&thread, NULL, take_twice, &id);
  until_waits(id, 0, GETNCNT);
  pid_t child = sleeping_child();
  change(id, 0, 1, 0);
  while (semctl(id, 0, GETVAL) != 0) pause_ms(1);
  until_waits(id, 0, GETNCNT);
  VALUE(semctl(id, 0, GETNCNT));
  change(id, 0, 1, 0);
  pthread_join(thread, NULL);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);

  struct flock all = {F_WRLCK, SEEK_SET, 0, 0, 0};
  int file = object_file('s', id, O_RDWR);
  if (file >= 0) fcntl(file, F_OFD_SETLKW, &all);
  pthread_create(&thread, NULL, add, &id);
  pause_ms(100);
  child = sleeping_child();
  if (file >= 0) unlock(file);
  pthread_join(thread, NULL);
  time_t begin = time(NULL);
  VALUE(change(id, 1, -1, 0));
  printf("at once %d\n", time(NULL) - begin < 5);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  VALUE(semctl(id, 0, IPC_RMID));
}

/* On a node changes are writes, and there may be a limit to those: what is said is what was done. */
static void with_small_files(int id) {
  struct rlimit limit = {1, RLIM_INFINITY};
  struct text text = {1, "text"};
  struct msqid_ds before, after;
  int as_told[5], set = semget(IPC_PRIVATE, 1, 0600);
  change(set, 0, 5, 0);
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  msgctl(id, IPC_STAT, &before);
  memset(text.bytes, 0, sizeof(text.bytes));
  int done = msgrcv(id, &text, sizeof(text.bytes), 0, IPC_NOWAIT) >= 0;
  msgctl(id, IPC_STAT, &after);
  as_told[0] = (int)(before.msg_qnum - after.msg_qnum) == done;
  as_told[1] = (strcmp(text.bytes, "kept") == 0) == done;
  done = msgsnd(id, &text, 4, IPC_NOWAIT) == 0;
  msgctl(id, IPC_STAT, &before);
  as_told[2] = (int)(before.msg_qnum - after.msg_qnum) == done;
  done = change(set, 0, 1, 0) == 0;
  as_told[3] = semctl(set, 0, GETVAL) == 5 + done;
  done = semctl(set, 0, SETVAL, (union value){9}) == 0;
  as_told[4] = (semctl(set, 0, GETVAL) == 9) == done;
  semctl(set, 0, IPC_RMID);
  limit.rlim_cur = RLIM_INFINITY; /* what we print may go to a file */
  setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 5; ++i) printf("as told %d\n", as_told[i]);
}
static void told_truly(void) {
  int id = msgget(IPC_PRIVATE, 0600);
  struct text text = {1, "kept"};
  msgsnd(id, &text, 5, 0);
  as(0, with_small_files, id);
  VALUE(msgctl(id, IPC_RMID, NULL));
}

/* A stop and a continuation in the middle of a wait. */
static void take_message(int id) {
  struct text text;
  VALUE(msgrcv(id, &text, 64, 0, 0));
}
static void put_message(int id) {
  struct text text = {2, "b"};
  VALUE(msgsnd(id, &text, 64, 0));
}
static void stop_and_go(pid_t child) {
  int status = 0;
  pause_ms(200); /* it waits now */
  kill(child, SIGSTOP);
  waitpid(child, &status, WUNTRACED);
  printf("stopped %x\n", status);
  kill(child, SIGCONT);
  pause_ms(200);
}
static void stopped(void) {
  int queue = msgget(IPC_PRIVATE, 0600), set = semget(IPC_PRIVATE, 1, 0600);
  struct text text = {1, "a"};
  pid_t child = start(0, take_message, queue);
  stop_and_go(child);
  msgsnd(queue, &text, 2, 0);
  join(child);
  while (msgsnd(queue, &text, 64, IPC_NOWAIT) == 0) {
  }
  child = start(0, put_message, queue);
  stop_and_go(child);
  msgrcv(queue, &text, 64, 0, 0);
  join(child);
  child = start(0, take, set);
  stop_and_go(child);
  change(set, 0, 1, 0);
  join(child);
  VALUE(semctl(set, 0, IPC_RMID));
  VALUE(msgctl(queue, IPC_RMID, NULL));
}

/* Records full of nonsense: errors, but no harm to who reads them. */
static void use_set(int id) {
  unsigned short all[500];
  struct semid_ds status;
  struct timespec soon = {0, 1};
  struct sembuf waits = {0, -32000, 0};
  for (int number = 0; number < 2; ++number) {
    change(id, number, 1, SEM_UNDO | IPC_NOWAIT);
    change(id, number, -1, SEM_UNDO | IPC_NOWAIT);
    semctl(id, number, GETNCNT);
    semctl(id, number, GETZCNT);
    semctl(id, number, GETPID);
    semctl(id, number, SETVAL, (union value){1});
  }
  semtimedop(id, &waits, 1, &soon);
  semctl(id, 0, GETALL, (union value){.all = all});
  semctl(id, 0, IPC_STAT, (union value){.status = &status});
}
static void use_queue(int id) {
  struct text text = {1, "text"};
  struct msqid_ds status;
  msgsnd(id, &text, 40, IPC_NOWAIT);
  msgrcv(id, &text, 64, -3, IPC_NOWAIT);
  msgrcv(id, &text, 64, 2, IPC_NOWAIT | MSG_EXCEPT | MSG_NOERROR);
  msgctl(id, IPC_STAT, &status);
}
static void spoil(char kind, int id, void (*use)(int)) {
  static const unsigned kValues[] = {0xffffffff, 0x7fffffff, 0x80000000, 0x10000};
  static char good[1 << 16];
  int file = object_file(kind, id, O_RDWR);
  if (file < 0) return;
  long size = pread(file, good, sizeof(good), 0);
  for (long at = 0; at + 4 <= size; at += at < 64 || at + 64 > size ? 4 : 20) {
    for (unsigned i = 0; i < sizeof(kValues) / sizeof(kValues[0]); ++i) {
      pwrite(file, good, size, 0);
      pwrite(file, &kValues[i], 4, at);
      use(id);
    }
  }
  ftruncate(file, 10);
  use(id);
  close(file);
}
static void spoil_set(int id) { spoil('s', id, use_set); }
static void spoil_queue(int id) { spoil('m', id, use_queue); }
static void nonsense(void) {
  int set = semget(IPC_PRIVATE, 2, 0666), queue = msgget(IPC_PRIVATE, 0666);
  change(set, 0, 1, SEM_UNDO);
  struct text text = {2, "waits"};
  msgsnd(queue, &text, 30, 0);
  text.type = 1;
  msgsnd(queue, &text, 3, 0);
  as(kOne, spoil_set, set);
  as(kOne, spoil_queue, queue);
  VALUE(semctl(set, 0, IPC_RMID));
  VALUE(msgctl(queue, IPC_RMID, NULL));
}

/* Who asks whether a segment is in use counts those of all processes, however they have ended. */
static long attached(int id) {
  struct shmid_ds status;
  return shmctl(id, IPC_STAT, &status) == 0 ? (long)status.shm_nattch : -1;
}
static int told_of[2], goes_on[2];
static void attaches_one_more(int id) {
  char byte = 0;
  void *more = shmat(id, NULL, SHM_RDONLY);
  printf("child: %ld\n", attached(id));
  shmdt(more);
  printf("child: %ld\n", attached(id));
  fflush(stdout);
  write(told_of[1], "x", 1);
  read(goes_on[0], &byte, 1);
  execl("/bin/sleep", "sleep", "20", (char *)0);
}
static void in_use(void) {
  char byte;
  int id = shmget(IPC_PRIVATE, 5000, 0600);
  pipe(told_of), pipe(goes_on);
  printf("none: %ld\n", attached(id));
  void *first = shmat(id, NULL, 0), *second = shmat(id, NULL, 0);
  printf("two: %ld\n", attached(id));
  pid_t child = start(0, attaches_one_more, id);
  read(told_of[0], &byte, 1);
  printf("with a child's: %ld\n", attached(id));
  shmdt(first);
  printf("one less: %ld\n", attached(id));
  write(goes_on[1], "x", 1);
  for (int i = 0; i < 500 && attached(id) != 1; ++i) pause_ms(10);
  printf("after exec: %ld\n", attached(id));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  child = start(0, attaches_one_more, id);
  read(told_of[0], &byte, 1);
  printf("again: %ld\n", attached(id));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  printf("killed: %ld\n", attached(id));
  shmdt(second);
  printf("none: %ld\n", attached(id));
  shmctl(id, IPC_RMID, NULL);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  keys();
  given();
  permissions();
  undo();
  untold();
  forked_meanwhile();
  told_truly();
  stopped();
  nonsense();
  in_use();
  return 0;
}
