// All Linux calls the personality serves, by the file that holds them. Arguments as the program
// passed them (unchecked); the result is what the program gets in RAX.
//
// A call is an ordinary function over the calling thread. It may block that thread, and other
// threads may have changed any shared state when it comes back.
#pragma once

#include <cstdint>

#include "user/linux/abi_errno.h"
#include "user/linux/thread.h"

namespace k42::personality::calls {

using Reply = std::int64_t;
using U32 = std::uint32_t;
using I32 = std::int32_t;
using U64 = std::uint64_t;
using I64 = std::int64_t;
using Address = std::uint64_t;  // in the program

// read_write.cc
Reply Read(Thread&, U32 fd, Address buffer, U64 size);
Reply Write(Thread&, U32 fd, Address buffer, U64 size);
Reply ReadVector(Thread&, U32 fd, Address vector, U64 count);
Reply WriteVector(Thread&, U32 fd, Address vector, U64 count);
Reply PRead(Thread&, U32 fd, Address buffer, U64 size, I64 offset);
Reply PWrite(Thread&, U32 fd, Address buffer, U64 size, I64 offset);
Reply PReadVector(Thread&, U32 fd, Address vector, U64 count, I64 offset);
Reply PWriteVector(Thread&, U32 fd, Address vector, U64 count, I64 offset);
Reply PReadVector2(Thread&, U32 fd, Address vector, U64 count, I64 offset, U64 high, U32 flags);
Reply PWriteVector2(Thread&, U32 fd, Address vector, U64 count, I64 offset, U64 high, U32 flags);
Reply Seek(Thread&, U32 fd, I64 offset, U32 whence);
Reply SendFile(Thread&, U32 out, U32 in, Address offset, U64 count);
Reply CopyFileRange(Thread&, U32 in, Address in_offset, U32 out, Address out_offset, U64 count,
                    U32 flags);
// splice.cc
Reply Splice(Thread&, U32 in, Address in_offset, U32 out, Address out_offset, U64 size, U32 flags);
Reply Tee(Thread&, U32 in, U32 out, U64 size, U32 flags);
Reply VmSplice(Thread&, U32 fd, Address vector, U64 count, U32 flags);

// file_calls.cc
Reply Close(Thread&, U32 fd);
Reply CloseRange(Thread&, U32 first, U32 last, U32 flags);
Reply Dup(Thread&, U32 fd);
Reply Dup2(Thread&, U32 from, U32 to);
Reply Dup3(Thread&, U32 from, U32 to, U32 flags);
Reply Fcntl(Thread&, U32 fd, U32 command, U64 argument);
Reply Flock(Thread&, U32 fd, U32 operation);
Reply FTruncate(Thread&, U32 fd, I64 size);
Reply FAllocate(Thread&, U32 fd, U32 mode, I64 offset, I64 size);
Reply FSync(Thread&, U32 fd);
Reply FDataSync(Thread&, U32 fd);
Reply Sync(Thread&);
Reply FAdvise(Thread&, U32 fd, I64 offset, I64 size, U32 advice);
Reply Pipe(Thread&, Address fds);
Reply Pipe2(Thread&, Address fds, U32 flags);
Reply GetDents64(Thread&, U32 fd, Address buffer, U64 size);
Reply GetDents(Thread&, U32 fd, Address buffer, U64 size);
Reply EventFd(Thread&, U32 value);
Reply EventFd2(Thread&, U32 value, U32 flags);
Reply MemFdCreate(Thread&, Address name, U32 flags);

// path_calls.cc
Reply Open(Thread&, Address path, U32 flags, U32 mode);
Reply OpenAt(Thread&, I32 directory, Address path, U32 flags, U32 mode);
Reply OpenAt2(Thread&, I32 directory, Address path, Address how, U64 size);
Reply Creat(Thread&, Address path, U32 mode);
Reply Access(Thread&, Address path, U32 mode);
Reply FAccessAt(Thread&, I32 directory, Address path, U32 mode);
Reply FAccessAt2(Thread&, I32 directory, Address path, U32 mode, U32 flags);
Reply ChangeDirectory(Thread&, Address path);
Reply FChangeDirectory(Thread&, U32 fd);
Reply GetCurrentDirectory(Thread&, Address buffer, U64 size);
Reply ChangeRoot(Thread&, Address path);
Reply MakeDirectory(Thread&, Address path, U32 mode);
Reply MakeDirectoryAt(Thread&, I32 directory, Address path, U32 mode);
Reply MakeNode(Thread&, Address path, U32 mode, U64 device);
Reply MakeNodeAt(Thread&, I32 directory, Address path, U32 mode, U64 device);
Reply RemoveDirectory(Thread&, Address path);
Reply Unlink(Thread&, Address path);
Reply UnlinkAt(Thread&, I32 directory, Address path, U32 flags);
Reply Rename(Thread&, Address from, Address to);
Reply RenameAt(Thread&, I32 from_directory, Address from, I32 to_directory, Address to);
Reply RenameAt2(Thread&, I32 from_directory, Address from, I32 to_directory, Address to, U32 flags);
Reply Link(Thread&, Address from, Address to);
Reply LinkAt(Thread&, I32 from_directory, Address from, I32 to_directory, Address to, U32 flags);
Reply SymbolicLink(Thread&, Address target, Address path);
Reply SymbolicLinkAt(Thread&, Address target, I32 directory, Address path);
Reply ReadLink(Thread&, Address path, Address buffer, U64 size);
Reply ReadLinkAt(Thread&, I32 directory, Address path, Address buffer, U64 size);
Reply Umask(Thread&, U32 mask);

// attribute_calls.cc
Reply Stat(Thread&, Address path, Address result);
Reply LStat(Thread&, Address path, Address result);
Reply FStat(Thread&, U32 fd, Address result);
Reply NewFStatAt(Thread&, I32 directory, Address path, Address result, U32 flags);
Reply Statx(Thread&, I32 directory, Address path, U32 flags, U32 mask, Address result);
Reply StatFs(Thread&, Address path, Address result);
Reply FStatFs(Thread&, U32 fd, Address result);
Reply ChangeMode(Thread&, Address path, U32 mode);
Reply FChangeMode(Thread&, U32 fd, U32 mode);
Reply FChangeModeAt(Thread&, I32 directory, Address path, U32 mode);
Reply FChangeModeAt2(Thread&, I32 directory, Address path, U32 mode, U32 flags);
Reply ChangeOwner(Thread&, Address path, U32 user, U32 group);
Reply LChangeOwner(Thread&, Address path, U32 user, U32 group);
Reply FChangeOwner(Thread&, U32 fd, U32 user, U32 group);
Reply FChangeOwnerAt(Thread&, I32 directory, Address path, U32 user, U32 group, U32 flags);
Reply Truncate(Thread&, Address path, I64 size);
Reply UTime(Thread&, Address path, Address times);
Reply UTimes(Thread&, Address path, Address times);
Reply FUTimesAt(Thread&, I32 directory, Address path, Address times);
Reply UTimeNsAt(Thread&, I32 directory, Address path, Address times, U32 flags);
// getxattr, setxattr, removexattr
Reply ExtendedAttribute(Thread&, Address path);
Reply LExtendedAttribute(Thread&, Address path);
Reply FExtendedAttribute(Thread&, U32 fd);
Reply ListExtendedAttributes(Thread&, Address path);
Reply LListExtendedAttributes(Thread&, Address path);
Reply FListExtendedAttributes(Thread&, U32 fd);

// memory_calls.cc, shared_memory.cc
Reply Mmap(Thread&, Address address, U64 size, U32 protection, U32 flags, I32 fd, U64 offset);
Reply Munmap(Thread&, Address address, U64 size);
Reply Mprotect(Thread&, Address address, U64 size, U32 protection);
Reply Mremap(Thread&, Address address, U64 old_size, U64 new_size, U32 flags, Address new_address);
Reply Madvise(Thread&, Address address, U64 size, U32 advice);
Reply Msync(Thread&, Address address, U64 size, U32 flags);
Reply Mincore(Thread&, Address address, U64 size, Address vector);
Reply MlockRange(Thread&, Address address, U64 size);
Reply Brk(Thread&, Address address);
Reply Memory(Thread&);  // mlockall, munlockall, membarrier-like calls with nothing to do
Reply ProcessVmRead(Thread&, I32 pid, Address local, U64 local_count, Address remote,
                    U64 remote_count, U64 flags);
Reply ProcessVmWrite(Thread&, I32 pid, Address local, U64 local_count, Address remote,
                     U64 remote_count, U64 flags);
Reply ShmGet(Thread&, I32 key, U64 size, U32 flags);
Reply ShmAt(Thread&, I32 id, Address address, U32 flags);
Reply ShmDt(Thread&, Address address);
Reply ShmCtl(Thread&, I32 id, U32 command, Address buffer);
// semaphores.cc, message_queues.cc
Reply SemGet(Thread&, I32 key, I32 count, U32 flags);
Reply SemOperate(Thread&, I32 id, Address operations, U32 count);
Reply SemTimedOperate(Thread&, I32 id, Address operations, U32 count, Address timeout);
Reply SemControl(Thread&, I32 id, I32 number, U32 command, U64 argument);
Reply MsgGet(Thread&, I32 key, U32 flags);
Reply MsgSend(Thread&, I32 id, Address message, U64 size, U32 flags);
Reply MsgReceive(Thread&, I32 id, Address message, U64 size, I64 type, U32 flags);
Reply MsgControl(Thread&, I32 id, U32 command, Address buffer);

// clone.cc, exec.cc, exit.cc, wait.cc
Reply Clone(Thread&, U64 flags, Address stack, Address parent_tid, Address child_tid, U64 tls);
Reply Clone3(Thread&, Address arguments, U64 size);
Reply Fork(Thread&);
Reply VFork(Thread&);
Reply Unshare(Thread&, U64 flags);
Reply SetNameSpace(Thread&, U32 fd, U32 kind);
Reply Execve(Thread&, Address path, Address arguments, Address environment);
Reply ExecveAt(Thread&, I32 directory, Address path, Address arguments, Address environment,
               U32 flags);
Reply Exit(Thread&, U32 code);
Reply ExitGroup(Thread&, U32 code);
Reply Wait4(Thread&, I32 pid, Address status, U32 options, Address usage);
Reply WaitId(Thread&, U32 type, U32 id, Address info, U32 options, Address usage);

// signal_calls.cc
Reply SigAction(Thread&, I32 signal, Address action, Address old, U64 size);
Reply SigProcMask(Thread&, U32 how, Address set, Address old, U64 size);
Reply SigReturn(Thread&);
Reply SigSuspend(Thread&, Address set, U64 size);
Reply SigPending(Thread&, Address set, U64 size);
Reply SigTimedWait(Thread&, Address set, Address info, Address timeout, U64 size);
Reply SigQueueInfo(Thread&, I32 pid, I32 signal, Address info);
Reply ThreadSigQueueInfo(Thread&, I32 pid, I32 tid, I32 signal, Address info);
Reply SigAltStack(Thread&, Address stack, Address old);
Reply Kill(Thread&, I32 pid, I32 signal);
Reply ThreadKill(Thread&, I32 tid, I32 signal);
Reply ThreadGroupKill(Thread&, I32 pid, I32 tid, I32 signal);
Reply Pause(Thread&);
Reply PidFdSendSignal(Thread&, U32 fd, I32 signal, Address info, U32 flags);
// task_descriptor.cc
Reply PidFdOpen(Thread&, I32 pid, U32 flags);

// futex.cc
Reply Futex(Thread&, Address word, U32 operation, U32 value, Address timeout, Address word2,
            U32 value3);
Reply SetRobustList(Thread&, Address head, U64 size);
Reply GetRobustList(Thread&, I32 tid, Address head, Address size);

// poll.cc, epoll.cc, timer_fd.cc, signal_fd.cc
Reply Poll(Thread&, Address fds, U32 count, I32 timeout_ms);
Reply PPoll(Thread&, Address fds, U32 count, Address timeout, Address mask, U64 size);
Reply Select(Thread&, U32 count, Address read, Address write, Address except, Address timeout);
Reply PSelect6(Thread&, U32 count, Address read, Address write, Address except, Address timeout,
               Address mask);
Reply EpollCreate(Thread&, I32 size);
Reply EpollCreate1(Thread&, U32 flags);
Reply EpollCtl(Thread&, U32 epoll, U32 operation, U32 fd, Address event);
Reply EpollWait(Thread&, U32 epoll, Address events, I32 count, I32 timeout_ms);
Reply EpollPWait(Thread&, U32 epoll, Address events, I32 count, I32 timeout_ms, Address mask,
                 U64 size);
Reply EpollPWait2(Thread&, U32 epoll, Address events, I32 count, Address timeout, Address mask,
                  U64 size);
Reply TimerFdCreate(Thread&, U32 clock, U32 flags);
Reply TimerFdSetTime(Thread&, U32 fd, U32 flags, Address value, Address old);
Reply TimerFdGetTime(Thread&, U32 fd, Address value);
Reply SignalFd(Thread&, I32 fd, Address mask, U64 size);
Reply SignalFd4(Thread&, I32 fd, Address mask, U64 size, U32 flags);

// inotify.cc
Reply InotifyInit(Thread&);
Reply InotifyInit1(Thread&, U32 flags);
Reply InotifyAddWatch(Thread&, U32 fd, Address path, U32 mask);
Reply InotifyRemoveWatch(Thread&, U32 fd, I32 watch);

// time_calls.cc, posix_timers.cc
Reply ClockGetTime(Thread&, U32 clock, Address result);
Reply ClockGetRes(Thread&, U32 clock, Address result);
Reply ClockSetTime(Thread&, U32 clock, Address value);
Reply AdjustTime(Thread&, Address timex);
Reply ClockAdjust(Thread&, U32 clock, Address timex);
Reply ClockNanoSleep(Thread&, U32 clock, U32 flags, Address request, Address remaining);
Reply NanoSleep(Thread&, Address request, Address remaining);
Reply GetTimeOfDay(Thread&, Address time, Address zone);
Reply Time(Thread&, Address result);
Reply Times(Thread&, Address result);
Reply Alarm(Thread&, U32 seconds);
Reply GetITimer(Thread&, U32 which, Address value);
Reply SetITimer(Thread&, U32 which, Address value, Address old);
Reply TimerCreate(Thread&, U32 clock, Address event, Address id);
Reply TimerSetTime(Thread&, I32 id, U32 flags, Address value, Address old);
Reply TimerGetTime(Thread&, I32 id, Address value);
Reply TimerGetOverrun(Thread&, I32 id);
Reply TimerDelete(Thread&, I32 id);

// socket_calls.cc, socket_messages.cc, socket_options.cc
Reply Socket(Thread&, U32 family, U32 type, U32 protocol);
Reply SocketPair(Thread&, U32 family, U32 type, U32 protocol, Address fds);
Reply Bind(Thread&, U32 fd, Address address, U32 size);
Reply Connect(Thread&, U32 fd, Address address, U32 size);
Reply Listen(Thread&, U32 fd, I32 backlog);
Reply Accept(Thread&, U32 fd, Address address, Address size);
Reply Accept4(Thread&, U32 fd, Address address, Address size, U32 flags);
Reply SendTo(Thread&, U32 fd, Address buffer, U64 size, U32 flags, Address address,
             U32 address_size);
Reply RecvFrom(Thread&, U32 fd, Address buffer, U64 size, U32 flags, Address address,
               Address address_size);
Reply SendMsg(Thread&, U32 fd, Address message, U32 flags);
Reply RecvMsg(Thread&, U32 fd, Address message, U32 flags);
Reply SendMMsg(Thread&, U32 fd, Address messages, U32 count, U32 flags);
Reply RecvMMsg(Thread&, U32 fd, Address messages, U32 count, U32 flags, Address timeout);
Reply Shutdown(Thread&, U32 fd, U32 how);
Reply GetSockName(Thread&, U32 fd, Address address, Address size);
Reply GetPeerName(Thread&, U32 fd, Address address, Address size);
Reply GetSockOpt(Thread&, U32 fd, U32 level, U32 option, Address value, Address size);
Reply SetSockOpt(Thread&, U32 fd, U32 level, U32 option, Address value, U32 size);

// ioctl.cc
Reply Ioctl(Thread&, U32 fd, U32 request, Address argument);

// identity_calls.cc
Reply GetPid(Thread&);
Reply GetPpid(Thread&);
Reply GetTid(Thread&);
Reply GetUid(Thread&);
Reply GetGid(Thread&);
Reply GetEuid(Thread&);
Reply GetEgid(Thread&);
Reply SetUid(Thread&, U32 user);
Reply SetGid(Thread&, U32 group);
Reply SetReUid(Thread&, U32 real, U32 effective);
Reply SetReGid(Thread&, U32 real, U32 effective);
Reply SetResUid(Thread&, U32 real, U32 effective, U32 saved);
Reply SetResGid(Thread&, U32 real, U32 effective, U32 saved);
Reply GetResUid(Thread&, Address real, Address effective, Address saved);
Reply GetResGid(Thread&, Address real, Address effective, Address saved);
Reply SetFsUid(Thread&, U32 user);
Reply SetFsGid(Thread&, U32 group);
Reply GetGroups(Thread&, I32 count, Address groups);
Reply SetGroups(Thread&, I32 count, Address groups);
Reply GetPgid(Thread&, I32 pid);
Reply GetPgrp(Thread&);
Reply SetPgid(Thread&, I32 pid, I32 group);
Reply GetSid(Thread&, I32 pid);
Reply SetSid(Thread&);
Reply CapGet(Thread&, Address header, Address data);
Reply CapSet(Thread&, Address header, Address data);

// system_calls.cc
Reply Uname(Thread&, Address result);
Reply SysInfo(Thread&, Address result);
Reply GetRandom(Thread&, Address buffer, U64 size, U32 flags);
Reply Prctl(Thread&, U32 option, U64 a, U64 b, U64 c, U64 d);
Reply ArchPrctl(Thread&, U32 code, Address address);
Reply SetTidAddress(Thread&, Address address);
Reply GetRlimit(Thread&, U32 which, Address limit);
Reply SetRlimit(Thread&, U32 which, Address limit);
Reply PrLimit64(Thread&, I32 pid, U32 which, Address limit, Address old);
Reply GetRusage(Thread&, I32 who, Address usage);
Reply GetPriority(Thread&, U32 which, I32 who);
Reply SetPriority(Thread&, U32 which, I32 who, I32 priority);
Reply SchedYield(Thread&);
Reply SchedGetAffinity(Thread&, I32 pid, U64 size, Address mask);
Reply SchedSetAffinity(Thread&, I32 pid, U64 size, Address mask);
Reply SchedGetScheduler(Thread&, I32 pid);
Reply SchedSetScheduler(Thread&, I32 pid, U32 policy, Address parameters);
Reply SchedRoundRobinInterval(Thread&, I32 pid, Address interval);
Reply SchedGetAttr(Thread&, I32 pid, Address attributes, U32 size, U32 flags);
Reply SchedSetAttr(Thread&, I32 pid, Address attributes, U32 flags);
Reply IoPriorityGet(Thread&, I32 which, I32 who);
Reply IoPrioritySet(Thread&, I32 which, I32 who, I32 priority);
Reply SchedGetParam(Thread&, I32 pid, Address parameters);
Reply SchedSetParam(Thread&, I32 pid, Address parameters);
Reply SchedPriorityMax(Thread&, U32 policy);
Reply SchedPriorityMin(Thread&, U32 policy);
Reply GetCpu(Thread&, Address cpu, Address node);
Reply GetMempolicy(Thread&, Address mode, Address mask, U64 bits, Address address, U64 flags);
Reply SetMempolicy(Thread&, I32 mode, Address mask, U64 bits);
Reply Mbind(Thread&, Address start, U64 size, U64 mode, Address mask, U64 bits, U32 flags);
Reply MigratePages(Thread&, I32 pid, U64 bits, Address from, Address to);
Reply MovePages(Thread&, I32 pid, U64 count, Address pages, Address nodes, Address status,
                U32 flags);
Reply MemBarrier(Thread&, I32 command, U32 flags);
Reply SetHostName(Thread&, Address name, U64 size);
Reply Personality(Thread&, U64 kind);
Reply Nothing(Thread&);       // answers 0: calls without a meaning here that programs insist on
Reply NotPermitted(Thread&);  // EPERM: mount, reboot and their like
Reply RestartSystemCall(Thread&);

}  // namespace k42::personality::calls
