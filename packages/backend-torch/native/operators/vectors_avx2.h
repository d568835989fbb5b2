// vectors.h in two registers of AVX2.
#pragma once

namespace polygate {
namespace tiles {
inline namespace avx2 {

struct Vector {
  __m256 low, high;
};

// What a comparison says of each number: all bits of it, or none.
struct Answers {
  __m256 low, high;
};

POLYGATE_TILE_INLINE __m256i bitsOf(Mask mask) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(mask), each), each);
}

POLYGATE_TILE_INLINE Answers answersOf(Mask mask) {
  return {_mm256_castsi256_ps(bitsOf(mask & 0xff)), _mm256_castsi256_ps(bitsOf(mask >> 8))};
}

POLYGATE_TILE_INLINE Vector zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
POLYGATE_TILE_INLINE Vector repeat(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
POLYGATE_TILE_INLINE Vector loadAligned(const float* p) { return {_mm256_load_ps(p), _mm256_load_ps(p + 8)}; }
POLYGATE_TILE_INLINE Vector loadVector(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
POLYGATE_TILE_INLINE Vector loadVector(const float* p, Mask mask) {
  if (mask == 0xffff) return loadVector(p);
  return {_mm256_maskload_ps(p, bitsOf(mask & 0xff)), _mm256_maskload_ps(p + 8, bitsOf(mask >> 8))};
}
// Eight bf16 numbers.
POLYGATE_TILE_INLINE __m256 widened(const Bits* p) {
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(eight), 16));
}
POLYGATE_TILE_INLINE Vector loadVector(const Bits* p, Mask mask) {
  if (mask == 0xffff) return {widened(p), widened(p + 8)};
  Bits own[16] = {};
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) own[i] = p[i];
  return {widened(own), widened(own + 8)};
}

POLYGATE_TILE_INLINE void storeAligned(float* p, Vector value) {
  _mm256_store_ps(p, value.low);
  _mm256_store_ps(p + 8, value.high);
}
POLYGATE_TILE_INLINE void streamAligned(float* p, Vector value) {
  _mm256_stream_ps(p, value.low);
  _mm256_stream_ps(p + 8, value.high);
}
POLYGATE_TILE_INLINE void storeVector(float* p, Vector value) {
  _mm256_storeu_ps(p, value.low);
  _mm256_storeu_ps(p + 8, value.high);
}
// Stores by mask take a processor several times as long.
POLYGATE_TILE_INLINE void storeVector(float* p, Vector value, Mask mask) {
  if (mask == 0xffff) {
    storeVector(p, value);
    return;
  }
  _mm256_maskstore_ps(p, bitsOf(mask & 0xff), value.low);
  _mm256_maskstore_ps(p + 8, bitsOf(mask >> 8), value.high);
}

POLYGATE_TILE_INLINE void storePair(float* p, Vector low, Vector high, int64_t columns) {
  storeVector(p, low, firstWords(columns));
  storeVector(p + 16, high, firstWords(columns - 16));
}

POLYGATE_TILE_INLINE Vector add(Vector a, Vector b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector sub(Vector a, Vector b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector mul(Vector a, Vector b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector div(Vector a, Vector b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector fmadd(Vector a, Vector b, Vector c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
POLYGATE_TILE_INLINE Vector fnmadd(Vector a, Vector b, Vector c) {
  return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
// Both give the second operand where one is NaN.
POLYGATE_TILE_INLINE Vector maximum(Vector a, Vector b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector minimum(Vector a, Vector b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
POLYGATE_TILE_INLINE Vector magnitudes(Vector a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
POLYGATE_TILE_INLINE Vector nearestWhole(Vector a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.low, kNearest), _mm256_round_ps(a.high, kNearest)};
}
POLYGATE_TILE_INLINE __m256 powerOfTwo(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// a 2^n for whole n >= -126.
POLYGATE_TILE_INLINE Vector timesPowerOfTwo(Vector a, Vector n) {
  return {_mm256_mul_ps(a.low, powerOfTwo(n.low)), _mm256_mul_ps(a.high, powerOfTwo(n.high))};
}
POLYGATE_TILE_INLINE float sumOf(Vector a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
POLYGATE_TILE_INLINE float largestOf(Vector a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

POLYGATE_TILE_INLINE Answers isLess(Vector a, Vector b) {
  return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
}
// chosen where the answer is yes or the mask is set, else `other`, or zero.
POLYGATE_TILE_INLINE Vector select(Answers yes, Vector chosen, Vector other) {
  return {_mm256_blendv_ps(other.low, chosen.low, yes.low), _mm256_blendv_ps(other.high, chosen.high, yes.high)};
}
POLYGATE_TILE_INLINE Vector select(Mask mask, Vector chosen, Vector other) {
  return mask == 0xffff ? chosen : select(answersOf(mask), chosen, other);
}
POLYGATE_TILE_INLINE Vector keep(Mask mask, Vector chosen) { return select(mask, chosen, zeros()); }

}  // namespace avx2
}  // namespace tiles
}  // namespace polygate
