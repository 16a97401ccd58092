#include "cluster-services/control/frame.h"

namespace k42::control {

std::string EncodeFrame(FrameType type, std::string_view payload) {
  std::string bytes;
  bytes.reserve(kFrameHeader + payload.size());
  const auto size = static_cast<std::uint32_t>(payload.size());
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<char>(size >> shift & 0xff));
  bytes.push_back(static_cast<char>(type));
  bytes.append(payload);
  return bytes;
}

std::optional<Frame> FrameReader::Next() {
  if (broken_ || buffer_.size() - start_ < kFrameHeader)
    return std::nullopt;
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i)
    size |= std::uint32_t{static_cast<unsigned char>(buffer_[start_ + i])} << 8 * i;
  const auto type = static_cast<unsigned char>(buffer_[start_ + 4]);
  if (size > kMaxFramePayload || type < 1 ||
      type > static_cast<unsigned char>(FrameType::kWindow)) {
    broken_ = true;
    return std::nullopt;
  }
  if (buffer_.size() - start_ - kFrameHeader < size)
    return std::nullopt;
  Frame frame{static_cast<FrameType>(type), buffer_.substr(start_ + kFrameHeader, size)};
  start_ += kFrameHeader + size;
  if (start_ == buffer_.size() || start_ > 64 * 1024) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  return frame;
}

}  // namespace k42::control
