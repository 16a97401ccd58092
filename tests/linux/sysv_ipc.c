/* System V semaphores and message queues: keys, operations that wait, undo, removal under who waits. */
#include "check.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

enum { kKey = 0x4b343261 };
union value {
  int number;
  unsigned short *all;
  struct semid_ds *status;
};
struct text {
  long type;
  char bytes[128];
};

static void pause_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}
static void on_alarm(int number) { (void)number; }
static int semaphore(int id, int number, int change, int flags) {
  struct sembuf operation = {number, change, flags};
  return semop(id, &operation, 1);
}
static pid_t start(void (*run)(int), int id) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
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

static void raise_later(int id) {
  pause_ms(150);
  semaphore(id, 0, 1, 0);
  pause_ms(150);
  semaphore(id, 0, 2, 0);
}
static void lower_later(int id) {
  pause_ms(150);
  semaphore(id, 1, -1, 0);
}
static void wait_until_removed(int id) { VALUE(semaphore(id, 2, -1, 0)); }
static void undone(int id) {
  VALUE(semaphore(id, 2, 1, SEM_UNDO));
  VALUE(semctl(id, 2, GETVAL));
}
static void undone_killed(int id) {
  struct sembuf both[2] = {{2, 3, 0}, {2, -2, SEM_UNDO}};
  semop(id, both, 2);
  raise(SIGKILL);
}
static void add_many(int id) {
  for (int i = 0; i < 200; ++i) {
    semaphore(id, 0, -1, 0);
    int value = semctl(id, 1, GETVAL);
    semctl(id, 1, SETVAL, (union value){value + 1});
    semaphore(id, 0, 1, 0);
  }
}

static void semaphores(void) {
  int old = semget(kKey, 0, 0);
  if (old >= 0) semctl(old, 0, IPC_RMID);
  VALUE(semget(kKey, 3, 0600));
  int id = semget(kKey, 3, IPC_CREAT | 0600);
  SHOW(id);
  VALUE(semget(kKey, 3, IPC_CREAT | IPC_EXCL | 0600));
  VALUE(semget(kKey, 4, 0));
  printf("same %d\n", semget(kKey, 0, 0) == id);
  VALUE(semget(IPC_PRIVATE, -1, 0600));
  VALUE(semctl(id, 0, GETVAL));
  VALUE(semctl(id, 3, GETVAL));
  VALUE(semctl(id, 0, SETVAL, (union value){-1}));
  VALUE(semctl(id, 0, SETVAL, (union value){40000}));
  VALUE(semctl(id, 0, SETVAL, (union value){2}));
  unsigned short all[3] = {5, 6, 7};
  VALUE(semctl(id, 0, SETALL, (union value){.all = all}));
  VALUE(semaphore(id, 0, -5, 0));
  VALUE(semctl(id, 0, GETALL, (union value){.all = all}));
  printf("%d %d %d\n", all[0], all[1], all[2]);
  VALUE(semaphore(id, 0, -1, IPC_NOWAIT));
  VALUE(semaphore(id, 1, 0, IPC_NOWAIT));
  VALUE(semaphore(id, 3, 1, 0));
  VALUE(semaphore(id, 0, 32767, 0));
  VALUE(semaphore(id, 0, 1, 0));
  VALUE(semctl(id, 0, SETVAL, (union value){0}));
  struct sembuf many[3] = {{1, -6, 0}, {0, 1, 0}, {2, -8, IPC_NOWAIT}};
  VALUE(semop(id, many, 3));
  VALUE(semctl(id, 1, GETVAL));
  many[2].sem_op = -7;
  VALUE(semop(id, many, 3));
  VALUE(semctl(id, 1, GETVAL));
  printf("ours %d\n", semctl(id, 1, GETPID) == getpid());
  VALUE(semop(id, many, 0));
  VALUE(semop(id, (void *)8, 1));
  VALUE(semop(-1, many, 1));
  struct timespec soon = {0, 50000000};
  many[0].sem_op = -1;
  VALUE(semtimedop(id, many, 1, &soon));
  struct semid_ds status;
  VALUE(semctl(id, 0, IPC_STAT, (union value){.status = &status}));
  printf("%ld semaphores, mode %o\n", (long)status.sem_nsems, status.sem_perm.mode & 0777);

  semctl(id, 0, SETVAL, (union value){0});
  pid_t child = start(raise_later, id);
  VALUE(semaphore(id, 0, -3, 0));
  VALUE(semctl(id, 0, GETVAL));
  join(child);
  semctl(id, 1, SETVAL, (union value){1});
  child = start(lower_later, id);
  VALUE(semaphore(id, 1, 0, 0));
  join(child);
  semctl(id, 2, SETVAL, (union value){0});
  join(start(undone, id));
  VALUE(semctl(id, 2, GETVAL));
  child = start(undone_killed, id);
  VALUE(semaphore(id, 2, -3, 0));
  join(child);
  VALUE(semctl(id, 2, GETVAL));

  semctl(id, 0, SETVAL, (union value){1});
  semctl(id, 1, SETVAL, (union value){0});
  pid_t children[4];
  for (int i = 0; i < 4; ++i) children[i] = start(add_many, id);
  for (int i = 0; i < 4; ++i) join(children[i]);
  VALUE(semctl(id, 1, GETVAL));

  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  alarm(1);
  VALUE(semaphore(id, 2, -5, 0));
  VALUE(semctl(id, 2, GETNCNT));
  semctl(id, 2, SETVAL, (union value){0});
  child = start(wait_until_removed, id);
  for (int i = 0; i < 200 && semctl(id, 2, GETNCNT) != 1; ++i) pause_ms(10);
  VALUE(semctl(id, 2, GETNCNT));
  int removed = semctl(id, 0, IPC_RMID);
  join(child);
  VALUE(removed);
  VALUE(semctl(id, 0, IPC_RMID));
  VALUE(semget(kKey, 3, 0));
}

