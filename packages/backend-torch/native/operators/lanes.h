// Vectors of eight floats. Below AVX-512 compilers pass wider ones through memory, which took four times as long.
#pragma once

#include "vector_math.h"

namespace polygate {

constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(4 * kLanes)));

POLYGATE_INLINE Lanes lanesAt(const float* p) {
  Lanes lanes;
  __builtin_memcpy(&lanes, p, sizeof lanes);
  return lanes;
}

POLYGATE_INLINE void putLanes(float* p, Lanes lanes) { __builtin_memcpy(p, &lanes, sizeof lanes); }

}  // namespace polygate
