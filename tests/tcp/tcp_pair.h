/* Two programs that act out what TCP does, step by step, and say what each saw. The same pair runs
 * on the host's Linux over loopback and on two nodes: what they print must be the same. So nothing
 * is printed that depends on time, buffer sizes or port numbers. */
#pragma once

#include <stdint.h>

enum { kServer = 0, kClient = 1 };

/* Which side this is, and the control connection that keeps the two in step. */
extern int side;
extern const char* address;
extern int base_port;

void Say(const char* format, ...) __attribute__((format(printf, 1, 2)));
/* Both sides reach this before either goes on. */
void Meet(void);
void Settle(void); /* Meet, and time for what is on its way */

int Listener(int offset, int backlog);
int Connected(int offset);          /* client: blocking connect */
int Accepted(int listener);         /* server */
int TryConnect(int fd, int offset); /* 0 or errno */
void SetNonBlocking(int fd);
const char* Error(long result); /* "ok", or errno's name if result is negative */
const char* PollBits(int fd, int wanted, int ms);
int PendingError(int fd);
const char* ErrorName(int number);

void TestConnecting(void);
void TestData(void);
void TestEnding(void);
void TestEdges(void);
