// The CPU allocator behind every tensor: counts exactly, keeps freed blocks for the next step, and
// fails with a typed message instead of inviting the system's out-of-memory killer.
#pragma once

#include <cstddef>

namespace polygate {

struct CpuMemory {
  size_t held;      // bytes of live blocks, as asked for
  size_t peak;      // greatest `held` since the last reset
  size_t cached;    // bytes of freed blocks that are kept for reuse
  size_t limit;     // `held` may not exceed it; 0 is no limit
};

/** Makes ATen allocate through this allocator; later calls do nothing. */
void installCpuAllocator();
CpuMemory cpuMemory();
void resetCpuPeak();
/** `limit` bounds live bytes (0: none); `cache` bounds kept bytes. */
void limitCpuMemory(size_t limit, size_t cache);
/** Returns all kept blocks to the system. */
void trimCpuMemory();

}  // namespace polygate
