// Which types this process may multiply in blocks, and scratch memory for the loops that do.
#include "levels.h"

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

struct Support {
  bool narrow = false;   // AVX2 and FMA
  bool vectors = false;  // AVX-512 F, DQ, BW, VL
  bool pairs = false;    // and AVX-512 BF16
  bool tiles = false;    // and AMX-TILE, AMX-BF16
};

#if POLYGATE_TILES
// The processor's word (leaves 1 and 7) and the system's: it must save the registers, and Linux saves tiles only for
// processes that asked.
Support probe() {
  Support support;
  unsigned a, b, c, d;
  constexpr unsigned kSavesExtended = 1u << 27;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kSavesExtended) == 0) return support;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kNarrowState = 0x06, kVectorState = 0xe6, kMultiplyAdd = 1u << 12, kNarrow = 1u << 5;
  const bool multiplyAdd = (c & kMultiplyAdd) != 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return support;
  support.narrow = (low & kNarrowState) == kNarrowState && multiplyAdd && (b & kNarrow) != 0;
  if ((low & kVectorState) != kVectorState) return support;
  constexpr unsigned kVectors = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31), kTiles = (1u << 22) | (1u << 24);
  support.vectors = (b & kVectors) == kVectors;
  const bool unit = (d & kTiles) == kTiles;
  if (!support.vectors || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & (1u << 5)) == 0) return support;
  support.pairs = true;
  if (!unit) return support;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  support.tiles = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return support;
}
#else
Support probe() { return {}; }
#endif

const Support support = probe();
std::atomic<bool> enabled{true};
std::atomic<bool> wide{support.vectors};

}  // namespace

bool hasTileUnit = support.tiles;

bool available(at::ScalarType type) {
  if (!enabled.load(std::memory_order_relaxed)) return false;
  return type == at::kFloat ? support.vectors || support.narrow : type == at::kBFloat16 && support.pairs && hasWideVectors();
}

bool hasWideVectors() { return wide.load(std::memory_order_relaxed); }

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

// Switches products of blocks on or off for this process, and says whether bf16 has them from now on; off, everything
// goes through ATen's products.
bool useTiles(bool on) {
  enabled.store(on);
  return available();
}

// Switches the tile unit on, where the processor has one, or off: bf16 is then multiplied by pairs in AVX-512 registers.
// Says whether it is used from now on. Not while an operator runs.
bool useTileUnit(bool on) {
  hasTileUnit = on && support.tiles;
  return hasTileUnit;
}

// Switches AVX-512 on, where the processor has it, or off: blocks are then of float32 alone, in registers of AVX2. Says whether
// it is used from now on. Not while an operator runs.
bool useWideVectors(bool on) {
  wide.store(on ? support.vectors : support.vectors && !support.narrow);
  return hasWideVectors();
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("use_tiles(bool on) -> bool", useTiles);
  m.def("use_tile_unit(bool on) -> bool", useTileUnit);
  m.def("use_wide_vectors(bool on) -> bool", useWideVectors);
  m.def("has_tile_unit() -> bool", []() { return hasTileUnit; });
  m.def("has_tiles(ScalarType dtype) -> bool", available);
}

}  // namespace tiles
}  // namespace polygate
