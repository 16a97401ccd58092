// Posting and delivering signals. State: signal_state.h; calls: signal_calls.cc.
#pragma once

#include "user/linux/signal_state.h"
#include "user/linux/thread.h"

namespace k42::personality {

struct Task;

// Not blocked, not ignored: a wait must end for it.
bool HasSignalToDeliver(Thread& thread);
// A thread of the task has ended, which may have been told of what waits for all: others look.
void HandOnSignals(Task& task);

// To the task as a whole: some thread that does not block it is interrupted.
void PostToTask(Task& task, const LinuxSigInfo& info);
void PostToThread(Thread& thread, const LinuxSigInfo& info);
// As the kernel does to the caller: SIGPIPE and its like.
void RaiseSignal(Thread& thread, int signal);
// A fault of the program: cannot be blocked or ignored, then the default action happens.
void ForceSignal(Thread& thread, const LinuxSigInfo& info);

// What the action of SIGCHLD means for children that end or stop is done by the kernel, for each
// task as its option says; a new task has none set.
bool HasChildOptions(Task& task);
void SetChildOptions(Task& task);

// Moves signals posted in the kernel to the tasks they are for.
void TakeKernelSignals();

// Before the thread returns to its program: at most sets up handlers' frames. May end the task.
void DeliverSignals(Thread& thread);

// Puts a handler's frame on the program's stack and makes the thread start it. False: no stack
// there.
bool PushSignalFrame(Thread& thread, const LinuxSigInfo& info, const LinuxSignalAction& action);
// Undoes it: what rt_sigreturn does. False: the frame is bad.
bool PopSignalFrame(Thread& thread);

// Replaces the mask; wakes nothing (the caller is running).
void SetSignalMask(Thread& thread, SignalSet mask);
// For sigsuspend, ppoll, pselect, epoll_pwait: the mask during one wait. False: bad address or
// size. The old mask comes back when no handler runs, or after the handler.
std::int64_t UseTemporaryMask(Thread& thread, std::uint64_t mask_address, std::uint64_t size);
void EndTemporaryMask(Thread& thread);

// The alternate stack as sigaltstack reports it, given the thread's stack pointer.
bool OnAlternateStack(const LinuxStack& stack, std::uint64_t stack_pointer);

}  // namespace k42::personality
