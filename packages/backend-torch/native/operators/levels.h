// Instruction sets that the loops of blocks (tiles.h) are compiled for: all for AVX-512, and those that the sources of avx2/
// include for AVX2, too. What a source defines for its level stands in tiles::avx512 or tiles::avx2; operators choose when
// they run.
#pragma once

#include "vector_math.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 12)
#define POLYGATE_TILES 1
#else
#define POLYGATE_TILES 0
#endif

#ifdef POLYGATE_AVX2
#define POLYGATE_LEVEL avx2
#define POLYGATE_TILE_TARGET __attribute__((target("avx2,fma")))
#else
#define POLYGATE_LEVEL avx512
// One target for both types: only functions for bf16 use its instructions and those of tiles.
#define POLYGATE_TILE_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#endif
#define POLYGATE_TILE_INLINE POLYGATE_TILE_TARGET inline __attribute__((always_inline))

// Declares what every level defines.
#define POLYGATE_EACH_LEVEL(declarations) \
  namespace polygate {                    \
  namespace tiles {                       \
  namespace avx512 {                      \
  declarations                            \
  }                                       \
  namespace avx2 {                        \
  declarations                            \
  }                                       \
  }                                       \
  }

// Calls a function of the level that this process uses.
#if POLYGATE_TILES
#define POLYGATE_AT_LEVEL(function, ...) \
  (tiles::hasWideVectors() ? tiles::avx512::function(__VA_ARGS__) : tiles::avx2::function(__VA_ARGS__))
#else
#define POLYGATE_AT_LEVEL(function, ...) (tiles::atNoLevel<decltype(tiles::avx512::function(__VA_ARGS__))>(#function))
#endif

namespace polygate {
namespace tiles {

inline namespace POLYGATE_LEVEL {

// Calls run with a number of the type that blocks are of: AVX2 has none of bf16.
template <class Run>
auto withBlockType([[maybe_unused]] bool half, const Run& run) {
#ifndef POLYGATE_AVX2
  if (half) return run(Bits{});
#endif
  return run(float{});
}

}  // namespace POLYGATE_LEVEL

// What a build without products of blocks has in place of their functions.
template <class Result>
[[noreturn]] Result atNoLevel(const char* function) {
  TORCH_CHECK(false, function, ": this build has no products of blocks");
}

// Whether the processor and the system can multiply blocks of this type, and nobody switched that off.
bool available(at::ScalarType type = at::kBFloat16);

// Whether loops run in AVX-512 registers, else in those of AVX2, which have no blocks of bf16. Changes between operators only.
bool hasWideVectors();

// Whether bf16 blocks are multiplied on the tile unit. Changes between operators only.
extern bool hasTileUnit;

// Memory of the calling thread, at least `bytes` long, aligned to cache lines; the next call may reuse it.
void* scratch(size_t bytes);

}  // namespace tiles
}  // namespace polygate
