#include "user/linux/system_calls.h"

#include <utility>

#include "user/linux/calls.h"
#include "user/linux/log.h"
#include "user/linux/task.h"
#include "user/runtime/trace.h"

namespace k42::personality {
namespace {

using Call = std::int64_t (*)(Thread&);

// The I-th argument word: RDI RSI RDX R10 R8 R9.
template <std::size_t I>
std::uint64_t Argument(const abi::UserState& regs) {
  constexpr std::uint64_t abi::UserState::*kWords[] = {&abi::UserState::rdi, &abi::UserState::rsi,
                                                       &abi::UserState::rdx, &abi::UserState::r10,
                                                       &abi::UserState::r8,  &abi::UserState::r9};
  return regs.*kWords[I];
}

// From the registers to a call's typed parameters, each truncated as Linux does.
template <auto kFunction>
struct Adapter;
template <typename... Parameters, std::int64_t (*kFunction)(Thread&, Parameters...)>
struct Adapter<kFunction> {
  static std::int64_t Invoke(Thread& thread) {
    return [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      return kFunction(thread, static_cast<Parameters>(Argument<kIndex>(thread.regs))...);
    }
    (std::make_index_sequence<sizeof...(Parameters)>());
  }
};
template <auto kFunction>
constexpr Call Adapt = &Adapter<kFunction>::Invoke;

struct Row {
  std::uint32_t number;
  Call call;
};
constexpr Row kRows[] = {
    {0, Adapt<calls::Read>},
    {1, Adapt<calls::Write>},
    {2, Adapt<calls::Open>},
    {3, Adapt<calls::Close>},
    {4, Adapt<calls::Stat>},
    {5, Adapt<calls::FStat>},
    {6, Adapt<calls::LStat>},
    {7, Adapt<calls::Poll>},
    {8, Adapt<calls::Seek>},
    {9, Adapt<calls::Mmap>},
    {10, Adapt<calls::Mprotect>},
    {11, Adapt<calls::Munmap>},
    {12, Adapt<calls::Brk>},
    {13, Adapt<calls::SigAction>},
    {14, Adapt<calls::SigProcMask>},
    {15, Adapt<calls::SigReturn>},
    {16, Adapt<calls::Ioctl>},
    {17, Adapt<calls::PRead>},
    {18, Adapt<calls::PWrite>},
    {19, Adapt<calls::ReadVector>},
    {20, Adapt<calls::WriteVector>},
    {21, Adapt<calls::Access>},
    {22, Adapt<calls::Pipe>},
    {23, Adapt<calls::Select>},
    {24, Adapt<calls::SchedYield>},
    {25, Adapt<calls::Mremap>},
    {26, Adapt<calls::Msync>},
    {27, Adapt<calls::Mincore>},
    {28, Adapt<calls::Madvise>},
    {29, Adapt<calls::ShmGet>},
    {30, Adapt<calls::ShmAt>},
    {31, Adapt<calls::ShmCtl>},
    {32, Adapt<calls::Dup>},
    {33, Adapt<calls::Dup2>},
    {34, Adapt<calls::Pause>},
    {35, Adapt<calls::NanoSleep>},
    {36, Adapt<calls::GetITimer>},
    {37, Adapt<calls::Alarm>},
    {38, Adapt<calls::SetITimer>},
    {39, Adapt<calls::GetPid>},
    {40, Adapt<calls::SendFile>},
    {41, Adapt<calls::Socket>},
    {42, Adapt<calls::Connect>},
    {43, Adapt<calls::Accept>},
    {44, Adapt<calls::SendTo>},
    {45, Adapt<calls::RecvFrom>},
    {46, Adapt<calls::SendMsg>},
    {47, Adapt<calls::RecvMsg>},
    {48, Adapt<calls::Shutdown>},
    {49, Adapt<calls::Bind>},
    {50, Adapt<calls::Listen>},
    {51, Adapt<calls::GetSockName>},
    {52, Adapt<calls::GetPeerName>},
    {53, Adapt<calls::SocketPair>},
    {54, Adapt<calls::SetSockOpt>},
    {55, Adapt<calls::GetSockOpt>},
    {56, Adapt<calls::Clone>},
    {57, Adapt<calls::Fork>},
    {58, Adapt<calls::VFork>},
    {59, Adapt<calls::Execve>},
    {60, Adapt<calls::Exit>},
    {61, Adapt<calls::Wait4>},
    {62, Adapt<calls::Kill>},
    {63, Adapt<calls::Uname>},
    {64, Adapt<calls::SemGet>},
    {65, Adapt<calls::SemOperate>},
    {66, Adapt<calls::SemControl>},
    {67, Adapt<calls::ShmDt>},
    {68, Adapt<calls::MsgGet>},
    {69, Adapt<calls::MsgSend>},
    {70, Adapt<calls::MsgReceive>},
    {71, Adapt<calls::MsgControl>},
    {72, Adapt<calls::Fcntl>},
    {73, Adapt<calls::Flock>},
    {74, Adapt<calls::FSync>},
    {75, Adapt<calls::FDataSync>},
    {76, Adapt<calls::Truncate>},
    {77, Adapt<calls::FTruncate>},
    {78, Adapt<calls::GetDents>},
    {79, Adapt<calls::GetCurrentDirectory>},
    {80, Adapt<calls::ChangeDirectory>},
    {81, Adapt<calls::FChangeDirectory>},
    {82, Adapt<calls::Rename>},
    {83, Adapt<calls::MakeDirectory>},
    {84, Adapt<calls::RemoveDirectory>},
    {85, Adapt<calls::Creat>},
    {86, Adapt<calls::Link>},
    {87, Adapt<calls::Unlink>},
    {88, Adapt<calls::SymbolicLink>},
    {89, Adapt<calls::ReadLink>},
    {90, Adapt<calls::ChangeMode>},
    {91, Adapt<calls::FChangeMode>},
    {92, Adapt<calls::ChangeOwner>},
    {93, Adapt<calls::FChangeOwner>},
    {94, Adapt<calls::LChangeOwner>},
    {95, Adapt<calls::Umask>},
    {96, Adapt<calls::GetTimeOfDay>},
    {97, Adapt<calls::GetRlimit>},
    {98, Adapt<calls::GetRusage>},
    {99, Adapt<calls::SysInfo>},
    {100, Adapt<calls::Times>},
    {102, Adapt<calls::GetUid>},
    {104, Adapt<calls::GetGid>},
    {105, Adapt<calls::SetUid>},
    {106, Adapt<calls::SetGid>},
    {107, Adapt<calls::GetEuid>},
    {108, Adapt<calls::GetEgid>},
    {109, Adapt<calls::SetPgid>},
    {110, Adapt<calls::GetPpid>},
    {111, Adapt<calls::GetPgrp>},
    {112, Adapt<calls::SetSid>},
    {113, Adapt<calls::SetReUid>},
    {114, Adapt<calls::SetReGid>},
    {115, Adapt<calls::GetGroups>},
    {116, Adapt<calls::SetGroups>},
    {117, Adapt<calls::SetResUid>},
    {118, Adapt<calls::GetResUid>},
    {119, Adapt<calls::SetResGid>},
    {120, Adapt<calls::GetResGid>},
    {121, Adapt<calls::GetPgid>},
    {122, Adapt<calls::SetFsUid>},
    {123, Adapt<calls::SetFsGid>},
    {124, Adapt<calls::GetSid>},
    {125, Adapt<calls::CapGet>},
    {126, Adapt<calls::CapSet>},
    {127, Adapt<calls::SigPending>},
    {128, Adapt<calls::SigTimedWait>},
    {129, Adapt<calls::SigQueueInfo>},
    {130, Adapt<calls::SigSuspend>},
    {131, Adapt<calls::SigAltStack>},
    {132, Adapt<calls::UTime>},
    {133, Adapt<calls::MakeNode>},
    {135, Adapt<calls::Personality>},
    {137, Adapt<calls::StatFs>},
    {138, Adapt<calls::FStatFs>},
    {140, Adapt<calls::GetPriority>},
    {141, Adapt<calls::SetPriority>},
    {142, Adapt<calls::SchedSetParam>},
    {143, Adapt<calls::SchedGetParam>},
    {144, Adapt<calls::SchedSetScheduler>},
    {145, Adapt<calls::SchedGetScheduler>},
    {146, Adapt<calls::SchedPriorityMax>},
    {147, Adapt<calls::SchedPriorityMin>},
    {148, Adapt<calls::SchedRoundRobinInterval>},
    {149, Adapt<calls::MlockRange>},
    {150, Adapt<calls::MlockRange>},
    {151, Adapt<calls::Memory>},
    {152, Adapt<calls::Memory>},
    {153, Adapt<calls::Nothing>},  // vhangup
    {157, Adapt<calls::Prctl>},
    {158, Adapt<calls::ArchPrctl>},
    {159, Adapt<calls::AdjustTime>},
    {160, Adapt<calls::SetRlimit>},
    {161, Adapt<calls::ChangeRoot>},
    {162, Adapt<calls::Sync>},
    {165, Adapt<calls::NotPermitted>},  // mount
    {166, Adapt<calls::NotPermitted>},  // umount2
    {167, Adapt<calls::NotPermitted>},  // swapon
    {168, Adapt<calls::NotPermitted>},  // swapoff
    {169, Adapt<calls::NotPermitted>},  // reboot
    {170, Adapt<calls::SetHostName>},
    {186, Adapt<calls::GetTid>},
    {187, Adapt<calls::FAdvise>},                  // readahead
    {188, Adapt<calls::ExtendedAttribute>},        // setxattr
    {189, Adapt<calls::LExtendedAttribute>},       // lsetxattr
    {190, Adapt<calls::FExtendedAttribute>},       // fsetxattr
    {191, Adapt<calls::ExtendedAttribute>},        // getxattr
    {192, Adapt<calls::LExtendedAttribute>},       // lgetxattr
    {193, Adapt<calls::FExtendedAttribute>},       // fgetxattr
    {194, Adapt<calls::ListExtendedAttributes>},   // listxattr
    {195, Adapt<calls::LListExtendedAttributes>},  // llistxattr
    {196, Adapt<calls::FListExtendedAttributes>},  // flistxattr
    {197, Adapt<calls::ExtendedAttribute>},        // removexattr
    {198, Adapt<calls::LExtendedAttribute>},       // lremovexattr
    {199, Adapt<calls::FExtendedAttribute>},       // fremovexattr
    {200, Adapt<calls::ThreadKill>},
    {201, Adapt<calls::Time>},
    {202, Adapt<calls::Futex>},
    {203, Adapt<calls::SchedSetAffinity>},
    {204, Adapt<calls::SchedGetAffinity>},
    {213, Adapt<calls::EpollCreate>},
    {217, Adapt<calls::GetDents64>},
    {218, Adapt<calls::SetTidAddress>},
    {219, Adapt<calls::RestartSystemCall>},
    {220, Adapt<calls::SemTimedOperate>},
    {221, Adapt<calls::FAdvise>},
    {222, Adapt<calls::TimerCreate>},
    {223, Adapt<calls::TimerSetTime>},
    {224, Adapt<calls::TimerGetTime>},
    {225, Adapt<calls::TimerGetOverrun>},
    {226, Adapt<calls::TimerDelete>},
    {227, Adapt<calls::ClockSetTime>},
    {228, Adapt<calls::ClockGetTime>},
    {229, Adapt<calls::ClockGetRes>},
    {230, Adapt<calls::ClockNanoSleep>},
    {231, Adapt<calls::ExitGroup>},
    {232, Adapt<calls::EpollWait>},
    {233, Adapt<calls::EpollCtl>},
    {234, Adapt<calls::ThreadGroupKill>},
    {235, Adapt<calls::UTimes>},
    {237, Adapt<calls::Mbind>},
    {238, Adapt<calls::SetMempolicy>},
    {239, Adapt<calls::GetMempolicy>},
    {247, Adapt<calls::WaitId>},
    {251, Adapt<calls::IoPrioritySet>},
    {252, Adapt<calls::IoPriorityGet>},
    {253, Adapt<calls::InotifyInit>},
    {254, Adapt<calls::InotifyAddWatch>},
    {255, Adapt<calls::InotifyRemoveWatch>},
    {256, Adapt<calls::MigratePages>},
    {257, Adapt<calls::OpenAt>},
    {258, Adapt<calls::MakeDirectoryAt>},
    {259, Adapt<calls::MakeNodeAt>},
    {260, Adapt<calls::FChangeOwnerAt>},
    {261, Adapt<calls::FUTimesAt>},
    {262, Adapt<calls::NewFStatAt>},
    {263, Adapt<calls::UnlinkAt>},
    {264, Adapt<calls::RenameAt>},
    {265, Adapt<calls::LinkAt>},
    {266, Adapt<calls::SymbolicLinkAt>},
    {267, Adapt<calls::ReadLinkAt>},
    {268, Adapt<calls::FChangeModeAt>},
    {269, Adapt<calls::FAccessAt>},
    {270, Adapt<calls::PSelect6>},
    {271, Adapt<calls::PPoll>},
    {272, Adapt<calls::Unshare>},
    {273, Adapt<calls::SetRobustList>},
    {274, Adapt<calls::GetRobustList>},
    {275, Adapt<calls::Splice>},
    {276, Adapt<calls::Tee>},
    {277, Adapt<calls::FSync>},  // sync_file_range
    {278, Adapt<calls::VmSplice>},
    {279, Adapt<calls::MovePages>},
    {280, Adapt<calls::UTimeNsAt>},
    {281, Adapt<calls::EpollPWait>},
    {282, Adapt<calls::SignalFd>},
    {283, Adapt<calls::TimerFdCreate>},
    {284, Adapt<calls::EventFd>},
    {285, Adapt<calls::FAllocate>},
    {286, Adapt<calls::TimerFdSetTime>},
    {287, Adapt<calls::TimerFdGetTime>},
    {288, Adapt<calls::Accept4>},
    {289, Adapt<calls::SignalFd4>},
    {290, Adapt<calls::EventFd2>},
    {291, Adapt<calls::EpollCreate1>},
    {292, Adapt<calls::Dup3>},
    {293, Adapt<calls::Pipe2>},
    {294, Adapt<calls::InotifyInit1>},
    {295, Adapt<calls::PReadVector>},
    {296, Adapt<calls::PWriteVector>},
    {297, Adapt<calls::ThreadSigQueueInfo>},
    {299, Adapt<calls::RecvMMsg>},
    {302, Adapt<calls::PrLimit64>},
    {305, Adapt<calls::ClockAdjust>},
    {306, Adapt<calls::FSync>},  // syncfs
    {307, Adapt<calls::SendMMsg>},
    {308, Adapt<calls::SetNameSpace>},
    {309, Adapt<calls::GetCpu>},
    {310, Adapt<calls::ProcessVmRead>},
    {311, Adapt<calls::ProcessVmWrite>},
    {314, Adapt<calls::SchedSetAttr>},
    {315, Adapt<calls::SchedGetAttr>},
    {316, Adapt<calls::RenameAt2>},
    {318, Adapt<calls::GetRandom>},
    {319, Adapt<calls::MemFdCreate>},
    {322, Adapt<calls::ExecveAt>},
    {324, Adapt<calls::MemBarrier>},
    {325, Adapt<calls::MlockRange>},  // mlock2
    {326, Adapt<calls::CopyFileRange>},
    {327, Adapt<calls::PReadVector2>},
    {328, Adapt<calls::PWriteVector2>},
    {332, Adapt<calls::Statx>},
    {424, Adapt<calls::PidFdSendSignal>},
    {434, Adapt<calls::PidFdOpen>},
    {435, Adapt<calls::Clone3>},
    {436, Adapt<calls::CloseRange>},
    {437, Adapt<calls::OpenAt2>},
    {439, Adapt<calls::FAccessAt2>},
    {441, Adapt<calls::EpollPWait2>},
    {452, Adapt<calls::FChangeModeAt2>},
};

constexpr std::uint32_t kNumbers = 512;
struct Table {
  Call call[kNumbers];
};
constexpr Table MakeTable() {
  Table table{};
  for (const Row& row : kRows) {
    table.call[row.number] = row.call;
  }
  return table;
}
constexpr Table kTable = MakeTable();

// Optional calls whose ENOSYS is the expected answer: a registration of restartable sequences.
constexpr std::uint64_t kRseq = 334;

void LogOnce(std::uint64_t number) {
  static std::uint64_t logged[kNumbers / 64];
  if (number < kNumbers) {
    if (logged[number / 64] >> (number % 64) & 1) {
      return;
    }
    logged[number / 64] |= 1ull << (number % 64);
  }
  Log("linux: system call {} is not served", number);
  LogText("linux:   called by ", CurrentProgram().path);
}

// The way in and the way out; a call that does not return (exit, exec) has the former only.
[[gnu::noinline, gnu::cold]] std::int64_t ServeTraced(Thread& thread, Call call) {
  const auto id = static_cast<std::uint64_t>(thread.tid);
  const std::uint64_t number = thread.regs.rax;
  runtime::Log(*kernel::trace_mask, trace::kLinuxCall, id, number);
  const std::int64_t result = call(thread);
  runtime::Log(*kernel::trace_mask, trace::kLinuxReturn, id, number,
               static_cast<std::uint64_t>(result));
  return result;
}

}  // namespace

std::int64_t ServeSystemCall(Thread& thread) {
  const std::uint64_t number = thread.regs.rax;
  if (number < kNumbers && kTable.call[number]) {
    if ((kernel::trace_mask->load(std::memory_order_relaxed) &
         MaskOf(trace::kLinuxCall.info.event_class)) != 0) [[unlikely]]
      return ServeTraced(thread, kTable.call[number]);
    return kTable.call[number](thread);
  }
  if (number != kRseq) {
    LogOnce(number);
    kernel::NoteUnserved(static_cast<std::uint32_t>(number));
  }
  return -kENOSYS;
}

}  // namespace k42::personality
