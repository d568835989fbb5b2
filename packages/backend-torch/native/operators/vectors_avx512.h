// vectors.h in registers of AVX-512; two neighbours are `columns` <= 32 elements of a row.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx512 {

using Vector = __m512;
// What a comparison says of each number.
using Answers = __mmask16;

POLYGATE_TILE_INLINE __mmask32 firstHalves(int64_t n) {
  return n >= 32 ? 0xffffffffu : (n <= 0 ? 0u : (1u << n) - 1u);
}

POLYGATE_TILE_INLINE Vector zeros() { return _mm512_setzero_ps(); }
POLYGATE_TILE_INLINE Vector repeat(float value) { return _mm512_set1_ps(value); }
POLYGATE_TILE_INLINE Vector loadAligned(const float* p) { return _mm512_load_ps(p); }
POLYGATE_TILE_INLINE Vector loadVector(const float* p) { return _mm512_loadu_ps(p); }
POLYGATE_TILE_INLINE Vector loadVector(const float* p, Mask mask) { return _mm512_maskz_loadu_ps(mask, p); }
POLYGATE_TILE_INLINE Vector loadVector(const Bits* p, Mask mask) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}

POLYGATE_TILE_INLINE void storeAligned(float* p, Vector value) { _mm512_store_ps(p, value); }
POLYGATE_TILE_INLINE void streamAligned(float* p, Vector value) { _mm512_stream_ps(p, value); }
POLYGATE_TILE_INLINE void storeVector(float* p, Vector value) { _mm512_storeu_ps(p, value); }
POLYGATE_TILE_INLINE void storeVector(float* p, Vector value, Mask mask) { _mm512_mask_storeu_ps(p, mask, value); }
POLYGATE_TILE_INLINE void storeVector(Bits* p, Vector value, Mask mask) {
  _mm256_mask_storeu_epi16(p, mask, (__m256i)_mm512_cvtneps_pbh(value));
}

POLYGATE_TILE_INLINE void storePair(Bits* p, Vector low, Vector high, int64_t columns) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  if (columns >= 32) _mm512_storeu_si512(p, both);
  else _mm512_mask_storeu_epi16(p, firstHalves(columns), both);
}

POLYGATE_TILE_INLINE void storePair(float* p, Vector low, Vector high, int64_t columns) {
  if (columns >= 32) {
    _mm512_storeu_ps(p, low);
    _mm512_storeu_ps(p + 16, high);
    return;
  }
  _mm512_mask_storeu_ps(p, firstWords(columns), low);
  _mm512_mask_storeu_ps(p + 16, firstWords(columns - 16), high);
}

POLYGATE_TILE_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
POLYGATE_TILE_INLINE Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
POLYGATE_TILE_INLINE Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
POLYGATE_TILE_INLINE Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
POLYGATE_TILE_INLINE Vector fmadd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
POLYGATE_TILE_INLINE Vector fnmadd(Vector a, Vector b, Vector c) { return _mm512_fnmadd_ps(a, b, c); }
// Both give the second operand where one is NaN.
POLYGATE_TILE_INLINE Vector maximum(Vector a, Vector b) { return _mm512_max_ps(a, b); }
POLYGATE_TILE_INLINE Vector minimum(Vector a, Vector b) { return _mm512_min_ps(a, b); }
POLYGATE_TILE_INLINE Vector magnitudes(Vector a) { return _mm512_abs_ps(a); }
POLYGATE_TILE_INLINE Vector nearestWhole(Vector a) { return _mm512_roundscale_ps(a, 8); }
// a 2^n for whole n >= -126.
POLYGATE_TILE_INLINE Vector timesPowerOfTwo(Vector a, Vector n) { return _mm512_scalef_ps(a, n); }
POLYGATE_TILE_INLINE float sumOf(Vector a) { return _mm512_reduce_add_ps(a); }
POLYGATE_TILE_INLINE float largestOf(Vector a) { return _mm512_reduce_max_ps(a); }

POLYGATE_TILE_INLINE Answers isLess(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
// chosen where the mask is set, else `other`, or zero.
POLYGATE_TILE_INLINE Vector select(Answers mask, Vector chosen, Vector other) { return _mm512_mask_mov_ps(other, mask, chosen); }
POLYGATE_TILE_INLINE Vector keep(Mask mask, Vector chosen) { return _mm512_maskz_mov_ps(mask, chosen); }

}  // namespace avx512
}  // namespace tiles
}  // namespace polygate
