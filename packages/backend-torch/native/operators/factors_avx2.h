// What of tile_factors.h is made of AVX2's shuffles.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx2 {

// 8 by 8 numbers, in place: rows to columns.
POLYGATE_TILE_INLINE void transpose(__m256* r) {
  __m256 t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
    t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

// 32 by 32 numbers in place, rows `columns` apart: rows to columns.
POLYGATE_TILE_INLINE void turnBlock(float* c, int64_t columns) {
  for (int top = 0; top < 32; top += 8)
    for (int side = top; side < 32; side += 8) {
      float *a = c + top * columns + side, *b = c + side * columns + top;
      __m256 r[8], t[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(a + i * columns);
      transpose(r);
      if (a != b) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) t[i] = _mm256_loadu_ps(b + i * columns);
        transpose(t);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) _mm256_storeu_ps(a + i * columns, t[i]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) _mm256_storeu_ps(b + i * columns, r[i]);
    }
}

// One step of a panel from a right factor stored [column, sum]: `rows` are its columns, `length` <= 32 that of the sum
// from element `first` on.
POLYGATE_TILE_INLINE void packTransposed(const RowsOf<float>& rows, int64_t first, int64_t length, float* out) {
  for (int sum = 0; sum < 32; sum += 8) {
    const Mask mask = firstWords(length - sum) & 0xff;
    const __m256i bits = bitsOf(mask);
    for (int column = 0; column < 32; column += 8) {
      __m256 r[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const float* row = rows.at[column + i];
        r[i] = row == nullptr ? _mm256_setzero_ps()
               : mask == 0xff ? _mm256_loadu_ps(row + first + sum)
                              : _mm256_maskload_ps(row + first + sum, bits);
      }
      transpose(r);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) _mm256_store_ps(out + (sum + i) * kBlock + column, r[i]);
    }
  }
}

}  // namespace avx2
}  // namespace tiles
}  // namespace polygate
