// The transports that the contract is held against.
#pragma once

#include <memory>
#include <string>

#include "unit/interconnect/test_node.h"

namespace k42::interconnect {

std::unique_ptr<Kind> MakeLoopbackKind();
std::unique_ptr<Kind> MakeDelayedKind();  // the loopback behind the operators' faults
std::unique_ptr<Kind> MakeMappedKind();
std::unique_ptr<Kind> MakeUcxKind();      // over TCP
std::unique_ptr<Kind> MakeUcxRdmaKind();  // over the device in K42_RDMA_DEVICE ("rxe0:1"), rc

}  // namespace k42::interconnect
