#include "interconnect/ucx_worker.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "interconnect/devices.h"
#include "interconnect/ucx_address.h"

namespace k42::interconnect {
namespace {

constexpr unsigned kMessageId = 1;
bool HasRdma() {
  return std::ranges::any_of(ListDevices(),
                             [](const DevicePort& port) { return port.state == "active"; });
}

}  // namespace

std::unique_ptr<UcxWorker> UcxWorker::Create(const UcxOptions& options, OnPacket on_packet,
                                             std::string* error) {
  std::unique_ptr<UcxWorker> worker(new UcxWorker(std::move(on_packet)));
  if (!worker->Start(options, error))
    return nullptr;
  return worker;
}

// Registrations are neither shared nor kept, at either of UCX's layers: the end of one is the end
// of its key. What the lower one does, ucp_config_modify of 1.13 does not reach; the upper one:
// Start.
void UcxWorker::PrepareProcess() {
  setenv("UCX_IB_REG_METHODS", "direct", 1);
}

bool UcxWorker::Start(const UcxOptions& options, std::string* error) {
  auto fine = [error](ucs_status_t status, const char* what) {
    if (status != UCS_OK)
      *error = std::string(what) + ": " + ucs_status_string(status);
    return status == UCS_OK;
  };
  one_sided_ = options.one_sided && HasRdma();
  ucp_config_t* config = nullptr;
  if (!fine(ucp_config_read(nullptr, nullptr, &config), "UCX configuration"))
    return false;
  bool configured =
      (options.transports.empty() ||
       fine(ucp_config_modify(config, "TLS", options.transports.c_str()), "UCX transports")) &&
      (options.net_devices.empty() ||
       fine(ucp_config_modify(config, "NET_DEVICES", options.net_devices.c_str()),
            "UCX devices")) &&
      (!one_sided_ || fine(ucp_config_modify(config, "RCACHE_ENABLE", "no"), "UCX registrations"));
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES;
  params.features =
      UCP_FEATURE_AM | UCP_FEATURE_WAKEUP | (one_sided_ ? std::uint64_t{UCP_FEATURE_RMA} : 0);
  bool started = configured && fine(ucp_init(&params, config, &context_), "UCX context");
  ucp_config_release(config);
  if (!started)
    return false;

  ucp_worker_params_t worker_params{};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SINGLE;
  if (!fine(ucp_worker_create(context_, &worker_params, &worker_), "UCX worker"))
    return false;
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
                       UCP_AM_HANDLER_PARAM_FIELD_ARG | UCP_AM_HANDLER_PARAM_FIELD_FLAGS;
  handler.id = kMessageId;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG;
  handler.cb = &Receive;
  handler.arg = this;
  if (!fine(ucp_worker_set_am_recv_handler(worker_, &handler), "UCX handler") ||
      !fine(ucp_worker_get_efd(worker_, &fd_), "UCX event descriptor"))
    return false;
  ucp_address_t* address = nullptr;
  std::size_t size = 0;
  if (!fine(ucp_worker_get_address(worker_, &address, &size), "UCX address"))
    return false;
  address_ = PrintUcxAddress({reinterpret_cast<const std::uint8_t*>(address), size});
  ucp_worker_release_address(worker_, address);
  return true;
}

UcxWorker::~UcxWorker() {
  on_packet_ = nullptr;
  while (!endpoints_.empty()) Close(endpoints_.begin()->first);
  if (worker_ != nullptr)
    ucp_worker_destroy(worker_);
  if (context_ != nullptr)
    ucp_cleanup(context_);
}

UcxWorker::Endpoint UcxWorker::Connect(const std::string& address, std::function<void()> on_error) {
  std::vector<std::uint8_t> bytes = ParseUcxAddress(address);
  if (bytes.empty())
    return nullptr;
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(bytes.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &Failed;
  params.err_handler.arg = this;
  Endpoint endpoint = nullptr;
  if (ucp_ep_create(worker_, &params, &endpoint) != UCS_OK)
    return nullptr;
  endpoints_[endpoint] = std::move(on_error);
  return endpoint;
}

void UcxWorker::Failed(void* self, ucp_ep_h endpoint, ucs_status_t) {
  auto* worker = static_cast<UcxWorker*>(self);
  auto it = worker->endpoints_.find(endpoint);
  if (it == worker->endpoints_.end() || !it->second)
    return;
  auto on_error = std::move(it->second);
  it->second = nullptr;
  on_error();
}

void UcxWorker::Close(Endpoint endpoint) {
  if (endpoints_.erase(endpoint) == 0)
    return;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  ucs_status_ptr_t request = ucp_ep_close_nbx(endpoint, &param);
  if (!UCS_PTR_IS_PTR(request))
    return;
  // A forced close waits for no peer; it takes a few rounds.
  while (ucp_request_check_status(request) == UCS_INPROGRESS) ucp_worker_progress(worker_);
  ucp_request_free(request);
}

void UcxWorker::Send(Endpoint endpoint, const UcxPacket& packet, std::span<const std::byte> body,
                     std::function<void(bool)> done) {
  auto* sending = new Sending{packet, {}, std::move(done)};
  sending->pieces[0] = {&sending->packet, sizeof(UcxPacket)};
  sending->pieces[1] = {const_cast<std::byte*>(body.data()), body.size()};
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_DATATYPE | UCP_OP_ATTR_FIELD_CALLBACK |
                       UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  param.datatype = ucp_dt_make_iov();
  param.flags = UCP_AM_SEND_FLAG_EAGER;
  param.cb.send = &Sent;
  param.user_data = sending;
  ucs_status_ptr_t request = ucp_am_send_nbx(endpoint, kMessageId, nullptr, 0, sending->pieces,
                                             body.empty() ? 1 : 2, &param);
  if (request == nullptr)
    Sent(nullptr, UCS_OK, sending);
  else if (UCS_PTR_IS_ERR(request))
    Sent(nullptr, UCS_PTR_STATUS(request), sending);
}

void UcxWorker::Sent(void* request, ucs_status_t status, void* user_data) {
  std::unique_ptr<Sending> sending(static_cast<Sending*>(user_data));
  if (request != nullptr)
    ucp_request_free(request);
  if (sending->done)
    sending->done(status == UCS_OK);
}

ucs_status_t UcxWorker::Receive(void* self, const void*, std::size_t, void* data,
                                std::size_t length, const ucp_am_recv_param_t* param) {
  auto* worker = static_cast<UcxWorker*>(self);
  bool here = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0;
  if (here && worker->on_packet_)
    worker->on_packet_({static_cast<const std::byte*>(data), length});
  return UCS_OK;
}

}  // namespace k42::interconnect
