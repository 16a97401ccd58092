// Devices without hardware: null, zero, full, random. And the node by which any other device shows
// up in /dev: opening is a function of whoever owns the device (terminals: io/).
#pragma once

#include "fs/open_file_base.h"
#include "fs/synthetic.h"

namespace k42::fs {

enum class SimpleDevice : std::uint8_t { kNull, kZero, kFull, kRandom };

// Numbers by which programs know devices.
struct DeviceNumber {
  std::uint32_t major;
  std::uint32_t minor;
};

using OpenDevice = Result<cobj::Granted<IOpenFile>> (*)(const OpenRequest& request, Node& node,
                                                        std::uint64_t argument);

class DeviceNode final : public SyntheticNode {
 public:
  DeviceNode(SyntheticFileSystem& file_system, DeviceNumber device, OpenDevice open,
             std::uint64_t argument, std::uint32_t mode)
      : SyntheticNode(file_system, FileKind::kCharacterDevice, mode),
        device_(device),
        open_(open),
        argument_(argument) {}

  Status GetAttributes(FileAttributes* attributes) override;
  Status SetAttributes(const AttributeChange& change) override;
  Result<cobj::Granted<IOpenFile>> Open(const OpenRequest& request) override {
    return open_(request, *this, argument_);
  }

 private:
  void Dispose() override { mem::Delete(this); }
  const DeviceNumber device_;
  const OpenDevice open_;
  const std::uint64_t argument_;
};

// Adds a device to a directory of a synthetic file system.
Status AddDevice(SyntheticDirectory& directory, std::string_view name, DeviceNumber number,
                 OpenDevice open, std::uint64_t argument, std::uint32_t mode = 0666);
// null, zero, full, random, urandom, and the links and empty directories that programs expect.
Status AddSimpleDevices(SyntheticDirectory& directory);

}  // namespace k42::fs
