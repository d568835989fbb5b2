// Matrix products in blocks of 32 rows by 32 columns, sums in float32: bf16 on the tile unit of x86-64 processors (AMX)
// or, where there is none, by the pair products of AVX512-BF16; float32 in AVX-512 registers. tile_factors.h prepares the
// factors, the same for both ways of bf16.
#pragma once

#include "tile_factors.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {

// Eight tiles of 16 rows of 64 bytes. Static: GCC's intrinsic names only the first bytes of it as its input.
struct alignas(64) Shape {
  uint8_t palette, start, reserved[14];
  uint16_t rowBytes[16];
  uint8_t rows[16];
};
alignas(64) static constexpr Shape kShape{
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Every thread opens one before it multiplies. For bf16 it sets the shape of the tiles, if there are any, and gives them
// back, which spares the system their state; meanwhile numbers below 1e-38 are zero, as they are to the tile unit: vectors of them take a
// hundred times as long.
template <class T>
class SessionOf {
 public:
  SessionOf() {}
};

template <>
class SessionOf<Bits> {
 public:
  POLYGATE_TILE_TARGET SessionOf() : control_(_mm_getcsr()) {
    constexpr unsigned kFlushResults = 0x8000, kIgnoreInputs = 0x0040;
    _mm_setcsr(control_ | kFlushResults | kIgnoreInputs);
    if (hasTileUnit) _tile_loadconfig(&kShape);
  }
  POLYGATE_TILE_TARGET ~SessionOf() {
    if (hasTileUnit) _tile_release();
    _mm_setcsr(control_);
  }
  SessionOf(const SessionOf&) = delete;
  SessionOf& operator=(const SessionOf&) = delete;

 private:
  const unsigned control_;
};
using Session = SessionOf<Bits>;

template <bool kAdd>
POLYGATE_TILE_INLINE void multiplyOnUnit(const Left& left, const Bits* panel, int64_t steps, float* c, int64_t columns) {
  const int64_t bytes = columns * 4;
  float* below = c + 16 * columns;
  // Tile loads are opaque to the compiler: what was packed must be in memory by now.
  __asm__ volatile("" ::: "memory");
  if (kAdd) {
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + 16, bytes);
    _tile_loadd(2, below, bytes);
    _tile_loadd(3, below + 16, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const Bits *upper = left.upper, *lower = left.lower;
  for (int64_t s = 0; s < steps; ++s) {
    _tile_loadd(4, upper, left.stride);
    _tile_loadd(6, panel, 64);
    _tile_loadd(7, panel + 512, 64);
    _tile_loadd(5, lower, left.stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    upper += left.step;
    lower += left.step;
    panel += kStep;
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + 16, bytes);
  _tile_stored(2, below, bytes);
  _tile_stored(3, below + 16, bytes);
}

// The first 16 rows alone.
POLYGATE_TILE_INLINE void multiplyUpperOnUnit(const Left& left, const Bits* panel, int64_t steps, float* c) {
  __asm__ volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  const Bits* upper = left.upper;
  for (int64_t s = 0; s < steps; ++s) {
    _tile_loadd(4, upper, left.stride);
    _tile_loadd(6, panel, 64);
    _tile_loadd(7, panel + 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    upper += left.step;
    panel += kStep;
  }
  _tile_stored(0, c, kBlock * 4);
  _tile_stored(1, c + 16, kBlock * 4);
}

// kRows rows of the block: their sums stay in registers.
template <bool kAdd, int kRows>
POLYGATE_TILE_INLINE void multiplyRows(const Bits* left, int64_t stride, int64_t step, const Bits* panel, int64_t steps,
                                       float* c, int64_t columns) {
  __m512 low[kRows], high[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    low[r] = kAdd ? _mm512_loadu_ps(c + r * columns) : _mm512_setzero_ps();
    high[r] = kAdd ? _mm512_loadu_ps(c + r * columns + 16) : _mm512_setzero_ps();
  }
  for (int64_t s = 0; s < steps; ++s, left += step, panel += kStep) {
    for (int pair = 0; pair < kBlock; pair += 2) {
      const __m512bh a = (__m512bh)_mm512_load_si512(panel + pair * 16);
      const __m512bh b = (__m512bh)_mm512_load_si512(panel + 512 + pair * 16);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t both;
        __builtin_memcpy(&both, left + r * stride + pair, 4);
        const __m512bh value = (__m512bh)_mm512_set1_epi32(both);
        low[r] = _mm512_dpbf16_ps(low[r], value, a);
        high[r] = _mm512_dpbf16_ps(high[r], value, b);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(c + r * columns, low[r]);
    _mm512_storeu_ps(c + r * columns + 16, high[r]);
  }
}

// kRows rows of the block: their sums stay in registers.
template <bool kAdd, int kRows>
POLYGATE_TILE_INLINE void multiplyRows(const float* left, int64_t stride, int64_t step, const float* panel, int64_t steps,
                                       float* c, int64_t columns) {
  __m512 low[kRows], high[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    low[r] = kAdd ? _mm512_loadu_ps(c + r * columns) : _mm512_setzero_ps();
    high[r] = kAdd ? _mm512_loadu_ps(c + r * columns + 16) : _mm512_setzero_ps();
  }
  for (int64_t s = 0; s < steps; ++s, left += step) {
    for (int k = 0; k < kBlock; ++k, panel += kBlock) {
      const __m512 a = _mm512_load_ps(panel), b = _mm512_load_ps(panel + 16);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const __m512 value = _mm512_set1_ps(left[r * stride + k]);
        low[r] = _mm512_fmadd_ps(value, a, low[r]);
        high[r] = _mm512_fmadd_ps(value, b, high[r]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(c + r * columns, low[r]);
    _mm512_storeu_ps(c + r * columns + 16, high[r]);
  }
}

template <bool kAdd, class T>
POLYGATE_TILE_INLINE void multiplyInRegisters(const LeftOf<T>& left, const T* panel, int64_t steps, float* c, int64_t columns) {
  const int64_t stride = left.stride / static_cast<int64_t>(sizeof(T));
  multiplyRows<kAdd, 11>(left.upper, stride, left.step, panel, steps, c, columns);
  multiplyRows<kAdd, 11>(left.upper + 11 * stride, stride, left.step, panel, steps, c + 11 * columns, columns);
  multiplyRows<kAdd, 10>(left.upper + 22 * stride, stride, left.step, panel, steps, c + 22 * columns, columns);
}

// c [32, 32] = or += left times panel; `columns` are c's row length in elements.
template <bool kAdd>
POLYGATE_TILE_INLINE void multiply(const LeftOf<float>& left, const float* panel, int64_t steps, float* c, int64_t columns) {
  multiplyInRegisters<kAdd>(left, panel, steps, c, columns);
}

template <bool kAdd>
POLYGATE_TILE_INLINE void multiply(const Left& left, const Bits* panel, int64_t steps, float* c, int64_t columns) {
  if (hasTileUnit) multiplyOnUnit<kAdd>(left, panel, steps, c, columns);
  else multiplyInRegisters<kAdd>(left, panel, steps, c, columns);
}

// As multiply, for a left factor of 16 rows at most: the upper half of c [32, 32].
POLYGATE_TILE_INLINE void multiplyUpper(const Left& left, const Bits* panel, int64_t steps, float* c) {
  if (hasTileUnit) {
    multiplyUpperOnUnit(left, panel, steps, c);
    return;
  }
  const int64_t stride = left.stride / static_cast<int64_t>(sizeof(Bits));
  multiplyRows<false, 8>(left.upper, stride, left.step, panel, steps, c, kBlock);
  multiplyRows<false, 8>(left.upper + 8 * stride, stride, left.step, panel, steps, c + 8 * kBlock, kBlock);
}

}  // namespace tiles
}  // namespace polygate

#endif
