// experts.h. Twin: the composition of conditionalLinear in @polygate/tensor.
#include "experts.h"

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

POLYGATE_CLONES float shareSpan(const float* row, const float* expert, float gate, bool first, float* out, int64_t from,
                                int64_t to) {
  float along = 0;
  if (first) {
#pragma omp simd reduction(+ : along)
    for (int64_t i = from; i < to; ++i) {
      along += row[i] * expert[i];
      out[i] = gate * row[i];
    }
  } else {
#pragma omp simd reduction(+ : along)
    for (int64_t i = from; i < to; ++i) {
      along += row[i] * expert[i];
      out[i] += gate * row[i];
    }
  }
  return along;
}

}  // namespace

std::vector<at::Tensor> contiguousFloats(at::TensorList tensors) {
  std::vector<at::Tensor> dense;
  for (const at::Tensor& t : tensors) {
    TORCH_CHECK(t.scalar_type() == at::kFloat, "experts: expected float32, got ", t.scalar_type());
    dense.push_back(t.contiguous());
  }
  return dense;
}

std::vector<at::Tensor> mergeExperts(at::TensorList experts, const at::Tensor& gates, at::IntArrayRef used,
                                     at::IntArrayRef chosen, at::IntArrayRef ends, at::ScalarType dtype) {
  const std::vector<at::Tensor> sources = contiguousFloats(experts);
  const at::Tensor table = gates.contiguous();
  const std::vector<Choice> rows = choices(sources, table, used, chosen, ends);
  const int64_t size = sources[0].numel(), parts = (size + kPiece - 1) / kPiece;
  std::vector<at::Tensor> merged;
  std::vector<const Choice*> active;
  for (const Choice& row : rows)
    if (!row.sources.empty()) {
      merged.push_back(at::empty(sources[0].sizes(), sources[0].options().dtype(dtype)));
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

std::vector<ExpertUse> expertUses(const at::Tensor& gates, at::IntArrayRef used, at::IntArrayRef chosen, at::IntArrayRef ends) {
  const float* table = pointer<float>(gates);
  std::vector<ExpertUse> uses;
  std::vector<bool> seen(used.size(), false);
  int64_t at = 0, active = 0;
  for (size_t r = 0; r < ends.size(); ++r) {
    const bool any = at < ends[r];
    for (; at < ends[r]; ++at) {
      const int64_t e = chosen[at], place = static_cast<int64_t>(r) * gates.size(1) + used[e];
      uses.push_back({active, e, place, table[place], !seen[e]});
      seen[e] = true;
    }
    if (any) ++active;
  }
  return uses;
}

void shareGradient(at::TensorList rows, const ExpertSharing& sharing) {
  const int64_t size = sharing.experts[0].numel(), parts = (size + kPiece - 1) / kPiece;
  const std::vector<ExpertUse>& uses = sharing.uses;
  std::vector<float> sums(uses.size() * parts, 0.0f);
  // A task owns a piece of all experts, so the passes over it stay in cache and nothing is written twice at once.
  at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t part = from; part < to; ++part) {
      const int64_t begin = part * kPiece, end = std::min(begin + kPiece, size);
      for (size_t u = 0; u < uses.size(); ++u)
        sums[u * parts + part] = shareSpan(pointer<float>(rows[uses[u].row]), pointer<float>(sharing.experts[uses[u].expert]),
                                           uses[u].gate, uses[u].first, pointer<float>(sharing.gradients[uses[u].expert]), begin, end);
    }
  });
  for (size_t u = 0; u < uses.size(); ++u) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += sums[u * parts + part];
    pointer<float>(sharing.dGates)[uses[u].place] += static_cast<float>(sum);
  }
}

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("merge_experts(Tensor[] experts, Tensor gates, int[] used, int[] chosen, int[] ends, ScalarType dtype) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) { m.impl("merge_experts", mergeExperts); }

}  // namespace polygate
