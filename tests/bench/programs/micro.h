/* Rows of micro.c by subject. Each runs its operation `count` times and ends the program by Check
 * when something fails. */
#ifndef K42_BENCH_MICRO_H
#define K42_BENCH_MICRO_H

void Check(int ok, const char* what);

/* micro_files.c: files in /tmp, a file system in memory on both sides. */
void Stat(int count);
void OpenReadClose(int count);
void RereadSmall(int count);
void ReadLarge64(int count);
void ReadLarge4k(int count);
void WriteLarge64(int count);
void WriteLarge4k(int count);
void ReadLargeOnce(int count);
void CreateWriteUnlink(int count);
void FileTouch(int count);

/* micro_postmark.c: transactions on a pool of small files. */
void Postmark(int count);

/* micro_talk.c: two processes or threads that answer each other, one byte at a time. */
void PipePingPong(int count);
void UnixPingPong(int count);
void TcpPingPong(int count);
void FutexPingPong(int count);
void ThreadSwitch(int count);
void ThreadCreateJoin(int count);
void Signal(int count);

/* micro_served.c: requests of a client to a server, which both work for them. */
void Served(int count);

/* micro_poll.c: one byte through a socket that an epoll set watches, among 10 and 10,000 idle ones.
 */
void EpollFew(int count);
void EpollMany(int count);

#endif