static void receive_two(int id) {
  struct text text;
  VALUE(msgrcv(id, &text, sizeof(text.bytes), 0, 0));
  VALUE(text.type);
  VALUE(msgrcv(id, &text, sizeof(text.bytes), 9, 0));
  printf("%s\n", text.bytes);
}
static void receive_removed(int id) {
  struct text text;
  VALUE(msgrcv(id, &text, sizeof(text.bytes), 0, 0));
}
static void send_much(int id) {
  struct text text = {1, ""};
  for (int i = 0; i < 400; ++i) msgsnd(id, &text, sizeof(text.bytes), 0);
}

static void messages(void) {
  int old = msgget(kKey, 0);
  if (old >= 0) msgctl(old, IPC_RMID, NULL);
  VALUE(msgget(kKey, 0600));
  int id = msgget(kKey, IPC_CREAT | 0600);
  SHOW(id);
  VALUE(msgget(kKey, IPC_CREAT | IPC_EXCL | 0600));
  struct text text = {3, "three"}, got;
  VALUE(msgsnd(id, &text, 6, 0));
  text = (struct text){1, "one"};
  VALUE(msgsnd(id, &text, 4, 0));
  text = (struct text){2, ""};
  VALUE(msgsnd(id, &text, 0, 0));
  text.type = 0;
  VALUE(msgsnd(id, &text, 1, 0));
  text.type = 5;
  VALUE(msgsnd(id, &text, 8193, 0));
  VALUE(msgsnd(id, (void *)8, 1, 0));
  struct msqid_ds status;
  VALUE(msgctl(id, IPC_STAT, &status));
  printf("%ld waiting, most %ld, mode %o\n", (long)status.msg_qnum, (long)status.msg_qbytes,
         status.msg_perm.mode & 0777);
  VALUE(msgrcv(id, &got, 2, 0, 0));
  VALUE(msgrcv(id, &got, 128, -2, 0));
  printf("%ld %s\n", got.type, got.bytes);
  VALUE(msgrcv(id, &got, 128, 3, MSG_EXCEPT));
  printf("%ld\n", got.type);
  VALUE(msgrcv(id, &got, 2, 3, MSG_NOERROR));
  VALUE(msgrcv(id, &got, 128, 0, IPC_NOWAIT));
  VALUE(msgrcv(id, &got, -1, 0, IPC_NOWAIT));

  pid_t child = start(receive_two, id);
  pause_ms(100);
  text = (struct text){4, "four"};
  msgsnd(id, &text, 5, 0);
  pause_ms(100);
  text = (struct text){8, "eight"};
  msgsnd(id, &text, 6, 0);
  text = (struct text){9, "nine"};
  msgsnd(id, &text, 5, 0);
  join(child);
  VALUE(msgrcv(id, &got, 128, 0, 0));

  child = start(send_much, id);
  long bytes = 0;
  for (int i = 0; i < 400; ++i) bytes += msgrcv(id, &got, 128, 1, 0);
  VALUE(bytes);
  join(child);
  text.type = 1;
  int sent = 0;
  while (msgsnd(id, &text, 128, IPC_NOWAIT) == 0) ++sent;
  printf("full after %d: %s\n", sent, strerrorname(errno));
  while (msgrcv(id, &got, 128, 0, IPC_NOWAIT) >= 0) --sent;
  VALUE(sent);
  alarm(1);
  VALUE(msgrcv(id, &got, 128, 0, 0));
  child = start(receive_removed, id);
  pause_ms(300);
  int removed = msgctl(id, IPC_RMID, NULL);
  join(child);
  VALUE(removed);
  VALUE(msgsnd(id, &text, 1, 0));
}

