// What surrounds a matrix product: bias, GELU, their gradients, column sums. One pass each, float32 arithmetic, in
// place where the caller owns the buffer. Twins: aten add, gelu, gelu_backward, sum.
#include "row_loops.h"

namespace polygate {
namespace {

#define POLYGATE_BIAS(T)                                                                                  \
  POLYGATE_CLONES void biasSpan(T* z, const float* bias, int64_t from, int64_t to, int64_t width) {       \
    for (int64_t n = from; n < to; ++n) {                                                                 \
      T* row = z + n * width;                                                                             \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(row, d, load(row, d) + bias[d]);      \
    }                                                                                                     \
  }                                                                                                       \
  POLYGATE_CLONES void geluSpan(T* z, const float* bias, T* y, int64_t from, int64_t to, int64_t width) { \
    for (int64_t n = from; n < to; ++n) {                                                                 \
      T* row = z + n * width;                                                                             \
      T* out = y + n * width;                                                                             \
      if (bias != nullptr) {                                                                              \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(row, d, load(row, d) + bias[d]);    \
      }                                                                                                   \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) {                                           \
        const float x = load(row, d);                                                                     \
        float distribution, density;                                                                      \
        gaussian(x, distribution, density);                                                               \
        store(out, d, x * distribution);                                                                  \
      }                                                                                                   \
    }                                                                                                     \
  }
POLYGATE_BIAS(float)
POLYGATE_BIAS(Bits)

#define POLYGATE_GELU_BACKWARD(G, T)                                                                          \
  POLYGATE_CLONES void geluBackwardSpan(const G* dy, const T* z, T* dz, float* sums, int64_t from, int64_t to, \
                                        int64_t width) {                                                      \
    for (int64_t n = from; n < to; ++n) {                                                                     \
      const G* g = dy + n * width;                                                                            \
      const T* row = z + n * width;                                                                           \
      T* out = dz + n * width;                                                                                \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) {                                               \
        const float x = load(row, d);                                                                         \
        float distribution, density;                                                                          \
        gaussian(x, distribution, density);                                                                   \
        const float value = load(g, d) * (distribution + x * density);                                        \
        sums[d] += value;                                                                                     \
        store(out, d, value);                                                                                 \
      }                                                                                                       \
    }                                                                                                         \
  }
POLYGATE_GELU_BACKWARD(float, float)
POLYGATE_GELU_BACKWARD(Bits, float)
POLYGATE_GELU_BACKWARD(float, Bits)
POLYGATE_GELU_BACKWARD(Bits, Bits)

#define POLYGATE_SUMS(T)                                                                                       \
  POLYGATE_CLONES void sumSpan(const T* x, float* sums, int64_t from, int64_t to, int64_t width) {             \
    for (int64_t n = from; n < to; ++n) {                                                                      \
      const T* row = x + n * width;                                                                            \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) sums[d] += load(row, d);                         \
    }                                                                                                          \
  }
POLYGATE_SUMS(float)
POLYGATE_SUMS(Bits)

int64_t taskCount(int64_t count) { return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16)); }

}  // namespace

void biasRows(const at::Tensor& z, const float* bias) {
  const int64_t count = z.size(0), width = z.size(1);
  withPointer(z, [&](auto* pz) {
    at::parallel_for(0, count, grain(width), [&](int64_t from, int64_t to) { biasSpan(pz, bias, from, to, width); });
  });
}

void biasGeluRows(const at::Tensor& z, const float* bias, const at::Tensor& y) {
  const int64_t count = z.size(0), width = z.size(1);
  withPointer(z, [&](auto* pz) {
    using T = std::remove_pointer_t<decltype(pz)>;
    at::parallel_for(0, count, grain(width),
                     [&](int64_t from, int64_t to) { geluSpan(pz, bias, pointer<T>(y), from, to, width); });
  });
}

std::tuple<at::Tensor, at::Tensor> geluBackwardRows(const at::Tensor& gradient, const at::Tensor& input) {
  const at::Tensor dy = gradient.contiguous();
  const at::Tensor z = input.contiguous();
  const int64_t count = z.size(0), width = z.size(1);
  at::Tensor dz = at::empty_like(z);
  const int64_t tasks = taskCount(count);
  at::Tensor sums = at::zeros({tasks, width}, z.options().dtype(at::kFloat));
  withPointer(dy, [&](auto* pdy) {
    withPointer(z, [&](auto* pz) {
      using T = std::remove_pointer_t<decltype(pz)>;
      at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t)
          geluBackwardSpan(pdy, pz, pointer<T>(dz), pointer<float>(sums) + t * width, count * t / tasks,
                           count * (t + 1) / tasks, width);
      });
    });
  });
  return {dz, tasks == 1 ? sums[0] : sums.sum(0)};
}

at::Tensor columnSumRows(const at::Tensor& input) {
  const at::Tensor x = input.contiguous();
  const int64_t count = x.size(0), width = x.size(1);
  const int64_t tasks = taskCount(count);
  at::Tensor sums = at::zeros({tasks, width}, x.options().dtype(at::kFloat));
  withPointer(x, [&](auto* px) {
    at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t)
        sumSpan(px, pointer<float>(sums) + t * width, count * t / tasks, count * (t + 1) / tasks, width);
    });
  });
  return tasks == 1 ? sums[0] : sums.sum(0);
}

namespace {

at::Tensor gelu(const at::Tensor& input) {
  const at::Tensor x = input.contiguous();
  at::Tensor y = at::empty_like(x);
  biasGeluRows(x, nullptr, y);
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("gelu(Tensor x) -> Tensor");
  m.def("gelu_backward(Tensor dy, Tensor z) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("gelu", gelu);
  m.impl("gelu_backward", geluBackwardRows);
}

}  // namespace polygate
