#include "user/linux/sysv_names.h"

#include <cstring>

#include "abi/directory_record.h"

namespace k42::personality::calls::sysv {
namespace {

using Of = Name::Of;
// How often a race with others is tried again before the call gives up.
constexpr int kAttempts = 64;
constexpr char kFolder[] = "/dev/shm/";
constexpr std::size_t kFolderSize = sizeof(kFolder) - 1;

// The number at the end of a name, if it is one of this sort; else -EINVAL.
std::int64_t NumberOf(const char* text, std::size_t size, Kind kind, Of of) {
  if (size < 8) {
    return -kEINVAL;
  }
  U32 number = 0;
  for (std::size_t i = size - 8; i < size; ++i) {
    number = number << 4 | static_cast<U32>(text[i] >= 'a' ? text[i] - 'a' + 10 : text[i] - '0');
  }
  const Name same(kind, of, static_cast<I32>(number));
  return same.path().size == size && std::memcmp(same.path().text, text, size) == 0
             ? std::int64_t{number}
             : -std::int64_t{kEINVAL};
}

// That of what the link `link` says.
std::int64_t NumberIn(const Name& link, Kind kind, Of of) {
  char text[40] = {};
  const Result<std::uint64_t> size = kernel::ReadLink(link.path(), text, sizeof(text));
  if (!size.ok()) {
    return ErrnoOf(size.status());
  }
  return NumberOf(text, size.value(), kind, of);
}

// 0: the kind has no key for it.
I32 KeyOf(Kind kind, I32 id) {
  const std::int64_t key = NumberIn(Name(kind, Of::kBack, id), kind, Of::kKey);
  return key < 0 ? kIpcPrivate : static_cast<I32>(static_cast<U32>(key));
}

std::int64_t Make(Kind kind, U32 mode, const Wanted& wanted) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    U32 random = 0;
    (void)kernel::GetRandom(&random, sizeof(random));
    const auto id = static_cast<I32>(random & 0x7fffffff);
    const Name name(kind, Of::kObject, id);
    const Result<kernel::Handle> file = kernel::Open(
        name.path(), fs::kOpenRead | fs::kOpenWrite | fs::kOpenCreate | fs::kOpenExclusive,
        mode & 0777);
    if (file.status() == Status::kAlreadyExists) {
      continue;
    }
    if (!file.ok()) {
      return ErrnoOf(file.status());
    }
    const Status filled = wanted.Fill(file.value());
    kernel::Close(file.value());
    if (filled != Status::kOk) {
      (void)kernel::Remove(name.path(), 0);
      return ErrnoOf(filled);
    }
    return id;
  }
  return -kENOSPC;
}

// A new object with a name for its key. -EEXIST: somebody was quicker.
std::int64_t MakeFor(Kind kind, I32 key, U32 mode, const Wanted& wanted) {
  const std::int64_t made = Make(kind, mode, wanted);
  if (made < 0) {
    return made;
  }
  const auto id = static_cast<I32>(made);
  const Name object(kind, Of::kObject, id), named(kind, Of::kKey, key), back(kind, Of::kBack, id);
  Status status = kernel::MakeSymbolicLink(named.path().text, named.path().size, back.path());
  if (status == Status::kOk) {
    status = kernel::MakeSymbolicLink(object.path().text, object.path().size, named.path());
    if (status != Status::kOk) {
      (void)kernel::Remove(back.path(), 0);
    }
  }
  if (status != Status::kOk) {
    (void)kernel::Remove(object.path(), 0);
  }
  return status == Status::kOk ? made : ErrnoOf(status);
}

// 0, -EIDRM, or why the one that exists will not do.
std::int64_t UseExisting(Kind kind, I32 id, U32 flags, const Wanted& wanted) {
  const Name name(kind, Of::kObject, id);
  constexpr U32 kWalk = fs::kWalkNoFollow | fs::kWalkEffective;
  if (kernel::CheckAccess(name.path(), kWalk, 0) == Status::kNotFound) {
    return -kEIDRM;
  }
  if ((flags & (kIpcCreate | kIpcExclusive)) == (kIpcCreate | kIpcExclusive)) {
    return -kEEXIST;
  }
  if (const std::int64_t error = wanted.Matches(id)) {
    return error;
  }
  // The mode of a call that finds one says what its caller means to do with it.
  const U32 access = (flags >> 6 | flags >> 3 | flags) & (fs::kAccessRead | fs::kAccessWrite);
  const Status status = kernel::CheckAccess(name.path(), kWalk, access);
  return status == Status::kNotFound ? -kEIDRM : ErrnoOf(status);
}

}  // namespace

Name::Name(Kind kind, Of of, I32 number) {
  constexpr const char* kMiddle[] = {".", ".key.", ".of.", ".gone."};
  Put("/dev/shm/.sysv.");
  text_[size_++] = static_cast<char>(kind);
  Put(kMiddle[static_cast<int>(of)]);
  for (int shift = 28; shift >= 0; shift -= 4) {
    text_[size_++] = "0123456789abcdef"[static_cast<U32>(number) >> shift & 15];
  }
}

void Name::Put(const char* text) {
  while (*text) {
    text_[size_++] = *text++;
  }
}

