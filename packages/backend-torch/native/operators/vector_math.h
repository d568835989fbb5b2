// What the loops of these operators share: bf16 in and out, an exponential that vectorises, and one function compiled
// for several instruction sets. Loops are plain C++; the compiler vectorises them. All arithmetic is float32.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

// The loader picks the widest version that the processor has.
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) && __GNUC__ >= 12
#define POLYGATE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define POLYGATE_CLONES
#endif
#define POLYGATE_INLINE inline __attribute__((always_inline))

namespace polygate {

using Bits = uint16_t;  // a bf16 number: the upper half of a float

POLYGATE_INLINE float load(const float* p, int64_t i) { return p[i]; }

POLYGATE_INLINE float load(const Bits* p, int64_t i) {
  const uint32_t wide = static_cast<uint32_t>(p[i]) << 16;
  float value;
  __builtin_memcpy(&value, &wide, 4);
  return value;
}

POLYGATE_INLINE void store(float* p, int64_t i, float value) { p[i] = value; }

// Round to nearest, ties to even; NaN stays NaN.
POLYGATE_INLINE void store(Bits* p, int64_t i, float value) {
  uint32_t wide;
  __builtin_memcpy(&wide, &value, 4);
  const uint32_t rounded = (wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16;
  // All ones for NaN, else zero: no branch, so that loops vectorise.
  const uint32_t invalid = 0u - static_cast<uint32_t>(value != value);
  p[i] = static_cast<Bits>((rounded & ~invalid) | (0x7fc0u & invalid));
}

// sqrt(x) for x >= 0 to float32 accuracy. The library's may set errno, which keeps loops from being vectorised.
POLYGATE_INLINE float fastSqrt(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  bits = 0x5f3759dfu - (bits >> 1);
  float r;  // 1 / sqrt(x), improved by three Newton steps
  __builtin_memcpy(&r, &bits, 4);
  const float half = 0.5f * x;
  r = r * (1.5f - half * r * r);
  r = r * (1.5f - half * r * r);
  r = r * (1.5f - half * r * r);
  return x * r;
}

// exp(x) for x <= 0 to about 2e-7 relative; 0 below -87. The clamp compares bit patterns, which for negative numbers
// grow with the magnitude: a comparison of floats keeps the loop from being vectorised below AVX-512.
POLYGATE_INLINE float fastExp(float x) {
  constexpr uint32_t kLowest = 0xc2ae0000u;  // -87
  uint32_t pattern;
  __builtin_memcpy(&pattern, &x, 4);
  const uint32_t clampedPattern = pattern < kLowest ? pattern : kLowest;
  float clamped;
  __builtin_memcpy(&clamped, &clampedPattern, 4);
  const float scaled = clamped * 1.44269504f;
  const float shifted = scaled + 12582912.0f;  // 1.5 * 2^23: the sum's low bits are round(scaled)
  const float whole = shifted - 12582912.0f;
  uint32_t exponent;
  __builtin_memcpy(&exponent, &shifted, 4);
  const float r = (clamped - whole * 0.693359375f) - whole * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // The magic number's own bits fall out of the shift; the mask makes the result zero below the range.
  const uint32_t bits = ((exponent + 127u) << 23) & (0u - static_cast<uint32_t>(pattern < kLowest));
  float power;
  __builtin_memcpy(&power, &bits, 4);
  return p * power;
}

// Distribution function and density of the standard normal (Abramowitz & Stegun 7.1.26, error below 1.5e-7).
POLYGATE_INLINE void gaussian(float x, float& distribution, float& density) {
  const float e = fastExp(-0.5f * x * x);
  const float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * __builtin_fabsf(x));
  const float poly =
      ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
  const float tail = 0.5f * poly * e;  // 1 - Phi(|x|)
  distribution = 0.5f + __builtin_copysignf(0.5f - tail, x);
  density = 0.39894228f * e;
}

inline bool isHalf(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }

template <class T>
T* pointer(const at::Tensor& t) {
  return static_cast<T*>(t.data_ptr());
}

// Calls body with a typed pointer to the elements of a float32 or bf16 tensor.
template <class Body>
void withPointer(const at::Tensor& t, Body body) {
  if (isHalf(t)) {
    body(pointer<Bits>(t));
  } else {
    TORCH_CHECK(t.scalar_type() == at::kFloat, "expected float32 or bfloat16, got ", t.scalar_type());
    body(pointer<float>(t));
  }
}

inline const float* floats(const c10::optional<at::Tensor>& t) {
  return t.has_value() && t->defined() ? pointer<float>(*t) : nullptr;
}

// Rows for each task so that a task touches about 32 thousand elements.
inline int64_t grain(int64_t width) { return std::max<int64_t>(1, 32768 / std::max<int64_t>(1, width)); }

}  // namespace polygate
