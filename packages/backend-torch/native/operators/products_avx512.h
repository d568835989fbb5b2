// Products of tiles.h by AVX-512: in registers, and for bf16 on the tile unit where there is one.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx512 {

// Eight tiles of 16 rows of 64 bytes. Static: GCC's intrinsic names only the first bytes of it as its input.
struct alignas(64) Shape {
  uint8_t palette, start, reserved[14];
  uint16_t rowBytes[16];
  uint8_t rows[16];
};
alignas(64) static constexpr Shape kShape{
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

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

// Factors of 32 rows as bf16 pairs, each number as the sum of two: 16 bits of its fraction are kept.
struct PairFactors {
  uint32_t high[16], low[16];
};

POLYGATE_TILE_INLINE PairFactors pairFactors(const float* factors) {
  PairFactors pairs;
  const __m512 a = _mm512_loadu_ps(factors), b = _mm512_loadu_ps(factors + 16);
  const __m512i high = (__m512i)_mm512_cvtne2ps_pbh(b, a);
  const __m512 aHigh = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(high)), 16));
  const __m512 bHigh = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, 1)), 16));
  _mm512_storeu_si512(pairs.high, high);
  _mm512_storeu_si512(pairs.low, (__m512i)_mm512_cvtne2ps_pbh(_mm512_sub_ps(b, bHigh), _mm512_sub_ps(a, aHigh)));
  return pairs;
}

// Adds the columns' sums of one step of a packed right factor, its rows times their factors, to sums [32].
POLYGATE_TILE_INLINE void addPackedColumns(const Bits* step, const PairFactors& factors, float* sums) {
  __m512 a = _mm512_loadu_ps(sums), b = _mm512_loadu_ps(sums + 16), c = _mm512_setzero_ps(), d = c;
  for (int pair = 0; pair < 16; ++pair) {
    const __m512bh left = (__m512bh)_mm512_load_si512(step + pair * 32), right = (__m512bh)_mm512_load_si512(step + 512 + pair * 32);
    const __m512bh high = (__m512bh)_mm512_set1_epi32(static_cast<int>(factors.high[pair]));
    const __m512bh low = (__m512bh)_mm512_set1_epi32(static_cast<int>(factors.low[pair]));
    a = _mm512_dpbf16_ps(a, left, high);
    b = _mm512_dpbf16_ps(b, right, high);
    c = _mm512_dpbf16_ps(c, left, low);
    d = _mm512_dpbf16_ps(d, right, low);
  }
  _mm512_storeu_ps(sums, _mm512_add_ps(a, c));
  _mm512_storeu_ps(sums + 16, _mm512_add_ps(b, d));
}

POLYGATE_TILE_INLINE void addWeightedColumns(const Bits* step, const float* factors, float* sums) {
  addPackedColumns(step, pairFactors(factors), sums);
}

// The same with factors of 1.
POLYGATE_TILE_INLINE void addPackedColumns(const Bits* step, float* sums) {
  const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
  __m512 a = _mm512_loadu_ps(sums), b = _mm512_loadu_ps(sums + 16);
  for (int pair = 0; pair < 16; ++pair) {
    a = _mm512_dpbf16_ps(a, (__m512bh)_mm512_load_si512(step + pair * 32), ones);
    b = _mm512_dpbf16_ps(b, (__m512bh)_mm512_load_si512(step + 512 + pair * 32), ones);
  }
  _mm512_storeu_ps(sums, a);
  _mm512_storeu_ps(sums + 16, b);
}

template <bool kAdd, int kRows>
POLYGATE_TILE_INLINE void loadSums(const float* c, int64_t columns, __m512* low, __m512* high) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    low[r] = kAdd ? _mm512_loadu_ps(c + r * columns) : _mm512_setzero_ps();
    high[r] = kAdd ? _mm512_loadu_ps(c + r * columns + 16) : _mm512_setzero_ps();
  }
}

template <int kRows>
POLYGATE_TILE_INLINE void storeSums(float* c, int64_t columns, const __m512* low, const __m512* high) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(c + r * columns, low[r]);
    _mm512_storeu_ps(c + r * columns + 16, high[r]);
  }
}

// kRows rows of the block: their sums stay in registers.
template <bool kAdd, int kRows, class Rows>
POLYGATE_TILE_INLINE void multiplyRows(Rows rows, const Bits* panel, int64_t steps, float* c, int64_t columns) {
  __m512 low[kRows], high[kRows];
  loadSums<kAdd, kRows>(c, columns, low, high);
  for (int64_t s = 0; s < steps; ++s, panel += kStep) {
    for (int pair = 0; pair < kBlock; pair += 2) {
      const __m512bh a = (__m512bh)_mm512_load_si512(panel + pair * 16);
      const __m512bh b = (__m512bh)_mm512_load_si512(panel + 512 + pair * 16);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t both;
        __builtin_memcpy(&both, rows.at(r) + pair, 4);
        const __m512bh value = (__m512bh)_mm512_set1_epi32(both);
        low[r] = _mm512_dpbf16_ps(low[r], value, a);
        high[r] = _mm512_dpbf16_ps(high[r], value, b);
      }
    }
    rows.advance();
  }
  storeSums<kRows>(c, columns, low, high);
}

template <bool kAdd, int kRows, class Rows>
POLYGATE_TILE_INLINE void multiplyRows(Rows rows, const float* panel, int64_t steps, float* c, int64_t columns) {
  __m512 low[kRows], high[kRows];
  loadSums<kAdd, kRows>(c, columns, low, high);
  for (int64_t s = 0; s < steps; ++s) {
    for (int k = 0; k < kBlock; ++k, panel += kBlock) {
      const __m512 a = _mm512_load_ps(panel), b = _mm512_load_ps(panel + 16);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const __m512 value = _mm512_set1_ps(rows.at(r)[k]);
        low[r] = _mm512_fmadd_ps(value, a, low[r]);
        high[r] = _mm512_fmadd_ps(value, b, high[r]);
      }
    }
    rows.advance();
  }
  storeSums<kRows>(c, columns, low, high);
}

// The first `rows` rows, and as many more as that takes of whole groups.
template <bool kAdd, class T>
POLYGATE_TILE_INLINE void multiplyInRegisters(const LeftOf<T>& left, const T* panel, int64_t steps, float* c, int64_t columns,
                                              int64_t rows = kBlock) {
  multiplyFrom<kAdd, 11>(0, left, panel, steps, c, columns);
  if (rows > 11) multiplyFrom<kAdd, 11>(11, left, panel, steps, c, columns);
  if (rows > 22) multiplyFrom<kAdd, 10>(22, left, panel, steps, c, columns);
}

template <bool kAdd>
POLYGATE_TILE_INLINE void multiply(const Left& left, const Bits* panel, int64_t steps, float* c, int64_t columns) {
  if (hasTileUnit) multiplyOnUnit<kAdd>(left, panel, steps, c, columns);
  else multiplyInRegisters<kAdd>(left, panel, steps, c, columns);
}

// As multiply, for the first `rows` of c [32, 32]; what it writes to the others is of no use.
POLYGATE_TILE_INLINE void multiplyFirst(const Left& left, const Bits* panel, int64_t steps, float* c, int64_t rows) {
  if (hasTileUnit) {
    if (rows > 16) multiplyOnUnit<false>(left, panel, steps, c, kBlock);
    else multiplyUpperOnUnit(left, panel, steps, c);
    return;
  }
  multiplyInRegisters<false>(left, panel, steps, c, kBlock, rows);
}

}  // namespace avx512
}  // namespace tiles
}  // namespace polygate
