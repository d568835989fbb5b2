// Vectors of 16 float32 for the loops around tile products: bf16 in and out, exp, GELU.
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

// exp(x) to about 2e-7 relative; 0 below -104.
POLYGATE_TILE_INLINE __m512 expVector(__m512 x) {
  // The second operand is what the instruction returns for NaN.
  const __m512 clamped = _mm512_max_ps(_mm512_set1_ps(-104.0f), x);
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(clamped, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375f), clamped);
  r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_scalef_ps(p, whole);
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

// gelu(x) = x Phi(x), and its derivative Phi(x) + x phi(x). Both factors of x are 1/2 plus an odd function, and
// (Phi(x) - 1/2) / x and the like are smooth in x^2: interpolated at Chebyshev's points of [0, 25], to 2e-6 of gelu and
// 1.3e-5 of its derivative, far below what bf16 resolves. Beyond 5 the first is exactly 0 or 1.
POLYGATE_TILE_INLINE __m512 geluVector(__m512 x) {
  static constexpr float kCoefficients[13] = {
      7.353763887e-04f, -1.676730979e-03f, 1.374596151e-03f,  -2.526916729e-03f, 6.766527505e-03f,
      -1.130712491e-02f, 1.623608981e-02f, -2.321312828e-02f, 3.147675865e-02f,  -4.045128240e-02f,
      5.151792974e-02f, -7.029590887e-02f, 1.413638185e-01f};
  __m512 square;
  const __m512 held = holdSquare(x, square);
  const __m512 distribution = _mm512_fmadd_ps(held, polynomial(kCoefficients, square), _mm512_set1_ps(0.5f));
  return _mm512_mul_ps(x, _mm512_max_ps(_mm512_setzero_ps(), distribution));
}

POLYGATE_TILE_INLINE __m512 geluSlopeVector(__m512 x) {
  static constexpr float kCoefficients[13] = {
      1.261547586e-02f, -2.584466528e-02f, 1.123988696e-02f,  -1.491602376e-02f, 5.801962140e-02f,
      -7.996690754e-02f, 7.754241580e-02f, -8.087882582e-02f, 8.085778139e-02f,  -7.224082061e-02f,
      6.653327323e-02f, -7.509286092e-02f, 1.421342312e-01f};
  __m512 square;
  const __m512 held = holdSquare(x, square);
  return _mm512_fmadd_ps(held, polynomial(kCoefficients, square), _mm512_set1_ps(0.5f));
}

// Two vectors to 32 neighbouring elements, of which the mask's are written.
POLYGATE_TILE_INLINE void storePair(Bits* p, __m512 low, __m512 high, __mmask32 mask) {
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  if (mask == 0xffffffffu) _mm512_storeu_si512(p, both);
  else _mm512_mask_storeu_epi16(p, mask, both);
}

}  // namespace tiles
}  // namespace polygate

#endif
