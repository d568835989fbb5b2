// What of tile_factors.h is made of AVX-512's shuffles, and all of it that is bf16.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx512 {

// 16 by 16 words, in place: rows to columns.
POLYGATE_TILE_INLINE void transpose(__m512i* r) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i low = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44), high = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
    const __m512i low2 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44);
    const __m512i high2 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
    r[c] = _mm512_shuffle_i32x4(low, low2, 0x88);
    r[4 + c] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    r[8 + c] = _mm512_shuffle_i32x4(high, high2, 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
}

// 32 by 32 numbers in place, rows `columns` apart: rows to columns.
POLYGATE_TILE_INLINE void turnBlock(float* c, int64_t columns) {
  for (int quarter = 0; quarter < 3; ++quarter) {
    // The two on the diagonal, then the two beside it in exchange.
    float* a = c + (quarter == 1 ? 16 * columns + 16 : quarter == 2 ? 16 : 0);
    float* b = quarter == 2 ? c + 16 * columns : a;
    __m512i r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(a + i * columns);
    transpose(r);
    if (a != b) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) t[i] = _mm512_loadu_si512(b + i * columns);
      transpose(t);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm512_storeu_si512(a + i * columns, t[i]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(b + i * columns, r[i]);
  }
}

// One step of a panel from a right factor stored [column, sum]: `rows` are its columns, `length` <= 32 that of the sum
// from element `first` on.
POLYGATE_TILE_INLINE void packTransposed(const Rows& rows, int64_t first, int64_t length, Bits* out) {
  const __mmask32 mask = firstHalves(length);
  for (int half = 0; half < 2; ++half) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const Bits* row = rows.at[half * 16 + i];
      r[i] = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, row + first);
    }
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + half * 512 + i * 32, r[i]);
  }
}

POLYGATE_TILE_INLINE void packTransposed(const RowsOf<float>& rows, int64_t first, int64_t length, float* out) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    const int column = quarter % 2 * 16, sum = quarter / 2 * 16;
    const __mmask16 mask = firstWords(length - sum);
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const float* row = rows.at[column + i];
      r[i] = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi32(mask, row + first + sum);
    }
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + (sum + i) * kBlock + column, r[i]);
  }
}

// One step of a panel from a right factor stored [sum, column]: `columns` <= 32 from `first` on.
POLYGATE_TILE_INLINE void packPairs(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  const __mmask32 mask = firstHalves(columns);
  alignas(64) static constexpr Bits kLow[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kLow), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int i = 0; i < 16; ++i) {
    const Bits *even = rows.at[2 * i], *odd = rows.at[2 * i + 1];
    const __m512i a = even == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, even + first);
    const __m512i b = odd == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, odd + first);
    _mm512_store_si512(out + i * 32, _mm512_permutex2var_epi16(a, low, b));
    _mm512_store_si512(out + 512 + i * 32, _mm512_permutex2var_epi16(a, high, b));
  }
}

POLYGATE_TILE_INLINE void packRows(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  packPairs(rows, first, columns, out);
}

// One step of a left factor stored [sum, row]: 32 of its rows, 32 elements apart.
POLYGATE_TILE_INLINE void packColumns(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  packPairs(rows, first, columns, out);
  for (int half = 0; half < 2; ++half) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(out + half * 512 + i * 32);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + half * 512 + i * 32, r[i]);
  }
}

POLYGATE_TILE_INLINE void copyStep(const Bits* row, int64_t left, Bits* out) {
  const __m512i part = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(firstHalves(left), row);
  _mm512_store_si512(out, part);
}

}  // namespace avx512
}  // namespace tiles
}  // namespace polygate
