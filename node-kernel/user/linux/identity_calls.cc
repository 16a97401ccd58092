// Who a task is: numbers, credentials, groups, sessions. The kernel keeps and checks all of it.
#include "user/linux/call_support.h"

namespace k42::personality::calls {
namespace {

constexpr U32 kKeep = ~0u;

proc::Credential Current() {
  proc::Credential credential{};
  (void)kernel::GetCredential(&credential);
  return credential;
}

std::int64_t Apply(const proc::Credential& credential, std::uint32_t flags = 0) {
  const Status status = kernel::SetCredential(flags, credential);
  return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
}

std::int64_t Store(Address where, U32 value) {
  return WriteUser(where, value) ? 0 : -kEFAULT;
}

Reply Number(I32 pid, proc::TaskNumber which) {
  if (pid < 0) {
    return -kESRCH;
  }
  return ToReply(kernel::GetNumber(static_cast<U32>(pid), which));
}

// The kernel keeps the main task's where we can read it.
Reply Own(const Thread& thread, const std::atomic<std::uint32_t>& word, proc::TaskNumber which) {
  return thread.task->main ? Reply(word.load(std::memory_order_relaxed)) : Number(0, which);
}

}  // namespace

Reply GetPid(Thread& thread) {
  return thread.task->pid;
}
Reply GetTid(Thread& thread) {
  return thread.tid;
}
Reply GetPpid(Thread& thread) {
  return Own(thread, kernel::FirstPage()->parent, proc::TaskNumber::kParent);
}
Reply GetUid(Thread& thread) {
  return Own(thread, kernel::FirstPage()->user, proc::TaskNumber::kUser);
}
Reply GetGid(Thread& thread) {
  return Own(thread, kernel::FirstPage()->group, proc::TaskNumber::kGroupId);
}
Reply GetEuid(Thread& thread) {
  return Own(thread, kernel::FirstPage()->effective_user, proc::TaskNumber::kEffectiveUser);
}
Reply GetEgid(Thread& thread) {
  return Own(thread, kernel::FirstPage()->effective_group, proc::TaskNumber::kEffectiveGroup);
}

Reply SetUid(Thread&, U32 user) {
  proc::Credential credential = Current();
  if (user == kKeep) {
    return -kEINVAL;
  }
  if (credential.effective_user == 0) {
    credential.user = credential.saved_user = user;
  }
  credential.effective_user = credential.file_user = user;
  return Apply(credential);
}
Reply SetGid(Thread&, U32 group) {
  proc::Credential credential = Current();
  if (group == kKeep) {
    return -kEINVAL;
  }
  if (credential.effective_user == 0) {
    credential.group = credential.saved_group = group;
  }
  credential.effective_group = credential.file_group = group;
  return Apply(credential);
}

Reply SetReUid(Thread&, U32 real, U32 effective) {
  proc::Credential credential = Current();
  const U32 old_real = credential.user;
  if (real != kKeep) {
    credential.user = real;
  }
  if (effective != kKeep) {
    credential.effective_user = credential.file_user = effective;
  }
  if (real != kKeep || (effective != kKeep && effective != old_real)) {
    credential.saved_user = credential.effective_user;
  }
  return Apply(credential);
}
Reply SetReGid(Thread&, U32 real, U32 effective) {
  proc::Credential credential = Current();
  const U32 old_real = credential.group;
  if (real != kKeep) {
    credential.group = real;
  }
  if (effective != kKeep) {
    credential.effective_group = credential.file_group = effective;
  }
  if (real != kKeep || (effective != kKeep && effective != old_real)) {
    credential.saved_group = credential.effective_group;
  }
  return Apply(credential);
}

Reply SetResUid(Thread&, U32 real, U32 effective, U32 saved) {
  proc::Credential credential = Current();
  credential.user = real != kKeep ? real : credential.user;
  credential.effective_user = effective != kKeep ? effective : credential.effective_user;
  credential.saved_user = saved != kKeep ? saved : credential.saved_user;
  credential.file_user = credential.effective_user;
  return Apply(credential);
}
Reply SetResGid(Thread&, U32 real, U32 effective, U32 saved) {
  proc::Credential credential = Current();
  credential.group = real != kKeep ? real : credential.group;
  credential.effective_group = effective != kKeep ? effective : credential.effective_group;
  credential.saved_group = saved != kKeep ? saved : credential.saved_group;
  credential.file_group = credential.effective_group;
  return Apply(credential);
}

Reply GetResUid(Thread&, Address real, Address effective, Address saved) {
  const proc::Credential credential = Current();
  return Store(real, credential.user) || Store(effective, credential.effective_user) ||
                 Store(saved, credential.saved_user)
             ? -kEFAULT
             : 0;
}
Reply GetResGid(Thread&, Address real, Address effective, Address saved) {
  const proc::Credential credential = Current();
  return Store(real, credential.group) || Store(effective, credential.effective_group) ||
                 Store(saved, credential.saved_group)
             ? -kEFAULT
             : 0;
}

// These answer the old value whether or not they changed anything.
Reply SetFsUid(Thread&, U32 user) {
  proc::Credential credential = Current();
  const U32 old = credential.file_user;
  credential.file_user = user;
  (void)Apply(credential);
  return old;
}
Reply SetFsGid(Thread&, U32 group) {
  proc::Credential credential = Current();
  const U32 old = credential.file_group;
  credential.file_group = group;
  (void)Apply(credential);
  return old;
}

Reply GetGroups(Thread&, I32 count, Address groups) {
  const proc::Credential credential = Current();
  if (count == 0) {
    return credential.group_count;
  }
  if (count < 0 || static_cast<U32>(count) < credential.group_count) {
    return -kEINVAL;
  }
  const U64 size = credential.group_count * sizeof(U32);
  return size == 0 || CopyOut(groups, credential.groups, size)
             ? static_cast<Reply>(credential.group_count)
             : -kEFAULT;
}

Reply SetGroups(Thread&, I32 count, Address groups) {
  if (count < 0 || static_cast<U32>(count) > proc::kGroupsMax) {
    return -kEINVAL;
  }
  proc::Credential credential = Current();
  if (credential.effective_user != 0) {
    return -kEPERM;
  }
  credential.group_count = static_cast<U32>(count);
  if (!CopyIn(credential.groups, groups, static_cast<U32>(count) * sizeof(U32))) {
    return -kEFAULT;
  }
  return Apply(credential, proc::kCredentialGroups);
}

Reply GetPgid(Thread&, I32 pid) {
  return Number(pid, proc::TaskNumber::kGroup);
}
Reply GetPgrp(Thread& thread) {
  return GetPgid(thread, 0);
}
Reply SetPgid(Thread&, I32 pid, I32 group) {
  if (pid < 0) {
    return -kESRCH;
  }
  if (group < 0) {
    return -kEINVAL;
  }
  const Status status = kernel::SetGroup(static_cast<U32>(pid), static_cast<U32>(group));
  return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
}
Reply GetSid(Thread&, I32 pid) {
  return Number(pid, proc::TaskNumber::kSession);
}
Reply SetSid(Thread&) {
  const Result<std::uint32_t> session = kernel::NewSession();
  return session.status() == Status::kPermissionDenied ? -kEPERM : ToReply(session);
}

// Capabilities: user 0 has all, others none.
Reply CapGet(Thread&, Address header, Address data) {
  constexpr U32 kVersion3 = 0x20080522;
  struct Header {
    U32 version;
    I32 pid;
  } request;
  if (!ReadUser(&request.version, header)) {
    return -kEFAULT;
  }
  if (request.version != kVersion3) {
    request.version = kVersion3;
    const bool stored = WriteUser(header, request.version);
    return !stored ? -kEFAULT : data == 0 ? 0 : -kEINVAL;
  }
  if (data == 0) {
    return 0;
  }
  const bool all = Current().effective_user == 0;
  const U32 low = all ? ~0u : 0, high = all ? 0x1ff : 0;
  const U32 sets[6] = {low, low, 0, high, high, 0};  // effective, permitted, inheritable
  return WriteUser(data, sets) ? 0 : -kEFAULT;
}
Reply CapSet(Thread&, Address, Address) {
  return Current().effective_user == 0 ? 0 : -kEPERM;
}

}  // namespace k42::personality::calls
