// Names for Clang's thread-safety attributes; empty for other compilers. Attributes cannot be made
// by templates, hence the macros. Every lock type is a capability, every guarded member says so,
// and a function that needs a lock held says K42_REQUIRES (and ends in `Locked`).
#pragma once

#if defined(__clang__)
#define K42_ATTRIBUTE_(x) __attribute__((x))
#else
#define K42_ATTRIBUTE_(x)
#endif

#define K42_CAPABILITY(name) K42_ATTRIBUTE_(capability(name))
#define K42_SCOPED_CAPABILITY K42_ATTRIBUTE_(scoped_lockable)
#define K42_GUARDED_BY(lock) K42_ATTRIBUTE_(guarded_by(lock))
#define K42_PT_GUARDED_BY(lock) K42_ATTRIBUTE_(pt_guarded_by(lock))
#define K42_REQUIRES(...) K42_ATTRIBUTE_(requires_capability(__VA_ARGS__))
#define K42_ACQUIRE(...) K42_ATTRIBUTE_(acquire_capability(__VA_ARGS__))
#define K42_RELEASE(...) K42_ATTRIBUTE_(release_capability(__VA_ARGS__))
#define K42_TRY_ACQUIRE(...) K42_ATTRIBUTE_(try_acquire_capability(__VA_ARGS__))
#define K42_REQUIRES_SHARED(...) K42_ATTRIBUTE_(requires_shared_capability(__VA_ARGS__))
#define K42_ACQUIRE_SHARED(...) K42_ATTRIBUTE_(acquire_shared_capability(__VA_ARGS__))
#define K42_RELEASE_SHARED(...) K42_ATTRIBUTE_(release_shared_capability(__VA_ARGS__))
#define K42_TRY_ACQUIRE_SHARED(...) K42_ATTRIBUTE_(try_acquire_shared_capability(__VA_ARGS__))
#define K42_EXCLUDES(...) K42_ATTRIBUTE_(locks_excluded(__VA_ARGS__))
// Needs a reason in a comment.
#define K42_NO_THREAD_SAFETY_ANALYSIS K42_ATTRIBUTE_(no_thread_safety_analysis)
