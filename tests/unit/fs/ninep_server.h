// A 9P server within the test program: one folder of regular files, answered at once. Tests change
// its files behind the node's back, as a host does.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fs/ninep_client.h"

namespace k42::test {

class NinePServer final : public fs::ninep::Transport {
 public:
  using Type = fs::ninep::Type;
  struct File {
    std::uint64_t number = 0;
    std::uint32_t mode = 0644;
    std::uint64_t modify_ns = 0;
    std::string bytes;
    bool folder = false;
  };

  // Makes the file, or changes what is in it.
  void Put(const std::string& name, const std::string& bytes) {
    File& file = files_[name];
    file.number = file.number != 0 ? file.number : files_.size() + 1;
    file.bytes = bytes;
    file.modify_ns = ++clock_;
  }
  File& file(const std::string& name) { return files_[name]; }
  // Runs before a request is answered.
  std::function<void(Type)> before;
  // The error (Linux's number) with which requests of a type are answered; 0: none.
  std::map<Type, std::uint32_t> errors;
  // Bytes that a read or write moves at most.
  std::uint32_t most = ~0u;
  // How many there were.
  std::map<Type, int> requests;

  Status Submit(fs::ninep::Request* request) override {
    fs::ninep::Reader message(request->message());
    message.U32();
    const auto type = static_cast<Type>(message.U8());
    const std::uint16_t tag = message.U16();
    ++requests[type];
    if (before)
      before(type);
    std::vector<std::byte> space(128 << 10);
    fs::ninep::Writer reply(space);
    reply.Begin(static_cast<Type>(static_cast<int>(type) + 1), tag);
    std::uint32_t error = errors.contains(type) ? errors[type] : 0;
    std::string data;
    if (error == 0)
      error = Answer(type, message, *request, reply, data);
    if (error != 0) {
      data.clear();
      reply.Begin(Type::kError, tag);
      reply.U32(error);
    }
    const std::size_t fields = reply.End(data.size());
    std::memcpy(space.data() + fields, data.data(), data.size());
    Carry(*request, {space.data(), fields + data.size()});
    request->Complete(Status::kOk, fields + data.size());
    return Status::kOk;
  }
  std::size_t MaxMessage() const override { return (64 << 10) + 4096; }
  void SetReceiver(fs::ninep::Client*) override {}

 private:
  static constexpr std::uint32_t kNoEntry = 2, kBadMessage = 22, kNotHere = 95;

  static void Carry(fs::ninep::Request& request, std::span<const std::byte> reply) {
    const std::size_t front = std::min(request.front().size(), reply.size());
    std::copy_n(reply.begin(), front, request.front().begin());
    reply = reply.subspan(front);
    for (const fs::ninep::Segment& segment : request.in_data()) {
      const std::size_t part = std::min<std::size_t>(segment.size, reply.size());
      std::memcpy(machine::PhysToVirt<void>(segment.address), reply.data(), part);
      reply = reply.subspan(part);
    }
  }
  static void PutQid(const File& file, fs::ninep::Writer& reply) {
    reply.U8(file.folder ? fs::ninep::Qid::kDirectory : 0);
    reply.U32(0);
    reply.U64(file.number);
  }
  static void PutAttributes(const File& file, fs::ninep::Writer& reply) {
    reply.U64(0x7ff);
    PutQid(file, reply);
    reply.U32(file.mode | fs::ninep::ModeOfKind(file.folder ? fs::FileKind::kDirectory
                                                            : fs::FileKind::kRegular));
    reply.U32(0);  // user, group, links, device
    reply.U32(0);
    reply.U64(1);
    reply.U64(0);
    reply.U64(file.bytes.size());
    reply.U64(4096);
    reply.U64((file.bytes.size() + 511) / 512);
    for (int time = 0; time < 4; ++time) {
      reply.U64(0);
      reply.U64(file.modify_ns);
    }
    reply.U64(0);
    reply.U64(0);
  }

  std::uint32_t Answer(Type type, fs::ninep::Reader& message, fs::ninep::Request& request,
                       fs::ninep::Writer& reply, std::string& data) {
    if (type == Type::kVersion) {
      reply.U32(message.U32());
      reply.Text(message.Text());
      return 0;
    }
    const std::uint32_t fid = message.U32();
    if (type == Type::kAttach) {
      fids_[fid] = &root_;
      PutQid(root_, reply);
      return 0;
    }
    if (type == Type::kClunk) {
      fids_.erase(fid);
      return 0;
    }
    if (!fids_.contains(fid))
      return kBadMessage;
    File& file = *fids_[fid];
    switch (type) {
      case Type::kWalk: {
        const std::uint32_t next = message.U32();
        const std::uint16_t names = message.U16();
        const std::string name(names != 0 ? message.Text() : "");
        if (names != 0 && !files_.contains(name))
          return kNoEntry;
        fids_[next] = names != 0 ? &files_[name] : &file;
        reply.U16(names);
        if (names != 0)
          PutQid(files_[name], reply);
        return 0;
      }
      case Type::kGetAttributes:
        PutAttributes(file, reply);
        return 0;
      case Type::kSetAttributes: {
        const std::uint32_t valid = message.U32();
        message.U32();  // mode, user, group
        message.U32();
        message.U32();
        if ((valid & 8) != 0)
          file.bytes.resize(message.U64());
        file.modify_ns = ++clock_;
        return 0;
      }
      case Type::kOpen:
        PutQid(file, reply);
        reply.U32(0);
        return 0;
      case Type::kRead: {
        const std::uint64_t offset = std::min<std::uint64_t>(message.U64(), file.bytes.size());
        data = file.bytes.substr(offset, std::min(message.U32(), most));
        reply.U32(static_cast<std::uint32_t>(data.size()));
        return 0;
      }
      case Type::kWrite: {
        const std::uint64_t offset = message.U64();
        const std::uint32_t size = message.U32();
        std::string bytes;
        for (const fs::ninep::Segment& segment : request.out_data())
          bytes.append(machine::PhysToVirt<const char>(segment.address), segment.size);
        if (bytes.size() != size)
          return kBadMessage;
        const std::uint32_t taken = std::min(size, most);
        file.bytes.resize(std::max(file.bytes.size(), offset + taken));
        file.bytes.replace(offset, taken, bytes, 0, taken);
        file.modify_ns = ++clock_;
        reply.U32(taken);
        return 0;
      }
      case Type::kSync:
        return 0;
      default:
        return kNotHere;
    }
  }

  std::uint64_t clock_ = 0;
  File root_{1, 0755, 0, "", true};
  std::map<std::string, File> files_;
  std::map<std::uint32_t, File*> fids_;
};

}  // namespace k42::test
