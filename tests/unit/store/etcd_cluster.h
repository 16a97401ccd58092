// A real etcd of one or more members on free loopback ports, in a temporary folder; gone with the
// object. Members can be killed, paused and started again on their old data.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cluster-services/store/etcd_store.h"

namespace k42::testing {

class EtcdCluster {
 public:
  explicit EtcdCluster(int members) {
    char name[] = "/tmp/k42-etcd-test-XXXXXX";
    folder_ = mkdtemp(name);
    // All at once, so that no number is given twice.
    std::vector<int> ports = FreePorts(2 * members);
    for (int i = 0; i < members; ++i) {
      members_.push_back({0, ports[2 * i], ports[2 * i + 1]});
      peers_ += (i ? "," : "") + Name(i) + "=" + Url(members_[i].peer_port);
    }
    for (int i = 0; i < members; ++i) StartMember(i);
  }
  ~EtcdCluster() {
    for (std::size_t i = 0; i < members_.size(); ++i) KillMember(static_cast<int>(i));
    std::filesystem::remove_all(folder_);
  }
  EtcdCluster(const EtcdCluster&) = delete;
  EtcdCluster& operator=(const EtcdCluster&) = delete;

  std::vector<std::string> endpoints() const {
    std::vector<std::string> list;
    for (const Member& member : members_)
      list.push_back("127.0.0.1:" + std::to_string(member.client_port));
    return list;
  }

  std::unique_ptr<store::Store> Open() const {
    auto opened = store::OpenEtcd({.endpoints = endpoints()});
    EXPECT_TRUE(opened.ok()) << opened.Describe();
    return std::move(opened.value());
  }

  // Waits until a leader serves.
  void WaitReady() const {
    auto store = Open();
    for (int i = 0; i < 200; ++i) {
      if (store->Get("ready").ok())
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "etcd does not serve: " << store->Get("ready").Describe() << ", see " << folder_;
  }

  void StartMember(int i) {
    Member& member = members_[i];
    const std::string data = folder_ + "/" + Name(i);
    const std::string log = data + ".log";
    std::vector<std::string> words = {"etcd",
                                      "--name",
                                      Name(i),
                                      "--data-dir",
                                      data,
                                      "--listen-client-urls",
                                      Url(member.client_port),
                                      "--advertise-client-urls",
                                      Url(member.client_port),
                                      "--listen-peer-urls",
                                      Url(member.peer_port),
                                      "--initial-advertise-peer-urls",
                                      Url(member.peer_port),
                                      "--initial-cluster",
                                      peers_,
                                      "--grpc-keepalive-min-time",
                                      "1s",
                                      "--unsafe-no-fsync",
                                      "--logger",
                                      "zap",
                                      "--log-level",
                                      "error"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    member.pid = fork();
    if (member.pid == 0) {
      const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
      execvp("etcd", argv.data());
      _exit(127);
    }
  }
  void KillMember(int i) {
    if (members_[i].pid == 0)
      return;
    kill(members_[i].pid, SIGKILL);
    waitpid(members_[i].pid, nullptr, 0);
    members_[i].pid = 0;
  }
  void SignalMember(int i, int signal) { kill(members_[i].pid, signal); }

 private:
  struct Member {
    pid_t pid;
    int client_port;
    int peer_port;
  };

  static std::string Name(int i) { return "m" + std::to_string(i); }
  static std::string Url(int port) { return "http://127.0.0.1:" + std::to_string(port); }

  static std::vector<int> FreePorts(int count) {
    std::vector<int> sockets, ports;
    for (int i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof address;
      EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
      sockets.push_back(fd);
      ports.push_back(ntohs(address.sin_port));
    }
    for (int fd : sockets) close(fd);
    return ports;
  }

  std::string folder_;
  std::string peers_;
  std::vector<Member> members_;
};

}  // namespace k42::testing
