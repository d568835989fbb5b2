// Whether this process may use the tile unit, and scratch memory for the loops that do.
#include "tiles.h"

#include <atomic>
#include <cstdlib>

#if POLYGATE_TILES
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace polygate {
namespace tiles {
namespace {

#if POLYGATE_TILES
// The processor's word (leaf 7: AVX-512 F, DQ, BW, VL; AMX-BF16, AMX-TILE; AVX-512 BF16), and the system's: Linux
// saves tiles only for processes that asked.
bool probe() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const unsigned vectors = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);
  const unsigned units = (1u << 22) | (1u << 24);
  if ((b & vectors) != vectors || (d & units) != units) return false;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & (1u << 5)) == 0) return false;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
bool probe() { return false; }
#endif

std::atomic<bool> enabled{true};

}  // namespace

bool available() {
  static const bool present = probe();
  return present && enabled.load(std::memory_order_relaxed);
}

void* scratch(size_t bytes) {
  struct Memory {
    void* data = nullptr;
    size_t size = 0;
    ~Memory() { std::free(data); }
  };
  static thread_local Memory memory;
  if (memory.size < bytes) {
    std::free(memory.data);
    memory.data = nullptr;
    memory.size = 0;
    TORCH_CHECK(posix_memalign(&memory.data, 64, bytes) == 0, "polygate-out-of-memory asked=", bytes);
    memory.size = bytes;
  }
  return memory.data;
}

namespace {

// Switches the tile unit on or off for this process, and says whether it is used from now on.
bool useTiles(bool on) {
  enabled.store(on);
  return available();
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("use_tiles(bool on) -> bool", useTiles);
  m.def("has_tiles() -> bool", available);
}

}  // namespace tiles
}  // namespace polygate
