// AdamW over all parameters in one call, in place, with the bf16 copies of the weights written in the same pass; and
// the norm over many tensors. Twins: the compositions of adamWStep and globalNorm in @polygate/tensor.
#include "vector_math.h"

namespace polygate {
namespace {

struct Step {
  float beta1, beta2, epsilon, gradScale;
};

POLYGATE_CLONES void adamwSpan(float* w, const float* gradient, float* m, float* v, Bits* copy, int64_t from, int64_t to,
                               float keep, float rate, float correction, Step s) {
  const float rest1 = 1.0f - s.beta1, rest2 = 1.0f - s.beta2;
  if (copy == nullptr) {
#pragma omp simd
    for (int64_t i = from; i < to; ++i) {
      const float g = gradient[i] * s.gradScale;
      const float first = s.beta1 * m[i] + rest1 * g;
      const float second = s.beta2 * v[i] + rest2 * g * g;
      m[i] = first;
      v[i] = second;
      w[i] = w[i] * keep - rate * first / (fastSqrt(second) * correction + s.epsilon);
    }
    return;
  }
#pragma omp simd
  for (int64_t i = from; i < to; ++i) {
    const float g = gradient[i] * s.gradScale;
    const float first = s.beta1 * m[i] + rest1 * g;
    const float second = s.beta2 * v[i] + rest2 * g * g;
    m[i] = first;
    v[i] = second;
    const float next = w[i] * keep - rate * first / (fastSqrt(second) * correction + s.epsilon);
    w[i] = next;
    store(copy, i, next);
  }
}

constexpr int64_t kPiece = 1 << 16;

struct Piece {
  int64_t tensor, from, to;
};

std::vector<Piece> pieces(at::TensorList tensors) {
  std::vector<Piece> list;
  for (size_t t = 0; t < tensors.size(); ++t)
    for (int64_t at = 0; at < tensors[t].numel(); at += kPiece)
      list.push_back({static_cast<int64_t>(t), at, std::min(at + kPiece, tensors[t].numel())});
  return list;
}

// All lists have one entry for each parameter; a copy is a bf16 tensor of the parameter's shape, or an empty one.
void adamw(at::TensorList weights, at::TensorList gradients, at::TensorList first, at::TensorList second,
           at::TensorList copies, c10::ArrayRef<double> keeps, c10::ArrayRef<double> rates,
           c10::ArrayRef<double> corrections, c10::ArrayRef<double> settings) {
  const Step step{static_cast<float>(settings[0]), static_cast<float>(settings[1]), static_cast<float>(settings[2]),
                  static_cast<float>(settings[3])};
  std::vector<at::Tensor> dense;
  for (size_t t = 0; t < weights.size(); ++t) {
    TORCH_CHECK(weights[t].is_contiguous() && first[t].is_contiguous() && second[t].is_contiguous(),
                "adamw_: expected contiguous parameters and moments");
    dense.push_back(gradients[t].to(at::kFloat).contiguous());
  }
  const std::vector<Piece> work = pieces(weights);
  at::parallel_for(0, static_cast<int64_t>(work.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const auto [t, begin, end] = work[i];
      Bits* copy = copies[t].numel() > 0 ? pointer<Bits>(copies[t]) : nullptr;
      adamwSpan(pointer<float>(weights[t]), pointer<float>(dense[t]), pointer<float>(first[t]), pointer<float>(second[t]),
                copy, begin, end, static_cast<float>(keeps[t]), static_cast<float>(rates[t]),
                static_cast<float>(corrections[t]), step);
    }
  });
}

#define POLYGATE_SQUARES(T)                                                        \
  POLYGATE_CLONES double squares(const T* x, int64_t from, int64_t to) {           \
    double total = 0;                                                              \
    for (int64_t at = from; at < to; at += 4096) {                                 \
      const int64_t end = std::min<int64_t>(at + 4096, to);                        \
      float sum = 0;                                                               \
      _Pragma("omp simd reduction(+ : sum)") for (int64_t i = at; i < end; ++i) {  \
        const float value = load(x, i);                                            \
        sum += value * value;                                                      \
      }                                                                            \
      total += sum;                                                                \
    }                                                                              \
    return total;                                                                  \
  }
POLYGATE_SQUARES(float)
POLYGATE_SQUARES(Bits)

// The Euclidean norm over all elements of all tensors, a float32 scalar; equal bits for any number of threads.
at::Tensor globalNorm(at::TensorList tensors) {
  std::vector<at::Tensor> dense;
  for (const at::Tensor& t : tensors) dense.push_back(t.contiguous());
  const std::vector<Piece> work = pieces(dense);
  std::vector<double> sums(work.size());
  at::parallel_for(0, static_cast<int64_t>(work.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      withPointer(dense[work[i].tensor], [&](auto* p) { sums[i] = squares(p, work[i].from, work[i].to); });
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return at::full({}, std::sqrt(total), at::TensorOptions().dtype(at::kFloat));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "adamw_(Tensor[] weights, Tensor[] gradients, Tensor[] first, Tensor[] second, Tensor[] copies, float[] keeps, "
      "float[] rates, float[] corrections, float[] settings) -> ()");
  m.def("global_norm(Tensor[] tensors) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("adamw_", adamw);
  m.impl("global_norm", globalNorm);
}

}  // namespace polygate
