// Continuation: where code that made a native call goes on: what such a call keeps
// (abi/native_call.h). The rest of its registers is undefined after the call, hence zero. %fs and
// the vector registers are the dispatcher's.
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"
#include "machine/trap_frame.h"
#include "sched/user_address.h"

namespace k42::sched {

struct Continuation {
  std::uint64_t rbx, rbp, rsp, r12, r13, r14, r15, rip, rflags;
  std::uint32_t disabled;  // the page's field, which is user space's word

  void Save(const machine::TrapFrame& frame, const abi::DispatcherPage& page) {
    rbx = frame.rbx, rbp = frame.rbp, rsp = frame.rsp;
    r12 = frame.r12, r13 = frame.r13, r14 = frame.r14, r15 = frame.r15;
    rip = frame.rip, rflags = frame.rflags;
    disabled = page.disabled;
  }

  // Into the frame of another native call of this CPU, which leaves as any does. RCX and R11 of
  // such a frame are zero.
  void Load(machine::TrapFrame* frame, abi::DispatcherPage* page, std::uint64_t rax,
            std::uint64_t rdx) const {
    frame->rax = rax, frame->rdx = rdx;
    frame->rbx = rbx, frame->rbp = rbp, frame->rsp = rsp;
    frame->r12 = r12, frame->r13 = r13, frame->r14 = r14, frame->r15 = r15;
    frame->rip = rip, frame->rflags = rflags;
    frame->rsi = frame->rdi = frame->r8 = frame->r9 = frame->r10 = 0;
    page->disabled = disabled;
  }
  // Into the state of a dispatcher that does not run. %fs stays what it is.
  void Load(abi::UserState* state, abi::DispatcherPage* page) const {
    const std::uint64_t fs_base = state->fs_base;
    *state = {};
    state->fs_base = fs_base;
    state->rbx = rbx, state->rbp = rbp, state->rsp = rsp;
    state->r12 = r12, state->r13 = r13, state->r14 = r14, state->r15 = r15;
    state->rip = rip, state->rflags = rflags;
    page->disabled = disabled;
  }
};

}  // namespace k42::sched
