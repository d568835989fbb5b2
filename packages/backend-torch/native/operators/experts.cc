// Merging experts and sharing a merged weight's gradient out to them, each in one pass over the weights. Experts are
// passed flat: weights and biases are lists of the used experts, gates a float32 matrix [R, E], and the choices of all
// rows follow each other in `chosen` (numbers of used experts) with `ends[r]` where row r's end. Twin: the composition
// of conditionalLinear in @polygate/tensor.
#include "vector_math.h"

namespace polygate {
namespace {

#define POLYGATE_MERGE(T)                                                                                          \
  POLYGATE_CLONES void mergeSpan(const float* const* sources, const float* gates, int64_t count, T* out, int64_t from, \
                                 int64_t to) {                                                                     \
    if (count == 1) {                                                                                              \
      const float* a = sources[0];                                                                                 \
      const float ga = gates[0];                                                                                   \
      _Pragma("omp simd") for (int64_t i = from; i < to; ++i) store(out, i, ga * a[i]);                            \
    } else if (count == 2) {                                                                                       \
      const float *a = sources[0], *b = sources[1];                                                                \
      const float ga = gates[0], gb = gates[1];                                                                    \
      _Pragma("omp simd") for (int64_t i = from; i < to; ++i) store(out, i, ga * a[i] + gb * b[i]);                \
    } else {                                                                                                       \
      for (int64_t i = from; i < to; ++i) {                                                                        \
        float sum = 0;                                                                                             \
        for (int64_t c = 0; c < count; ++c) sum += gates[c] * sources[c][i];                                       \
        store(out, i, sum);                                                                                        \
      }                                                                                                            \
    }                                                                                                              \
  }
POLYGATE_MERGE(float)
POLYGATE_MERGE(Bits)

constexpr int64_t kPiece = 1 << 15;

struct Choice {
  std::vector<const float*> sources;
  std::vector<float> gates;
};

std::vector<Choice> choices(at::TensorList experts, const at::Tensor& gates, at::IntArrayRef used, at::IntArrayRef chosen,
                            at::IntArrayRef ends) {
  std::vector<Choice> rows(ends.size());
  const float* g = pointer<float>(gates);
  const int64_t columns = gates.size(1);
  int64_t at = 0;
  for (size_t r = 0; r < ends.size(); ++r)
    for (; at < ends[r]; ++at) {
      rows[r].sources.push_back(pointer<float>(experts[chosen[at]]));
      rows[r].gates.push_back(g[static_cast<int64_t>(r) * columns + used[chosen[at]]]);
    }
  return rows;
}

// One merged tensor of type `dtype` for each row that chose experts, in the order of the rows.
std::vector<at::Tensor> mergeExperts(at::TensorList experts, const at::Tensor& gates, at::IntArrayRef used,
                                     at::IntArrayRef chosen, at::IntArrayRef ends, at::ScalarType dtype) {
  for (const at::Tensor& e : experts) TORCH_CHECK(e.is_contiguous() && e.scalar_type() == at::kFloat, "merge_experts: expected contiguous float32 experts");
  const at::Tensor table = gates.contiguous();
  const std::vector<Choice> rows = choices(experts, table, used, chosen, ends);
  const int64_t size = experts[0].numel(), parts = (size + kPiece - 1) / kPiece;
  std::vector<at::Tensor> merged;
  std::vector<const Choice*> active;
  for (const Choice& row : rows)
    if (!row.sources.empty()) {
      merged.push_back(at::empty(experts[0].sizes(), experts[0].options().dtype(dtype)));
      active.push_back(&row);
    }
  at::parallel_for(0, static_cast<int64_t>(active.size()) * parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const Choice& row = *active[i / parts];
      const int64_t begin = (i % parts) * kPiece, end = std::min(begin + kPiece, size);
      withPointer(merged[i / parts], [&](auto* out) {
        mergeSpan(row.sources.data(), row.gates.data(), static_cast<int64_t>(row.sources.size()), out, begin, end);
      });
    }
  });
  return merged;
}

