#include "fs/socket_names.h"

#include "fs/caller.h"

namespace k42::fs {
namespace {

// Paths of sockets may carry a terminating zero.
std::string_view Trim(std::string_view path) {
  return path.substr(0, path.find('\0'));
}

Status PlaceOf(cobj::Ref<IOpenFile> directory, RefPtr<Entry>* place) {
  if (directory) {
    *place = RefPtr<Entry>::Adopt(TRY(directory->TakeEntry()));
  }
  return Status::kOk;
}

Result<io::SocketName*> NameOf(Entry& entry) {
  io::SocketName* name = entry.node()->Name();
  if (name == nullptr) {
    return Status::kConnectionRefused;
  }
  name->AddReference();
  return name;
}

}  // namespace

Result<io::SocketName*> SocketNames::Make(const cobj::CallContext& caller,
                                          cobj::Ref<IOpenFile> directory, std::string_view path,
                                          std::uint32_t mode) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  RefPtr<Entry> place;
  TRY(PlaceOf(directory, &place));
  const auto entry = RefPtr<Entry>::Adopt(
      TRY(tree_.Make(place.get(), Trim(path), FileKind::kSocket, mode, {}, who)));
  return NameOf(*entry);
}

Result<io::SocketName*> SocketNames::Find(const cobj::CallContext& caller,
                                          cobj::Ref<IOpenFile> directory, std::string_view path) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  RefPtr<Entry> place;
  TRY(PlaceOf(directory, &place));
  const auto entry = RefPtr<Entry>::Adopt(TRY(tree_.Find(place.get(), Trim(path), 0, who)));
  if (!Permits(who, entry->node()->ownership(), FileKind::kSocket, kAccessWrite)) {
    return Status::kPermissionDenied;
  }
  return NameOf(*entry);
}

}  // namespace k42::fs
