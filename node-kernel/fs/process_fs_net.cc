// /proc/net: the node's interfaces, its routes and its open sockets, in the forms that netstat, ss
// and their like read. Addresses are written as the machine stores them in network order.
#include "fs/process_fs.h"
#include "io/socket_services.h"

namespace k42::fs {
namespace {

constexpr std::string_view kRouteTitle =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

// TCP's and the local sockets' states, as they are numbered there.
enum class TcpState : std::uint8_t {
  kEstablished = 1,
  kSynSent = 2,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClose = 7,
  kCloseWait = 8,
  kListen = 10,
};

// Calls see(endpoint, number) for each open socket.
template <typename See>
void ForEachSocket(See see) {
  constexpr std::size_t kAtATime = 16;
  io::SocketList& list = Sources().sockets->open_sockets();
  std::uint64_t after = 0;
  while (true) {
    io::SocketList::Seen seen[kAtATime];
    const std::size_t count = list.Look(after, seen);
    for (std::size_t i = 0; i < count; ++i) {
      see(*seen[i].endpoint, seen[i].number);
      after = seen[i].place;
    }
    if (count < kAtATime) {
      return;
    }
  }
}

bool IsInternet(const io::Endpoint& endpoint, io::SocketType type) {
  return endpoint.family() == io::SocketFamily::kInternet && endpoint.type() == type;
}

void PrintAddress(TextWriter& text, const io::SocketAddress& address) {
  text.UpperHex(__builtin_bswap32(address.internet), 8);
  text.Text(":");
  text.UpperHex(address.port, 4);
  text.Text(" ");
}

// The columns of a line up to its number; queues are of bytes.
void PrintSocket(TextWriter& text, std::uint32_t line, io::Endpoint& endpoint, TcpState state,
                 std::uint64_t number) {
  text.Print("{}: ", line);
  PrintAddress(text, endpoint.address());
  PrintAddress(text, endpoint.peer_address());
  text.UpperHex(static_cast<std::uint8_t>(state), 2);
  text.Text(" ");
  text.UpperHex(endpoint.unsent(), 8);
  text.Text(":");
  text.UpperHex(state == TcpState::kListen ? 0 : endpoint.bytes(), 8);
  text.Print(" 00:00000000 00000000 {} 0 {} 1 0000000000000000", endpoint.owner().user, number);
}

// False: a stream that neither listens nor is, or is to be, connected is in no table.
bool StateOfStream(io::Endpoint& endpoint, TcpState* state) {
  if (endpoint.listening()) {
    *state = TcpState::kListen;
    return true;
  }
  if (endpoint.peer_address().port == 0) {
    return false;
  }
  const std::uint32_t ready = abi::PollWord::Unpack(endpoint.list().Word()).ready;
  if (!endpoint.connected()) {
    *state = TcpState::kSynSent;
    return (ready & (abi::kError | abi::kHangup)) == 0;
  }
  *state = (ready & abi::kHangup) != 0       ? TcpState::kTimeWait
           : (ready & abi::kReadHangup) != 0 ? TcpState::kCloseWait
                                             : TcpState::kEstablished;
  return true;
}

std::uint32_t TypeNumber(io::SocketType type) {
  return type == io::SocketType::kStream ? 1 : type == io::SocketType::kDatagram ? 2 : 5;
}

void PrintLocalSocket(TextWriter& text, io::Endpoint& endpoint, std::uint64_t number) {
  const io::SocketAddress address = endpoint.address();
  const bool listens = endpoint.listening();
  text.Print("0000000000000000: 00000002 00000000 {} 000{} 0{} {}",
             listens ? std::string_view("00010000") : std::string_view("00000000"),
             TypeNumber(endpoint.type()), endpoint.connected() ? 3u : 1u, number);
  if (address.name_size != 0) {
    // A name outside any folder is shown with a sign for its first, zero, byte.
    const auto* name = reinterpret_cast<const char*>(address.name);
    text.Text(name[0] == 0 ? " @" : " ");
    const std::string_view rest(name, address.name_size);
    text.Text(name[0] == 0 ? rest.substr(1) : rest.substr(0, rest.find('\0')));
  }
  text.Text("\n");
}

}  // namespace

void GenerateRoute(TextWriter& text, std::uint64_t) {
  text.Text(kRouteTitle);
  if (NodeNow().node != 0) {  // 10.42.0.0/16 by fab0
    text.Text("fab0\t00002A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n");
  }
}

// Nobody counts what passes: there is no device below the sockets.
void GenerateInterfaces(TextWriter& text, std::uint64_t) {
  text.Text(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|"
      "bytes    packets errs drop fifo colls carrier compressed\n");
  constexpr std::string_view kNothing =
      "       0       0    0    0    0     0          0         0"
      "        0       0    0    0    0     0       0          0\n";
  text.Text("    lo:");
  text.Text(kNothing);
  if (NodeNow().node != 0) {
    text.Text("  fab0:");
    text.Text(kNothing);
  }
}

void GenerateStreams(TextWriter& text, std::uint64_t) {
  text.Text(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
      "   uid  timeout inode\n");
  std::uint32_t line = 0;
  ForEachSocket([&](io::Endpoint& endpoint, std::uint64_t number) {
    TcpState state = TcpState::kClose;
    if (IsInternet(endpoint, io::SocketType::kStream) && StateOfStream(endpoint, &state)) {
      PrintSocket(text, line++, endpoint, state, number);
      text.Text(" 100 0 0 10 0\n");
    }
  });
}

void GenerateDatagrams(TextWriter& text, std::uint64_t) {
  text.Text(
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
      "   uid  timeout inode ref pointer drops\n");
  std::uint32_t line = 0;
  ForEachSocket([&](io::Endpoint& endpoint, std::uint64_t number) {
    if (IsInternet(endpoint, io::SocketType::kDatagram) && endpoint.address().port != 0) {
      PrintSocket(text, line++, endpoint,
                  endpoint.connected() ? TcpState::kEstablished : TcpState::kClose, number);
      text.Text(" 0\n");
    }
  });
}

void GenerateLocalSockets(TextWriter& text, std::uint64_t) {
  text.Text("Num       RefCount Protocol Flags    Type St Inode Path\n");
  ForEachSocket([&](io::Endpoint& endpoint, std::uint64_t number) {
    if (endpoint.family() == io::SocketFamily::kLocal) {
      PrintLocalSocket(text, endpoint, number);
    }
  });
}

void GenerateSocketCounts(TextWriter& text, std::uint64_t) {
  std::uint32_t all = 0, streams = 0, datagrams = 0;
  ForEachSocket([&](io::Endpoint& endpoint, std::uint64_t) {
    ++all;
    streams += IsInternet(endpoint, io::SocketType::kStream) ? 1 : 0;
    datagrams += IsInternet(endpoint, io::SocketType::kDatagram) ? 1 : 0;
  });
  text.Print("sockets: used {}\nTCP: inuse {} orphan 0 tw 0 alloc {} mem 0\n", all, streams,
             streams);
  text.Print("UDP: inuse {} mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
             datagrams);
}

void GenerateNothing(TextWriter&, std::uint64_t) {}

}  // namespace k42::fs