std::int64_t Get(Kind kind, I32 key, U32 flags, const Wanted& wanted) {
  if (key == kIpcPrivate) {
    return Make(kind, flags, wanted);
  }
  const Name name(kind, Of::kKey, key);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::int64_t id = NumberIn(name, kind, Of::kObject);
    if (id >= 0) {
      const std::int64_t error = UseExisting(kind, static_cast<I32>(id), flags, wanted);
      if (error != -kEIDRM) {
        return error != 0 ? error : id;
      }
    } else if (id != -kENOENT && id != -kEINVAL) {
      return id;
    }
    if (id != -kENOENT) {
      if (NumberIn(name, kind, Of::kObject) != id) {
        continue;  // removed meanwhile
      }
      // It leads nowhere, and not because it is being removed, which begins with the key: whoever
      // made or removed the object died under way.
      const Status status = kernel::Remove(name.path(), 0);
      if (status != Status::kOk && status != Status::kNotFound) {
        return -kEACCES;  // another user's
      }
      continue;
    }
    if ((flags & kIpcCreate) == 0) {
      return -kENOENT;
    }
    const std::int64_t made = MakeFor(kind, key, flags, wanted);
    if (made != -kEEXIST) {
      return made;
    }
  }
  return -kENOSPC;
}

std::int64_t Remove(Kind kind, I32 id, bool still_used) {
  const Name object(kind, Of::kObject, id), back(kind, Of::kBack, id), gone(kind, Of::kGone, id);
  const I32 key = KeyOf(kind, id);
  const Name named(kind, Of::kKey, key);
  // The key goes first: once the object is gone, only the key's owner could remove it.
  const bool unnamed = key != kIpcPrivate && NumberIn(named, kind, Of::kObject) == id &&
                       kernel::Remove(named.path(), 0) == Status::kOk;
  const Status status =
      still_used ? kernel::Rename(object.path(), gone.path(), 0) : kernel::Remove(object.path(), 0);
  if (status == Status::kOk) {
    (void)kernel::Remove(back.path(), 0);
    return 0;
  }
  if (unnamed) {
    (void)kernel::MakeSymbolicLink(object.path().text, object.path().size, named.path());
  }
  return status == Status::kNotFound ? -kEINVAL : ErrnoOf(status);
}

std::int64_t Change(Kind kind, I32 id, const LinuxPermissions& permissions) {
  fs::AttributeChange change{};
  change.mask = fs::kSetMode | fs::kSetUser | fs::kSetGroup;
  change.mode = permissions.mode & 0777;
  change.user = permissions.uid;
  change.group = permissions.gid;
  const Name name(kind, Of::kObject, id);
  const Status status = kernel::SetAttributes(name.path(), fs::kWalkNoFollow, change);
  if (status != Status::kOk) {
    return status == Status::kNotFound ? -kEINVAL : ErrnoOf(status);
  }
  // The folder is sticky: what the new owner is to remove with the object must be his.
  change.mask = fs::kSetUser | fs::kSetGroup;
  const I32 key = KeyOf(kind, id);
  const Name back(kind, Of::kBack, id), named(kind, Of::kKey, key);
  if (key != kIpcPrivate && NumberIn(named, kind, Of::kObject) == id) {
    (void)kernel::SetAttributes(named.path(), fs::kWalkNoFollow, change);
  }
  (void)kernel::SetAttributes(back.path(), fs::kWalkNoFollow, change);
  return 0;
}

void Fill(Kind kind, I32 id, const fs::FileAttributes& attributes, LinuxPermissions* permissions) {
  *permissions = {};
  permissions->key = KeyOf(kind, id);
  permissions->uid = permissions->cuid = attributes.user;
  permissions->gid = permissions->cgid = attributes.group;
  permissions->mode = attributes.mode & 0777;
}

Objects::Objects(Kind kind) : kind_(kind), records_(4096) {
  const kernel::Path folder{kernel::kNoHandle, kFolder, kFolderSize};
  folder_ = kernel::Open(folder, fs::kOpenRead | fs::kOpenDirectory, 0).ValueOr(kernel::kNoHandle);
}

Objects::~Objects() {
  if (folder_ != kernel::kNoHandle) {
    kernel::Close(folder_);
  }
}

I32 Objects::Next() {
  if (folder_ == kernel::kNoHandle || !records_) {
    return -1;
  }
  for (;;) {
    if (at_ >= end_) {
      at_ = 0;
      end_ = kernel::ReadDirectory(folder_, records_.data(), records_.size()).ValueOr(0);
      if (end_ == 0) {
        return -1;
      }
    }
    const auto* record = reinterpret_cast<const abi::DirectoryRecord*>(records_.data() + at_);
    at_ += record->record_size;
    char text[sizeof(kFolder) + 32];
    if (record->name_size <= 32) {
      std::memcpy(text, kFolder, kFolderSize);
      std::memcpy(text + kFolderSize, record->name, record->name_size);
      const std::int64_t id = NumberOf(text, kFolderSize + record->name_size, kind_, Of::kObject);
      if (id >= 0 && id <= INT32_MAX) {
        return static_cast<I32>(id);
      }
    }
  }
}

std::int64_t IdAt(Kind kind, I32 index) {
  Objects objects(kind);
  I32 id = -1;
  for (I32 i = 0; i <= index && (id = objects.Next()) >= 0; ++i) {
  }
  return index < 0 || id < 0 ? -std::int64_t{kEINVAL} : id;
}

}  // namespace k42::personality::calls::sysv
