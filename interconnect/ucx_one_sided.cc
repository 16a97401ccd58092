// UCX's worker where the NIC does the work: memory, keys, put, get and flush.
#include <cstdlib>

#include "interconnect/ucx_worker.h"

namespace k42::interconnect {

UcxMemory::~UcxMemory() {
  if (handle_ != nullptr)
    ucp_mem_unmap(context_, handle_);
}

std::vector<std::byte> UcxMemory::Key() const {
  void* packed = nullptr;
  std::size_t size = 0;
  if (ucp_rkey_pack(context_, handle_, &packed, &size) != UCS_OK)
    return {};
  const auto* bytes = static_cast<const std::byte*>(packed);
  std::vector<std::byte> key(bytes, bytes + size);
  ucp_rkey_buffer_release(packed);
  return key;
}

UcxMemory UcxWorker::Register(std::span<std::byte> memory) {
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
  params.address = memory.data();
  params.length = memory.size();
  ucp_mem_h handle = nullptr;
  if (ucp_mem_map(context_, &params, &handle) != UCS_OK)
    return {};
  return UcxMemory(context_, handle);
}

UcxKey UcxWorker::Unpack(Endpoint endpoint, std::span<const std::byte> key) {
  // UCX takes no length and believes those inside, each one byte, of at most 64 memory domains.
  // Zeroes behind a key that was cut end it.
  constexpr std::size_t kMostThatUcxReads = 64 * 256;
  std::vector<std::byte> whole(key.begin(), key.end());
  whole.resize(key.size() + kMostThatUcxReads);
  ucp_rkey_h handle = nullptr;
  if (ucp_ep_rkey_unpack(endpoint, whole.data(), &handle) != UCS_OK)
    return {};
  return UcxKey(handle);
}

// UCX 1.13 says it nowhere else than in what it prints, a line "lane[1]: 2:rc_verbs/mlx5_0:1 ..."
// for each way the endpoint takes. Without such a way its puts would be messages that the peer's
// UCX performs, unchecked and only while that process runs.
bool UcxWorker::OneSided(Endpoint endpoint) const {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = open_memstream(&text, &size);
  if (file == nullptr)
    return false;
  ucp_ep_print_info(endpoint, file);
  std::fclose(file);
  bool found = std::string_view(text, size).find(":rc_") != std::string_view::npos;
  std::free(text);
  return found;
}

void UcxWorker::Begun(ucs_status_ptr_t request, Transfer* transfer) {
  if (!UCS_PTR_IS_PTR(request))
    Transferred(nullptr, UCS_PTR_STATUS(request), transfer);
}

void UcxWorker::Transferred(void* request, ucs_status_t status, void* user_data) {
  auto* transfer = static_cast<Transfer*>(user_data);
  if (request != nullptr)
    ucp_request_free(request);
  transfer->fine &= status == UCS_OK;
  if (--transfer->requests != 0)
    return;
  const std::unique_ptr<Transfer> ended(transfer);
  ended->done(ended->fine);
}

ucp_request_param_t UcxWorker::ParamOf(Transfer* transfer, ucp_mem_h local) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.cb.send = &Transferred;
  param.user_data = transfer;
  if (local != nullptr) {
    param.op_attr_mask |= UCP_OP_ATTR_FIELD_MEMH;
    param.memh = local;
  }
  return param;
}

void UcxWorker::Put(Endpoint endpoint, std::span<const std::byte> local,
                    const UcxMemory& registered, std::uint64_t remote, const UcxKey& key,
                    std::function<void(bool)> done) {
  auto* transfer = new Transfer{std::move(done), 2};
  const ucp_request_param_t put = ParamOf(transfer, registered.handle_);
  const ucp_request_param_t flush = ParamOf(transfer);
  Begun(ucp_put_nbx(endpoint, local.data(), local.size(), remote, key.key_, &put), transfer);
  Begun(ucp_ep_flush_nbx(endpoint, &flush), transfer);
}

void UcxWorker::Get(Endpoint endpoint, std::span<std::byte> local, const UcxMemory& registered,
                    std::uint64_t remote, const UcxKey& key, std::function<void(bool)> done) {
  auto* transfer = new Transfer{std::move(done), 1};
  const ucp_request_param_t get = ParamOf(transfer, registered.handle_);
  Begun(ucp_get_nbx(endpoint, local.data(), local.size(), remote, key.key_, &get), transfer);
}

void UcxWorker::Flush(Endpoint endpoint, std::function<void(bool)> done) {
  auto* transfer = new Transfer{std::move(done), 1};
  const ucp_request_param_t flush = ParamOf(transfer);
  Begun(ucp_ep_flush_nbx(endpoint, &flush), transfer);
}

}  // namespace k42::interconnect
