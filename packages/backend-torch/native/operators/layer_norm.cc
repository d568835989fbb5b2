// Layer norm with float32 statistics, any mix of float32 and bf16 for input, output and gradient, and its backward in
// one pass: dx and the sums for gamma and beta together. Twin: aten native_layer_norm on float32 copies.
#include "vector_math.h"

namespace polygate {
namespace {

template <class X, class Y>
POLYGATE_INLINE void normRow(const X* x, const float* gamma, const float* beta, float epsilon, Y* y, float& mean, float& inverse,
                             int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t d = 0; d < width; ++d) sum += load(x, d);
  const float centre = sum / width;
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t d = 0; d < width; ++d) {
    const float c = load(x, d) - centre;
    squares += c * c;
  }
  const float scale = 1.0f / __builtin_sqrtf(squares / width + epsilon);
#pragma omp simd
  for (int64_t d = 0; d < width; ++d) store(y, d, (load(x, d) - centre) * scale * gamma[d] + beta[d]);
  mean = centre;
  inverse = scale;
}

#define POLYGATE_NORM(NAME, X, Y)                                                                              \
  POLYGATE_CLONES void NAME(const X* x, const float* gamma, const float* beta, float epsilon, Y* y, float* mean, \
                            float* inverse, int64_t from, int64_t to, int64_t width) {                         \
    for (int64_t n = from; n < to; ++n)                                                                        \
      normRow(x + n * width, gamma, beta, epsilon, y + n * width, mean[n], inverse[n], width);                 \
  }
POLYGATE_NORM(normRows, float, float)
POLYGATE_NORM(normRows, float, Bits)
POLYGATE_NORM(normRows, Bits, float)
POLYGATE_NORM(normRows, Bits, Bits)

template <class G, class X, class Y>
POLYGATE_INLINE void normBackwardRow(const G* dy, const X* x, const float* gamma, float mean, float inverse, Y* dx, float* dGamma,
                                     float* dBeta, int64_t width) {
  float sum = 0;
  float along = 0;
#pragma omp simd reduction(+ : sum, along)
  for (int64_t d = 0; d < width; ++d) {
    const float g = load(dy, d);
    const float normal = (load(x, d) - mean) * inverse;
    dGamma[d] += g * normal;
    dBeta[d] += g;
    sum += g * gamma[d];
    along += g * gamma[d] * normal;
  }
  const float meanG = sum / width;
  const float meanAlong = along / width;
#pragma omp simd
  for (int64_t d = 0; d < width; ++d) {
    const float normal = (load(x, d) - mean) * inverse;
    store(dx, d, (load(dy, d) * gamma[d] - meanG - normal * meanAlong) * inverse);
  }
}

#define POLYGATE_NORM_BACKWARD(G, X, Y)                                                                            \
  POLYGATE_CLONES void normBackwardRows(const G* dy, const X* x, const float* gamma, const float* mean,            \
                                        const float* inverse, Y* dx, float* dGamma, float* dBeta, int64_t from,    \
                                        int64_t to, int64_t width) {                                               \
    for (int64_t n = from; n < to; ++n)                                                                            \
      normBackwardRow(dy + n * width, x + n * width, gamma, mean[n], inverse[n], dx + n * width, dGamma, dBeta,    \
                      width);                                                                                      \
  }
POLYGATE_NORM_BACKWARD(float, float, float)
POLYGATE_NORM_BACKWARD(float, float, Bits)
POLYGATE_NORM_BACKWARD(float, Bits, float)
POLYGATE_NORM_BACKWARD(float, Bits, Bits)
POLYGATE_NORM_BACKWARD(Bits, float, float)
POLYGATE_NORM_BACKWARD(Bits, float, Bits)
POLYGATE_NORM_BACKWARD(Bits, Bits, float)
POLYGATE_NORM_BACKWARD(Bits, Bits, Bits)

// x [N, D] -> y [N, D] of type `dtype`, mean [N], 1 / sqrt(var + epsilon) [N].
std::tuple<at::Tensor, at::Tensor, at::Tensor> layerNorm(const at::Tensor& input, const at::Tensor& gamma,
                                                         const at::Tensor& beta, double epsilon, at::ScalarType dtype) {
  const at::Tensor x = input.contiguous();
  const int64_t count = x.size(0), width = x.size(1);
  at::Tensor y = at::empty({count, width}, x.options().dtype(dtype));
  at::Tensor mean = at::empty({count}, x.options().dtype(at::kFloat));
  at::Tensor inverse = at::empty_like(mean);
  const float* g = pointer<float>(gamma);
  const float* b = pointer<float>(beta);
  withPointer(x, [&](auto* px) {
    withPointer(y, [&](auto* py) {
      at::parallel_for(0, count, grain(width), [&](int64_t from, int64_t to) {
        normRows(px, g, b, static_cast<float>(epsilon), py, pointer<float>(mean), pointer<float>(inverse), from, to, width);
      });
    });
  });
  return {y, mean, inverse};
}

// dy, x [N, D] -> dx [N, D] of type `dtype`, dgamma [D], dbeta [D].
std::tuple<at::Tensor, at::Tensor, at::Tensor> layerNormBackward(const at::Tensor& gradient, const at::Tensor& input,
                                                                 const at::Tensor& gamma, const at::Tensor& mean,
                                                                 const at::Tensor& inverse, at::ScalarType dtype) {
  const at::Tensor dy = gradient.contiguous();
  const at::Tensor x = input.contiguous();
  const int64_t count = x.size(0), width = x.size(1);
  at::Tensor dx = at::empty({count, width}, x.options().dtype(dtype));
  // One pair of sums for each task: the result depends on the number of threads only.
  const int64_t tasks = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16));
  at::Tensor sums = at::zeros({tasks, 2, width}, x.options().dtype(at::kFloat));
  const float* g = pointer<float>(gamma);
  withPointer(dy, [&](auto* pdy) {
    withPointer(x, [&](auto* px) {
      withPointer(dx, [&](auto* pdx) {
        at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
          for (int64_t t = first; t < last; ++t) {
            float* own = pointer<float>(sums) + t * 2 * width;
            normBackwardRows(pdy, px, g, pointer<float>(mean), pointer<float>(inverse), pdx, own, own + width,
                             count * t / tasks, count * (t + 1) / tasks, width);
          }
        });
      });
    });
  });
  const at::Tensor total = tasks == 1 ? sums[0] : sums.sum(0);
  return {dx, total[0].clone(), total[1].clone()};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("layer_norm(Tensor x, Tensor gamma, Tensor beta, float epsilon, ScalarType dtype) -> (Tensor, Tensor, Tensor)");
  m.def(
      "layer_norm_backward(Tensor dy, Tensor x, Tensor gamma, Tensor mean, Tensor inverse, ScalarType dtype) -> (Tensor, "
      "Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("layer_norm", layerNorm);
  m.impl("layer_norm_backward", layerNormBackward);
}

}  // namespace polygate