#define POLYGATE_SHARE(T)                                                                                              \
  POLYGATE_CLONES float shareSpan(const T* row, const float* expert, float gate, bool first, float* out, int64_t from, \
                                  int64_t to) {                                                                        \
    float along = 0;                                                                                                   \
    if (first) {                                                                                                       \
      _Pragma("omp simd reduction(+ : along)") for (int64_t i = from; i < to; ++i) {                                   \
        const float g = load(row, i);                                                                                  \
        along += g * expert[i];                                                                                        \
        out[i] = gate * g;                                                                                             \
      }                                                                                                                \
    } else {                                                                                                           \
      _Pragma("omp simd reduction(+ : along)") for (int64_t i = from; i < to; ++i) {                                   \
        const float g = load(row, i);                                                                                  \
        along += g * expert[i];                                                                                        \
        out[i] += gate * g;                                                                                            \
      }                                                                                                                \
    }                                                                                                                  \
    return along;                                                                                                      \
  }
POLYGATE_SHARE(float)
POLYGATE_SHARE(Bits)

// Row gradients (for each row that chose experts) -> the experts' gradients in float32, and the gates' [R, E].
std::tuple<std::vector<at::Tensor>, at::Tensor> shareGradient(at::TensorList rows, at::TensorList experts,
                                                              const at::Tensor& gates, at::IntArrayRef used,
                                                              at::IntArrayRef chosen, at::IntArrayRef ends) {
  const at::Tensor table = gates.contiguous();
  const int64_t columns = table.size(1), size = experts[0].numel(), parts = (size + kPiece - 1) / kPiece;
  struct Use {
    int64_t row, expert, place;
    bool first;
  };
  std::vector<Use> uses;
  std::vector<bool> seen(experts.size(), false);
  int64_t at = 0, active = 0;
  for (size_t r = 0; r < ends.size(); ++r) {
    const bool any = at < ends[r];
    for (; at < ends[r]; ++at) {
      const int64_t e = chosen[at];
      uses.push_back({active, e, static_cast<int64_t>(r) * columns + used[e], !seen[e]});
      seen[e] = true;
    }
    if (any) ++active;
  }
  std::vector<at::Tensor> dense, gradients;
  for (const at::Tensor& row : rows) dense.push_back(row.contiguous());
  for (const at::Tensor& e : experts) gradients.push_back(at::empty(e.sizes(), e.options()));
  std::vector<float> sums(uses.size() * parts, 0.0f);
  // A task owns a piece of all experts, so the passes over it stay in cache and nothing is written twice at once.
  at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t part = from; part < to; ++part) {
      const int64_t begin = part * kPiece, end = std::min(begin + kPiece, size);
      for (size_t u = 0; u < uses.size(); ++u) {
        const Use& use = uses[u];
        withPointer(dense[use.row], [&](auto* row) {
          sums[u * parts + part] = shareSpan(row, pointer<float>(experts[use.expert]), pointer<float>(table)[use.place],
                                             use.first, pointer<float>(gradients[use.expert]), begin, end);
        });
      }
    }
  });
  at::Tensor dGates = at::zeros_like(table);
  for (size_t u = 0; u < uses.size(); ++u) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += sums[u * parts + part];
    pointer<float>(dGates)[uses[u].place] += static_cast<float>(sum);
  }
  return {gradients, dGates};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("merge_experts(Tensor[] experts, Tensor gates, int[] used, int[] chosen, int[] ends, ScalarType dtype) -> Tensor[]");
  m.def(
      "share_gradient(Tensor[] rows, Tensor[] experts, Tensor gates, int[] used, int[] chosen, int[] ends) -> (Tensor[], "
      "Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("merge_experts", mergeExperts);
  m.impl("share_gradient", shareGradient);
}

}  // namespace polygate
