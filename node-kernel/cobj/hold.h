// Holding the object behind a reference as a handle holds it, for whoever keeps one beyond a call:
// handle tables, messages in flight, calls that go on elsewhere. A reference that is only kept is
// worth nothing: the object may go, and its id name another one.
//
// Objects that do not count handles live as long as the node, or are held by other means; those of
// an [own] interface by whose table they are in, and cannot be held from elsewhere. Those of a
// [global] interface go when they are removed, whoever holds them; who does then gets kDeleted.
#pragma once

#include "base/status.h"
#include "cobj/interface_info.h"

namespace k42::cobj {

// With no lock held: both may call the object. kDeleted: it is on its way out, there is no hold.
// kPermissionDenied: it is somebody's own.
Status Hold(const ObjectRef& object);
// May end the object.
void Release(const ObjectRef& object);

}  // namespace k42::cobj
