// Products of tiles.h in registers of AVX2: three rows by 32 columns fill twelve of the sixteen.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx2 {

template <bool kAdd, int kRows, class Rows>
POLYGATE_TILE_INLINE void multiplyRows(Rows rows, const float* panel, int64_t steps, float* c, int64_t columns) {
  __m256 sums[kRows][4];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) sums[r][q] = kAdd ? _mm256_loadu_ps(c + r * columns + 8 * q) : _mm256_setzero_ps();
  for (int64_t s = 0; s < steps; ++s) {
    const float* from[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) from[r] = rows.at(r);
    for (int k = 0; k < kBlock; ++k, panel += kBlock) {
      __m256 values[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) values[r] = _mm256_broadcast_ss(from[r] + k);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) {
        const __m256 right = _mm256_load_ps(panel + 8 * q);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sums[r][q] = _mm256_fmadd_ps(values[r], right, sums[r][q]);
      }
    }
    rows.advance();
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) _mm256_storeu_ps(c + r * columns + 8 * q, sums[r][q]);
}

// The first `rows` rows, and as many more as that takes of whole groups.
template <bool kAdd>
POLYGATE_TILE_INLINE void multiplyInRegisters(const LeftOf<float>& left, const float* panel, int64_t steps, float* c,
                                              int64_t columns, int64_t rows = kBlock) {
  for (int first = 0; first < std::min<int64_t>(rows, 30); first += 3)
    multiplyFrom<kAdd, 3>(first, left, panel, steps, c, columns);
  if (rows > 30) multiplyFrom<kAdd, 2>(30, left, panel, steps, c, columns);
}

}  // namespace avx2
}  // namespace tiles
}  // namespace polygate
