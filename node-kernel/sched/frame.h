// Between the two forms of a stopped computation: the trap frame on a kernel stack, and the state
// that user space knows (abi::UserState). %fs base is in neither's registers: the machine holds it.
#pragma once

#include "abi/dispatcher_page.h"
#include "machine/trap_frame.h"
#include "sched/user_address.h"

namespace k42::sched {

inline void StateFromFrame(const machine::TrapFrame& frame, abi::UserState* state) {
  state->rax = frame.rax, state->rbx = frame.rbx, state->rcx = frame.rcx, state->rdx = frame.rdx;
  state->rsi = frame.rsi, state->rdi = frame.rdi, state->rbp = frame.rbp, state->rsp = frame.rsp;
  state->r8 = frame.r8, state->r9 = frame.r9, state->r10 = frame.r10, state->r11 = frame.r11;
  state->r12 = frame.r12, state->r13 = frame.r13, state->r14 = frame.r14, state->r15 = frame.r15;
  state->rip = frame.rip;
  state->rflags = frame.rflags;
}

// Leaves fs_base to the caller. Precondition: the state was validated.
inline void FrameFromState(const abi::UserState& state, machine::TrapFrame* frame) {
  frame->rax = state.rax, frame->rbx = state.rbx, frame->rcx = state.rcx, frame->rdx = state.rdx;
  frame->rsi = state.rsi, frame->rdi = state.rdi, frame->rbp = state.rbp, frame->rsp = state.rsp;
  frame->r8 = state.r8, frame->r9 = state.r9, frame->r10 = state.r10, frame->r11 = state.r11;
  frame->r12 = state.r12, frame->r13 = state.r13, frame->r14 = state.r14, frame->r15 = state.r15;
  frame->rip = state.rip;
  frame->rflags = (state.rflags & kUserFlags) | kFixedFlags;
  frame->cs = machine::kUserCode;
  frame->ss = machine::kUserData;
  frame->error_code = 0;
  frame->vector = 0;  // leave by iret: all registers matter
}

}  // namespace k42::sched
