// Vectors of 16 float32 for the loops around block products: bf16 in and out, exp, GELU.
#pragma once

#include "tiles.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

// exp(x) for x <= 0 to about 2e-7 relative; 0 below -87, so that no result is a denormal number, which is slow.
POLYGATE_TILE_INLINE Vector expVector(Vector x) {
  const Vector lowest = repeat(-87.0f);
  const Answers below = isLess(x, lowest);
  // The second operand is what the instruction returns for NaN.
  const Vector held = maximum(lowest, x);
  const Vector whole = nearestWhole(mul(held, repeat(1.44269504f)));
  Vector r = fnmadd(whole, repeat(0.693359375f), held);
  r = fnmadd(whole, repeat(-2.12194440e-4f), r);
  Vector p = repeat(1.9875691500e-4f);
  p = fmadd(p, r, repeat(1.3981999507e-3f));
  p = fmadd(p, r, repeat(8.3334519073e-3f));
  p = fmadd(p, r, repeat(4.1665795894e-2f));
  p = fmadd(p, r, repeat(1.6666665459e-1f));
  p = fmadd(p, r, repeat(5.0000001201e-1f));
  p = fmadd(mul(p, r), r, add(r, repeat(1.0f)));
  return select(below, zeros(), timesPowerOfTwo(p, whole));
}

// Phi(x) and phi(x) of the standard normal, as gaussian() in vector_math.h computes them.
POLYGATE_TILE_INLINE void gaussianVector(Vector x, Vector& distribution, Vector& density) {
  const Vector one = repeat(1.0f), half = repeat(0.5f);
  const Vector e = expVector(mul(mul(x, x), repeat(-0.5f)));
  // Infinity would make the division's product NaN; from here on the tail is zero.
  const Vector magnitude = minimum(repeat(1e6f), magnitudes(x));
  const Vector t = div(one, fmadd(magnitude, repeat(0.3275911f * 0.70710678f), one));
  Vector poly = repeat(1.061405429f);
  poly = fmadd(poly, t, repeat(-1.453152027f));
  poly = fmadd(poly, t, repeat(1.421413741f));
  poly = fmadd(poly, t, repeat(-0.284496736f));
  poly = fmadd(poly, t, repeat(0.254829592f));
  const Vector tail = mul(mul(mul(poly, t), half), e);
  const Answers negative = isLess(x, zeros());
  distribution = select(negative, tail, sub(one, tail));
  density = mul(e, repeat(0.39894228f));
}

// c[0] u^12 + c[1] u^11 + ... + c[12].
POLYGATE_TILE_INLINE Vector polynomial(const float (&c)[13], Vector u) {
  Vector sum = repeat(c[0]);
#pragma GCC unroll 12
  for (int i = 1; i < 13; ++i) sum = fmadd(sum, u, repeat(c[i]));
  return sum;
}

// x held to [-5, 5], and where its square lies in [0, 25] as a number in [-1, 1]. The second operand of min and max is
// what they return for NaN.
POLYGATE_TILE_INLINE Vector holdSquare(Vector x, Vector& square) {
  const Vector held = maximum(repeat(-5.0f), minimum(repeat(5.0f), x));
  square = fmadd(mul(held, held), repeat(0.08f), repeat(-1.0f));
  return held;
}

// gelu(x) = x Phi(x) and its derivative Phi(x) + x phi(x), as exactly as type T can hold them.
template <class T = Bits>
POLYGATE_TILE_INLINE Vector geluVector(Vector x);
template <class T = Bits>
POLYGATE_TILE_INLINE Vector geluSlopeVector(Vector x);

template <>
POLYGATE_TILE_INLINE Vector geluVector<float>(Vector x) {
  Vector distribution, density;
  gaussianVector(x, distribution, density);
  return mul(x, distribution);
}

template <>
POLYGATE_TILE_INLINE Vector geluSlopeVector<float>(Vector x) {
  Vector distribution, density;
  gaussianVector(x, distribution, density);
  return fmadd(x, density, distribution);
}

// For bf16: both are 1/2 plus an odd function of x, up to a factor of x, and (Phi(x) - 1/2) / x and the like are smooth
// in x^2: interpolated at Chebyshev's points of [0, 25], to 2e-6 of gelu and 1.3e-5 of its derivative, far below what
// bf16 resolves. Beyond 5 Phi is exactly 0 or 1.
template <>
POLYGATE_TILE_INLINE Vector geluVector<Bits>(Vector x) {
  static constexpr float kCoefficients[13] = {
      7.353763887e-04f, -1.676730979e-03f, 1.374596151e-03f,  -2.526916729e-03f, 6.766527505e-03f,
      -1.130712491e-02f, 1.623608981e-02f, -2.321312828e-02f, 3.147675865e-02f,  -4.045128240e-02f,
      5.151792974e-02f, -7.029590887e-02f, 1.413638185e-01f};
  Vector square;
  const Vector held = holdSquare(x, square);
  const Vector distribution = fmadd(held, polynomial(kCoefficients, square), repeat(0.5f));
  return mul(x, maximum(zeros(), distribution));
}

template <>
POLYGATE_TILE_INLINE Vector geluSlopeVector<Bits>(Vector x) {
  static constexpr float kCoefficients[13] = {
      1.261547586e-02f, -2.584466528e-02f, 1.123988696e-02f,  -1.491602376e-02f, 5.801962140e-02f,
      -7.996690754e-02f, 7.754241580e-02f, -8.087882582e-02f, 8.085778139e-02f,  -7.224082061e-02f,
      6.653327323e-02f, -7.509286092e-02f, 1.421342312e-01f};
  Vector square;
  const Vector held = holdSquare(x, square);
  return fmadd(held, polynomial(kCoefficients, square), repeat(0.5f));
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
