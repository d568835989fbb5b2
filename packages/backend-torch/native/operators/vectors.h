// Vectors of 16 float32 by the names that the loops around block products use: those of the level that a source is compiled for.
#pragma once

#include "levels.h"

#if POLYGATE_TILES

#include <immintrin.h>

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

// Which of 16 numbers are meant, the first in the lowest bit.
using Mask = uint16_t;

POLYGATE_INLINE Mask firstWords(int64_t n) { return static_cast<Mask>(n >= 16 ? 0xffffu : (n <= 0 ? 0u : (1u << n) - 1u)); }

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#ifdef POLYGATE_AVX2
#include "vectors_avx2.h"
#else
#include "vectors_avx512.h"
#endif

#endif