/* What there may be, and what there is: by how much it grows with objects of ours. */
static void infos(void) {
  struct seminfo may, sets, more_sets;
  struct msginfo may_wait, queues, more_queues;
  struct shminfo may_share;
  struct shm_info segments, more_segments;
  SHOW(semctl(0, 0, IPC_INFO, &may));
  SHOW(msgctl(0, IPC_INFO, (struct msqid_ds *)&may_wait));
  SHOW(shmctl(0, IPC_INFO, (struct shmid_ds *)&may_share));
  printf("%d %d %d %d, %d %d, %ld %d %d\n", may.semopm, may.semvmx, may.semaem, may.semume == may.semopm,
         may_wait.msgmax, may_wait.msgmnb, (long)may_share.shmmin, may_share.shmmax > 1l << 40,
         may_share.shmall > 1l << 40);
  printf("%d %d %d\n", may.semmni == 32000, may_wait.msgmni == 32000, may_share.shmmni == 4096);
  int set = semget(IPC_PRIVATE, may.semmsl, 0600);
  SHOW(set);
  VALUE(semget(IPC_PRIVATE, may.semmsl + 1, 0600));
  semctl(set, 0, IPC_RMID);
  SHOW(semctl(0, 0, SEM_INFO, &sets));
  SHOW(msgctl(0, MSG_INFO, (struct msqid_ds *)&queues));
  SHOW(shmctl(0, SHM_INFO, (struct shmid_ds *)&segments));
  set = semget(IPC_PRIVATE, 7, 0600);
  int queue = msgget(IPC_PRIVATE, 0600), segment = shmget(IPC_PRIVATE, 9000, 0600);
  struct text text = {1, "text"};
  msgsnd(queue, &text, 5, 0);
  msgsnd(queue, &text, 2, 0);
  int last_set = semctl(0, 0, SEM_INFO, &more_sets);
  int last_queue = msgctl(0, MSG_INFO, (struct msqid_ds *)&more_queues);
  int last_segment = shmctl(0, SHM_INFO, (struct shmid_ds *)&more_segments);
  printf("sets %d, semaphores %d\n", more_sets.semusz - sets.semusz, more_sets.semaem - sets.semaem);
  printf("queues %d, messages %d, bytes %d\n", more_queues.msgpool - queues.msgpool,
         more_queues.msgmap - queues.msgmap, more_queues.msgtql - queues.msgtql);
  printf("segments %d, pages %ld\n", more_segments.used_ids - segments.used_ids,
         (long)(more_segments.shm_tot - segments.shm_tot));
  int found[3] = {0, 0, 0};
  struct semid_ds of_set;
  struct msqid_ds of_queue;
  struct shmid_ds of_segment;
  for (int i = 0; i <= last_set; ++i)
    if (semctl(i, 0, SEM_STAT, &of_set) == set) found[0] = (int)of_set.sem_nsems;
  for (int i = 0; i <= last_queue; ++i)
    if (msgctl(i, MSG_STAT, &of_queue) == queue) found[1] = (int)of_queue.msg_qnum;
  for (int i = 0; i <= last_segment; ++i)
    if (shmctl(i, SHM_STAT, &of_segment) == segment) found[2] = (int)of_segment.shm_segsz;
  printf("found %d %d %d\n", found[0], found[1], found[2]);
  VALUE(semctl(last_set + 1, 0, SEM_STAT, &of_set));
  VALUE(msgctl(last_queue + 1, MSG_STAT, &of_queue));
  VALUE(shmctl(last_segment + 1, SHM_STAT, &of_segment));
  VALUE(semctl(-1, 0, SEM_STAT, &of_set));
  VALUE(semctl(0, 0, SEM_INFO, (void *)8));
  VALUE(msgctl(0, IPC_INFO, (void *)8));
  VALUE(shmctl(0, SHM_INFO, (void *)8));
  semctl(set, 0, IPC_RMID);
  msgctl(queue, IPC_RMID, NULL);
  shmctl(segment, IPC_RMID, NULL);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  semaphores();
  messages();
  infos();
  return 0;
}
