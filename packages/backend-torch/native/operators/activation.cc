// What surrounds a matrix product: bias, GELU, their gradients, column sums. One pass each, float32 arithmetic, in
// place where the caller owns the buffer. Twins: aten add, gelu, gelu_backward, sum.
#include "vector_math.h"

namespace polygate {
namespace {

#define POLYGATE_BIAS(T)                                                                                  \
  POLYGATE_CLONES void biasRows(T* z, const float* bias, int64_t from, int64_t to, int64_t width) {       \
    for (int64_t n = from; n < to; ++n) {                                                                 \
      T* row = z + n * width;                                                                             \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(row, d, load(row, d) + bias[d]);      \
    }                                                                                                     \
  }                                                                                                       \
  POLYGATE_CLONES void geluRows(T* z, const float* bias, T* y, int64_t from, int64_t to, int64_t width) { \
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
  POLYGATE_CLONES void geluBackwardRows(const G* dy, const T* z, T* dz, float* sums, int64_t from, int64_t to, \
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
  POLYGATE_CLONES void sumRows(const T* x, float* sums, int64_t from, int64_t to, int64_t width) {             \
    for (int64_t n = from; n < to; ++n) {                                                                      \
      const T* row = x + n * width;                                                                            \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) sums[d] += load(row, d);                         \
    }                                                                                                          \
  }
POLYGATE_SUMS(float)
POLYGATE_SUMS(Bits)

int64_t taskCount(int64_t count) { return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16)); }

// z [N, O] += bias [O], in place.
at::Tensor addBias(at::Tensor z, const at::Tensor& bias) {
  TORCH_CHECK(z.is_contiguous(), "add_bias_: expected a contiguous product");
  const int64_t count = z.size(0), width = z.size(1);
  withPointer(z, [&](auto* pz) {
    at::parallel_for(0, count, grain(width), [&](int64_t from, int64_t to) { biasRows(pz, pointer<float>(bias), from, to, width); });
  });
  return z;
}

// z [N, O] += bias in place, and gelu(z) of the same type.
at::Tensor biasGelu(at::Tensor z, const c10::optional<at::Tensor>& bias) {
  TORCH_CHECK(z.is_contiguous(), "bias_gelu_: expected a contiguous product");
  const int64_t count = z.size(0), width = z.size(1);
  at::Tensor y = at::empty_like(z);
  withPointer(z, [&](auto* pz) {
    using T = std::remove_pointer_t<decltype(pz)>;
    at::parallel_for(0, count, grain(width),
                     [&](int64_t from, int64_t to) { geluRows(pz, floats(bias), pointer<T>(y), from, to, width); });
  });
  return y;
}

// dz = dy * gelu'(z) in the type of z, and its column sums in float32.
std::tuple<at::Tensor, at::Tensor> geluBackward(const at::Tensor& gradient, const at::Tensor& input) {
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
          geluBackwardRows(pdy, pz, pointer<T>(dz), pointer<float>(sums) + t * width, count * t / tasks,
                           count * (t + 1) / tasks, width);
      });
    });
  });
  return {dz, tasks == 1 ? sums[0] : sums.sum(0)};
}

// Sums of the columns of x [N, O] in float32.
at::Tensor columnSums(const at::Tensor& input) {
  const at::Tensor x = input.contiguous();
  const int64_t count = x.size(0), width = x.size(1);
  const int64_t tasks = taskCount(count);
  at::Tensor sums = at::zeros({tasks, width}, x.options().dtype(at::kFloat));
  withPointer(x, [&](auto* px) {
    at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t)
        sumRows(px, pointer<float>(sums) + t * width, count * t / tasks, count * (t + 1) / tasks, width);
    });
  });
  return tasks == 1 ? sums[0] : sums.sum(0);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("add_bias_(Tensor(a!) z, Tensor bias) -> Tensor(a!)");
  m.def("bias_gelu_(Tensor(a!) z, Tensor? bias) -> Tensor");
  m.def("gelu_backward(Tensor dy, Tensor z) -> (Tensor, Tensor)");
  m.def("column_sums(Tensor x) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("add_bias_", addBias);
  m.impl("bias_gelu_", biasGelu);
  m.impl("gelu_backward", geluBackward);
  m.impl("column_sums", columnSums);
}

}  // namespace polygate
