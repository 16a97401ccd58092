// Start list: global objects over the link, the names by which they are found, and who may use
// them.
#pragma once

#include "global/link_echo.h"
#include "global/object_directory.h"

namespace k42::boot {

struct GlobalParts {
  global::LinkPort& port;
  global::LinkControl& control;
  global::LinkEcho& echo;
  global::ClusterView& view;
};
// Makes the call layer of every CPU and the directory of objects, and registers for control
// messages; returns who hears the call channel. Before the link starts.
Result<global::LinkReceiver*> StartGlobal(const GlobalParts& parts);

// Null before StartGlobal.
global::GlobalNode* TheGlobalNode();
global::ObjectDirectory* TheObjects();

}  // namespace k42::boot
