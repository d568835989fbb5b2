// Vectors of 16 float32 for the loops around block products: bf16 in and out, exp, GELU.
#pragma once

#include "tiles.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {

POLYGATE_TILE_INLINE __m512 loadVector(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }

POLYGATE_TILE_INLINE __m512 loadVector(const Bits* p, __mmask16 mask) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}

POLYGATE_TILE_INLINE void storeVector(float* p, __m512 value, __mmask16 mask) { _mm512_mask_storeu_ps(p, mask, value); }

POLYGATE_TILE_INLINE void storeVector(Bits* p, __m512 value, __mmask16 mask) {
  _mm256_mask_storeu_epi16(p, mask, (__m256i)_mm512_cvtneps_pbh(value));
}

// exp(x) for x <= 0 to about 2e-7 relative; 0 below -87, so that no result is a denormal number, which is slow.
POLYGATE_TILE_INLINE __m512 expVector(__m512 x) {
  const __m512 lowest = _mm512_set1_ps(-87.0f);
  const __mmask16 below = _mm512_cmp_ps_mask(x, lowest, _CMP_LT_OQ);
  // The second operand is what the instruction returns for NaN.
  const __m512 held = _mm512_max_ps(lowest, x);
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(held, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), held);
  r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_mask_mov_ps(_mm512_scalef_ps(p, whole), below, _mm512_setzero_ps());
}

// Phi(x) and phi(x) of the standard normal, as gaussian() in vector_math.h computes them.
POLYGATE_TILE_INLINE void gaussianVector(__m512 x, __m512& distribution, __m512& density) {
  const __m512 one = _mm512_set1_ps(1.0f), half = _mm512_set1_ps(0.5f);
  const __m512 e = expVector(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f)));
  // Infinity would make the division's product NaN; from here on the tail is zero.
  const __m512 magnitude = _mm512_min_ps(_mm512_set1_ps(1e6f), _mm512_abs_ps(x));
  const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(magnitude, _mm512_set1_ps(0.3275911f * 0.70710678f), one));
  __m512 poly = _mm512_set1_ps(1.061405429f);
  poly = _mm512_fmadd_ps(poly, t, _mm512_set1_ps(-1.453152027f));
  poly = _mm512_fmadd_ps(poly, t, _mm512_set1_ps(1.421413741f));
  poly = _mm512_fmadd_ps(poly, t, _mm512_set1_ps(-0.284496736f));
  poly = _mm512_fmadd_ps(poly, t, _mm512_set1_ps(0.254829592f));
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(poly, t), half), e);
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  distribution = _mm512_mask_blend_ps(negative, _mm512_sub_ps(one, tail), tail);
  density = _mm512_mul_ps(e, _mm512_set1_ps(0.39894228f));
}

// c[0] u^12 + c[1] u^11 + ... + c[12].
POLYGATE_TILE_INLINE __m512 polynomial(const float (&c)[13], __m512 u) {
  __m512 sum = _mm512_set1_ps(c[0]);
#pragma GCC unroll 12
  for (int i = 1; i < 13; ++i) sum = _mm512_fmadd_ps(sum, u, _mm512_set1_ps(c[i]));
  return sum;
}

// x held to [-5, 5], and where its square lies in [0, 25] as a number in [-1, 1]. The second operand of min and max is
// what they return for NaN.
POLYGATE_TILE_INLINE __m512 holdSquare(__m512 x, __m512& square) {
  const __m512 held = _mm512_max_ps(_mm512_set1_ps(-5.0f), _mm512_min_ps(_mm512_set1_ps(5.0f), x));
  square = _mm512_fmadd_ps(_mm512_mul_ps(held, held), _mm512_set1_ps(0.08f), _mm512_set1_ps(-1.0f));
  return held;
}

// gelu(x) = x Phi(x) and its derivative Phi(x) + x phi(x), as exactly as type T can hold them.
template <class T = Bits>
POLYGATE_TILE_INLINE __m512 geluVector(__m512 x);
template <class T = Bits>
POLYGATE_TILE_INLINE __m512 geluSlopeVector(__m512 x);

template <>
POLYGATE_TILE_INLINE __m512 geluVector<float>(__m512 x) {
  __m512 distribution, density;
  gaussianVector(x, distribution, density);
  return _mm512_mul_ps(x, distribution);
}

template <>
POLYGATE_TILE_INLINE __m512 geluSlopeVector<float>(__m512 x) {
  __m512 distribution, density;
  gaussianVector(x, distribution, density);
  return _mm512_fmadd_ps(x, density, distribution);
}

// For bf16: both are 1/2 plus an odd function of x, up to a factor of x, and (Phi(x) - 1/2) / x and the like are smooth
// in x^2: interpolated at Chebyshev's points of [0, 25], to 2e-6 of gelu and 1.3e-5 of its derivative, far below what
// bf16 resolves. Beyond 5 Phi is exactly 0 or 1.
template <>
POLYGATE_TILE_INLINE __m512 geluVector<Bits>(__m512 x) {
  static constexpr float kCoefficients[13] = {
      7.353763887e-04f, -1.676730979e-03f, 1.374596151e-03f,  -2.526916729e-03f, 6.766527505e-03f,
      -1.130712491e-02f, 1.623608981e-02f, -2.321312828e-02f, 3.147675865e-02f,  -4.045128240e-02f,
      5.151792974e-02f, -7.029590887e-02f, 1.413638185e-01f};
  __m512 square;
  const __m512 held = holdSquare(x, square);
  const __m512 distribution = _mm512_fmadd_ps(held, polynomial(kCoefficients, square), _mm512_set1_ps(0.5f));
  return _mm512_mul_ps(x, _mm512_max_ps(_mm512_setzero_ps(), distribution));
}

template <>
POLYGATE_TILE_INLINE __m512 geluSlopeVector<Bits>(__m512 x) {
  static constexpr float kCoefficients[13] = {
      1.261547586e-02f, -2.584466528e-02f, 1.123988696e-02f,  -1.491602376e-02f, 5.801962140e-02f,
      -7.996690754e-02f, 7.754241580e-02f, -8.087882582e-02f, 8.085778139e-02f,  -7.224082061e-02f,
      6.653327323e-02f, -7.509286092e-02f, 1.421342312e-01f};
  __m512 square;
  const __m512 held = holdSquare(x, square);
  return _mm512_fmadd_ps(held, polynomial(kCoefficients, square), _mm512_set1_ps(0.5f));
}

// Two vectors to `columns` <= 32 neighbouring elements.
POLYGATE_TILE_INLINE void storePair(Bits* p, __m512 low, __m512 high, int64_t columns) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  if (columns >= kBlock) _mm512_storeu_si512(p, both);
  else _mm512_mask_storeu_epi16(p, firstHalves(columns), both);
}

POLYGATE_TILE_INLINE void storePair(float* p, __m512 low, __m512 high, int64_t columns) {
  if (columns >= kBlock) {
    _mm512_storeu_ps(p, low);
    _mm512_storeu_ps(p + 16, high);
    return;
  }
  _mm512_mask_storeu_ps(p, firstWords(columns), low);
  _mm512_mask_storeu_ps(p + 16, firstWords(columns - 16), high);
}

}  // namespace tiles
}  // namespace polygate

#endif
