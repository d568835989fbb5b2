// y = x + keep * gamma * branch and its gradient in one pass each. Twin: aten mul and add.
#include "vector_math.h"

namespace polygate {
namespace {

#define POLYGATE_RESIDUAL(X, R, Y)                                                                              \
  POLYGATE_CLONES void residualRows(const X* x, const R* branch, const float* gamma, const float* keep, Y* y,   \
                                    int64_t from, int64_t to, int64_t width, int64_t rowsPerSample) {           \
    for (int64_t n = from; n < to; ++n) {                                                                       \
      const float k = keep == nullptr ? 1.0f : keep[n / rowsPerSample];                                         \
      const X* a = x + n * width;                                                                               \
      const R* b = branch + n * width;                                                                          \
      Y* out = y + n * width;                                                                                   \
      /* A dropped branch is not looked at: 0 times NaN is NaN. */                                              \
      if (k == 0) {                                                                                             \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(out, d, load(a, d));                      \
        continue;                                                                                               \
      }                                                                                                         \
      if (gamma == nullptr) {                                                                                   \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(out, d, load(a, d) + k * load(b, d));     \
      } else {                                                                                                  \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d)                                                 \
            store(out, d, load(a, d) + k * gamma[d] * load(b, d));                                              \
      }                                                                                                         \
    }                                                                                                           \
  }
POLYGATE_RESIDUAL(float, float, float)
POLYGATE_RESIDUAL(float, Bits, float)
POLYGATE_RESIDUAL(Bits, float, float)
POLYGATE_RESIDUAL(Bits, Bits, float)

#define POLYGATE_RESIDUAL_BACKWARD(G, R)                                                                         \
  POLYGATE_CLONES void residualBackwardRows(const G* dy, const R* branch, const float* gamma, const float* keep,  \
                                            R* dBranch, float* dGamma, int64_t from, int64_t to, int64_t width,   \
                                            int64_t rowsPerSample) {                                             \
    for (int64_t n = from; n < to; ++n) {                                                                        \
      const float k = keep == nullptr ? 1.0f : keep[n / rowsPerSample];                                          \
      const G* g = dy + n * width;                                                                               \
      R* out = dBranch + n * width;                                                                              \
      if (k == 0) {                                                                                              \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(out, d, 0.0f);                             \
        continue;                                                                                                \
      }                                                                                                          \
      if (gamma == nullptr) {                                                                                    \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(out, d, k * load(g, d));                   \
      } else {                                                                                                   \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(out, d, k * gamma[d] * load(g, d));        \
      }                                                                                                          \
      if (dGamma != nullptr) {                                                                                   \
        const R* b = branch + n * width;                                                                         \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) dGamma[d] += k * load(g, d) * load(b, d);        \
      }                                                                                                          \
    }                                                                                                            \
  }
POLYGATE_RESIDUAL_BACKWARD(float, float)
POLYGATE_RESIDUAL_BACKWARD(float, Bits)
POLYGATE_RESIDUAL_BACKWARD(Bits, float)
POLYGATE_RESIDUAL_BACKWARD(Bits, Bits)

// x, branch [N, D], gamma [D], keep [B] with N a multiple of B -> float32 [N, D].
at::Tensor residual(const at::Tensor& stream, const at::Tensor& update, const c10::optional<at::Tensor>& gamma,
                    const c10::optional<at::Tensor>& keep) {
  const at::Tensor x = stream.contiguous(), branch = update.contiguous();
  const int64_t count = x.size(0), width = x.size(1);
  const int64_t rows = keep.has_value() && keep->defined() ? count / std::max<int64_t>(1, keep->size(0)) : 1;
  at::Tensor y = at::empty({count, width}, x.options().dtype(at::kFloat));
  withPointer(x, [&](auto* px) {
    withPointer(branch, [&](auto* pb) {
      at::parallel_for(0, count, grain(width), [&](int64_t from, int64_t to) {
        residualRows(px, pb, floats(gamma), floats(keep), pointer<float>(y), from, to, width, rows);
      });
    });
  });
  return y;
}

// dy [N, D] -> the branch's gradient of type `dtype`, and gamma's when the branch is given.
std::tuple<at::Tensor, at::Tensor> residualBackward(const at::Tensor& gradient, const c10::optional<at::Tensor>& update,
                                                    const c10::optional<at::Tensor>& gamma,
                                                    const c10::optional<at::Tensor>& keep, at::ScalarType dtype) {
  const at::Tensor dy = gradient.contiguous();
  const int64_t count = dy.size(0), width = dy.size(1);
  const bool wantsGamma = update.has_value() && update->defined();
  const at::Tensor branch = wantsGamma ? update->to(dtype).contiguous() : dy;
  const int64_t rows = keep.has_value() && keep->defined() ? count / std::max<int64_t>(1, keep->size(0)) : 1;
  at::Tensor dBranch = at::empty({count, width}, dy.options().dtype(dtype));
  const int64_t tasks = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16));
  at::Tensor sums = at::zeros({wantsGamma ? tasks : 0, width}, dy.options().dtype(at::kFloat));
  withPointer(dy, [&](auto* pdy) {
    withPointer(dBranch, [&](auto* pd) {
      using R = std::remove_pointer_t<decltype(pd)>;
      const R* pb = wantsGamma ? pointer<R>(branch) : nullptr;
      at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t)
          residualBackwardRows(pdy, pb, floats(gamma), floats(keep), pd,
                               wantsGamma ? pointer<float>(sums) + t * width : nullptr, count * t / tasks,
                               count * (t + 1) / tasks, width, rows);
      });
    });
  });
  return {dBranch, wantsGamma ? sums.sum(0) : sums};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("residual(Tensor x, Tensor branch, Tensor? gamma, Tensor? keep) -> Tensor");
  m.def(
      "residual_backward(Tensor dy, Tensor? branch, Tensor? gamma, Tensor? keep, ScalarType dtype) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("residual", residual);
  m.impl("residual_backward", residualBackward);
}

}  // namespace polygate
