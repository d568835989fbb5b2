// Logits of routers, float32 whatever the tokens are stored in. Twin: exactLinear of @polygate/tensor.
// N tokens · I width · O outputs
#include "vector_math.h"

namespace polygate {
namespace {

constexpr int64_t kLanes = 16;  // outputs that are summed side by side

// One row at a time is widened to float32 in `row` [I], so that the loops behind it read it as it is.
#define POLYGATE_GATE_LOOPS(T)                                                                                          \
  POLYGATE_INLINE void widen(const T* x, float* row, int64_t width) {                                                   \
    _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] = load(x, d);                                        \
  }                                                                                                                     \
  /* Rows of x times up to 16 columns: `columns` [I, 16], zeros beyond `outputs`. */                                    \
  POLYGATE_CLONES void logitRows(const T* x, const float* columns, float* row, float* y, int64_t count, int64_t width,  \
                                 int64_t outputs, int64_t stride) {                                                     \
    for (int64_t n = 0; n < count; ++n, x += width, y += stride) {                                                      \
      float sums[4][kLanes] = {};                                                                                       \
      widen(x, row, width);                                                                                             \
      int64_t i = 0;                                                                                                    \
      for (; i + 4 <= width; i += 4)                                                                                    \
        for (int64_t k = 0; k < 4; ++k)                                                                                 \
          _Pragma("omp simd") for (int64_t o = 0; o < kLanes; ++o) sums[k][o] += row[i + k] * columns[(i + k) * kLanes + o]; \
      for (; i < width; ++i)                                                                                            \
        _Pragma("omp simd") for (int64_t o = 0; o < kLanes; ++o) sums[0][o] += row[i] * columns[i * kLanes + o];        \
      for (int64_t o = 0; o < outputs; ++o) y[o] = (sums[0][o] + sums[1][o]) + (sums[2][o] + sums[3][o]);               \
    }                                                                                                                   \
  }                                                                                                                     \
  /* Four rows in one pass over the sums: they are read and written a quarter as often. */                              \
  POLYGATE_CLONES void weightRows(const T* x, const float* dy, float* rows, float* sums, int64_t count, int64_t width,  \
                                  int64_t outputs) {                                                                    \
    const float *a = rows, *b = rows + width, *c = b + width, *e = c + width;                                           \
    int64_t n = 0;                                                                                                      \
    for (; n + 4 <= count; n += 4, x += 4 * width, dy += 4 * outputs) {                                                 \
      widen(x, rows, 4 * width);                                                                                        \
      for (int64_t o = 0; o < outputs; ++o) {                                                                           \
        const float ga = dy[o], gb = dy[outputs + o], gc = dy[2 * outputs + o], ge = dy[3 * outputs + o];               \
        float* own = sums + o * width;                                                                                  \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d)                                                         \
          own[d] += (ga * a[d] + gb * b[d]) + (gc * c[d] + ge * e[d]);                                                  \
      }                                                                                                                 \
    }                                                                                                                   \
    for (; n < count; ++n, x += width, dy += outputs) {                                                                 \
      widen(x, rows, width);                                                                                            \
      for (int64_t o = 0; o < outputs; ++o) {                                                                           \
        const float g = dy[o];                                                                                          \
        float* own = sums + o * width;                                                                                  \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) own[d] += g * a[d];                                     \
      }                                                                                                                 \
    }                                                                                                                   \
  }                                                                                                                     \
  /* Four outputs in one pass over the row. */                                                                          \
  POLYGATE_CLONES void inputRows(const float* dy, const float* w, float* row, T* dx, int64_t count, int64_t width,      \
                                 int64_t outputs) {                                                                     \
    for (int64_t n = 0; n < count; ++n, dy += outputs, dx += width) {                                                   \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] = 0;                                               \
      int64_t o = 0;                                                                                                    \
      for (; o + 4 <= outputs; o += 4) {                                                                                \
        const float *a = w + o * width, *b = a + width, *c = b + width, *e = c + width;                                 \
        const float ga = dy[o], gb = dy[o + 1], gc = dy[o + 2], ge = dy[o + 3];                                         \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d)                                                         \
          row[d] += (ga * a[d] + gb * b[d]) + (gc * c[d] + ge * e[d]);                                                  \
      }                                                                                                                 \
      for (; o < outputs; ++o) {                                                                                        \
        const float g = dy[o];                                                                                          \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] += g * w[o * width + d];                         \
      }                                                                                                                 \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(dx, d, row[d]);                                     \
    }                                                                                                                   \
  }
POLYGATE_GATE_LOOPS(float)
POLYGATE_GATE_LOOPS(Bits)

int64_t taskCount(int64_t count) { return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16)); }

// x [N, I], weight float32 [O, I] -> float32 [N, O].
at::Tensor exactLinear(const at::Tensor& input, const at::Tensor& weights) {
  const at::Tensor x = input.contiguous(), w = weights.contiguous();
  const int64_t count = x.size(0), width = x.size(1), outputs = w.size(0);
  at::Tensor y = at::empty({count, outputs}, w.options());
  std::vector<float> columns(width * kLanes);
  for (int64_t first = 0; first < outputs; first += kLanes) {
    const int64_t own = std::min(kLanes, outputs - first);
    std::fill(columns.begin(), columns.end(), 0.0f);
    for (int64_t o = 0; o < own; ++o)
      for (int64_t i = 0; i < width; ++i) columns[i * kLanes + o] = pointer<float>(w)[(first + o) * width + i];
    withPointer(x, [&](auto* px) {
      float* py = pointer<float>(y) + first;
      at::parallel_for(0, count, grain(5 * width), [&](int64_t from, int64_t to) {
        std::vector<float> row(width);
        logitRows(px + from * width, columns.data(), row.data(), py + from * outputs, to - from, width, own, outputs);
      });
    });
  }
  return y;
}

// -> dx [N, I] of type `dtype`, dweight float32 [O, I]. The sums of the weight are by task, then over tasks in order.
std::tuple<at::Tensor, at::Tensor> exactLinearBackward(const at::Tensor& gradient, const at::Tensor& input,
                                                       const at::Tensor& weights, at::ScalarType dtype) {
  const at::Tensor dy = gradient.contiguous(), x = input.contiguous(), w = weights.contiguous();
  const int64_t count = x.size(0), width = x.size(1), outputs = w.size(0), tasks = taskCount(count);
  at::Tensor dx = at::empty(x.sizes(), x.options().dtype(dtype));
  at::Tensor sums = at::zeros({tasks, outputs, width}, w.options());
  const float *g = pointer<float>(dy), *pw = pointer<float>(w);
  float* ps = pointer<float>(sums);
  withPointer(x, [&](auto* px) {
    withPointer(dx, [&](auto* pdx) {
      at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        std::vector<float> row(4 * width);
        for (int64_t t = first; t < last; ++t) {
          const int64_t from = count * t / tasks, rows = count * (t + 1) / tasks - from;
          weightRows(px + from * width, g + from * outputs, row.data(), ps + t * outputs * width, rows, width, outputs);
          inputRows(g + from * outputs, pw, row.data(), pdx + from * width, rows, width, outputs);
        }
      });
    });
  });
  return {dx, tasks == 1 ? sums[0] : sums.sum(0)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("exact_linear(Tensor x, Tensor weight) -> Tensor");
  m.def("exact_linear_backward(Tensor dy, Tensor x, Tensor weight, ScalarType dtype) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("exact_linear", exactLinear);
  m.impl("exact_linear_backward", exactLinearBackward);
}

}  // namespace polygate
