// mmap and madvise as Linux x86-64 numbers them.
#pragma once

#include <cstdint>

namespace k42::personality {

// MapFlagBit.
inline constexpr std::uint32_t kMapShared = 1, kMapPrivate = 2, kMapSharedValidate = 3,
                               kMapTypeMask = 0xf, kMapFixed = 0x10, kMapAnonymous = 0x20,
                               kMapGrowsDown = 0x100, kMapLockedBit = 0x2000,
                               kMapNoReserve = 0x4000, kMapPopulate = 0x8000, kMapHugeTlb = 0x40000,
                               kMapFixedNoReplace = 0x100000;

// AdviceNumber.
inline constexpr std::uint32_t kAdviceNormal = 0, kAdviceRandom = 1, kAdviceSequential = 2,
                               kAdviceWillNeed = 3, kAdviceDontNeed = 4, kAdviceFree = 8,
                               kAdviceDontFork = 10, kAdviceDoFork = 11, kAdviceMergeable = 12,
                               kAdviceUnmergeable = 13, kAdviceHugePage = 14,
                               kAdviceNoHugePage = 15, kAdviceDontDump = 16, kAdviceDoDump = 17,
                               kAdviceWipeOnFork = 18, kAdviceKeepOnFork = 19, kAdviceCold = 20,
                               kAdvicePageOut = 21, kAdvicePopulateRead = 22,
                               kAdvicePopulateWrite = 23;

}  // namespace k42::personality
