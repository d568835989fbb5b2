// The parts of attention around its products: heads apart (with prompts in front and the scale in the query), masked
// softmax and its gradient in float32 on bf16 or float32 scores, heads together. Twins: aten permute, cat, softmax.
#include "vector_math.h"

namespace polygate {
namespace {

POLYGATE_INLINE float maskAt(const float* mask, int64_t k, int64_t prompts) {
  return k < prompts ? 0.0f : mask[k - prompts];
}

// scores [keys] -> probabilities, in place; mask points at the row of this query or is null.
template <class T>
POLYGATE_INLINE void softmaxRow(T* s, const float* mask, float* work, int64_t keys, int64_t prompts, float scale) {
  float top = -3.4e38f;
  if (mask == nullptr) {
#pragma omp simd reduction(max : top)
    for (int64_t k = 0; k < keys; ++k) {
      const float value = load(s, k) * scale;
      work[k] = value;
      top = value > top ? value : top;
    }
  } else {
#pragma omp simd reduction(max : top)
    for (int64_t k = 0; k < prompts; ++k) {
      const float value = load(s, k) * scale;
      work[k] = value;
      top = value > top ? value : top;
    }
#pragma omp simd reduction(max : top)
    for (int64_t k = prompts; k < keys; ++k) {
      const float value = load(s, k) * scale + mask[k - prompts];
      work[k] = value;
      top = value > top ? value : top;
    }
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < keys; ++k) {
    const float e = fastExp(work[k] - top);
    work[k] = e;
    sum += e;
  }
  const float inverse = 1.0f / sum;
#pragma omp simd
  for (int64_t k = 0; k < keys; ++k) store(s, k, work[k] * inverse);
}

template <class T>
POLYGATE_INLINE void softmaxBackwardRow(T* d, const T* p, int64_t keys, float scale) {
  float along = 0;
#pragma omp simd reduction(+ : along)
  for (int64_t k = 0; k < keys; ++k) along += load(d, k) * load(p, k);
#pragma omp simd
  for (int64_t k = 0; k < keys; ++k) store(d, k, load(p, k) * (load(d, k) - along) * scale);
}

#define POLYGATE_SOFTMAX(T)                                                                                          \
  POLYGATE_CLONES void softmaxRows(T* scores, const float* mask, float* work, int64_t from, int64_t to,              \
                                   int64_t length, int64_t heads, int64_t keys, int64_t prompts, int64_t maskBatch,  \
                                   int64_t maskRow, float scale) {                                                   \
    for (int64_t n = from; n < to; ++n) {                                                                            \
      const int64_t sample = n / (heads * length);                                                                   \
      const float* own = mask == nullptr ? nullptr : mask + sample * maskBatch + (n % length) * maskRow;             \
      softmaxRow(scores + n * keys, own, work, keys, prompts, scale);                                                \
    }                                                                                                                \
  }                                                                                                                  \
  POLYGATE_CLONES void softmaxBackwardRows(T* d, const T* p, int64_t from, int64_t to, int64_t keys, float scale) {  \
    for (int64_t n = from; n < to; ++n) softmaxBackwardRow(d + n * keys, p + n * keys, keys, scale);                 \
  }
POLYGATE_SOFTMAX(float)
POLYGATE_SOFTMAX(Bits)

// scores [B h, L, K] in place to softmax(scale * scores + mask); mask float32 [B|1, 1, L|1, K - prompts].
at::Tensor maskedSoftmax(at::Tensor scores, const c10::optional<at::Tensor>& mask, int64_t heads, int64_t prompts,
                         double scale) {
  TORCH_CHECK(scores.is_contiguous(), "masked_softmax_: expected contiguous scores");
  const int64_t length = scores.size(1), keys = scores.size(2), rows = scores.size(0) * length;
  int64_t maskBatch = 0, maskRow = 0;
  at::Tensor dense;
  if (mask.has_value() && mask->defined()) {
    dense = mask->contiguous();
    maskRow = dense.size(2) == 1 ? 0 : dense.size(3);
    maskBatch = dense.size(0) == 1 ? 0 : dense.size(2) * dense.size(3);
  }
  const float* pm = dense.defined() ? pointer<float>(dense) : nullptr;
  withPointer(scores, [&](auto* ps) {
    at::parallel_for(0, rows, grain(keys), [&](int64_t from, int64_t to) {
      std::vector<float> work(keys);
      softmaxRows(ps, pm, work.data(), from, to, length, heads, keys, prompts, maskBatch, maskRow, static_cast<float>(scale));
    });
  });
  return scores;
}

// The gradient of scale * scores from that of the probabilities, in place: scale * p * (d - sum(d p)).
at::Tensor softmaxBackward(at::Tensor d, const at::Tensor& p, double scale) {
  TORCH_CHECK(d.is_contiguous() && p.is_contiguous() && d.scalar_type() == p.scalar_type(),
              "softmax_backward_: expected contiguous tensors of one type");
  const int64_t keys = d.size(2), rows = d.size(0) * d.size(1);
  withPointer(d, [&](auto* pd) {
    using T = std::remove_pointer_t<decltype(pd)>;
    at::parallel_for(0, rows, grain(keys), [&](int64_t from, int64_t to) {
      softmaxBackwardRows(pd, pointer<T>(p), from, to, keys, static_cast<float>(scale));
    });
  });
  return d;
}

// qkv [B, L, 3 h d] -> q [B h, L, d], k and v [B h, P + L, d]; prompts [P, h d] or [B, P, h d] of the same type.
std::tuple<at::Tensor, at::Tensor, at::Tensor> splitHeads(const at::Tensor& fused, const c10::optional<at::Tensor>& promptKeys,
                                                          const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  const at::Tensor qkv = fused.contiguous();
  const int64_t batch = qkv.size(0), length = qkv.size(1), width = qkv.size(2) / 3, d = width / heads;
  const bool prompted = promptKeys.has_value() && promptKeys->defined();
  const at::Tensor pk = prompted ? promptKeys->contiguous() : at::Tensor();
  const at::Tensor pv = prompted ? promptValues->contiguous() : at::Tensor();
  const int64_t prompts = prompted ? pk.size(-2) : 0;
  const int64_t promptBatch = prompted && pk.dim() == 3 ? prompts * width : 0;
  at::Tensor q = at::empty({batch * heads, length, d}, qkv.options());
  at::Tensor k = at::empty({batch * heads, prompts + length, d}, qkv.options());
  at::Tensor v = at::empty_like(k);
  const int64_t item = qkv.element_size(), bytes = d * item;
  const char* source = static_cast<const char*>(qkv.data_ptr());
  char* targets[3] = {static_cast<char*>(q.data_ptr()), static_cast<char*>(k.data_ptr()), static_cast<char*>(v.data_ptr())};
  at::parallel_for(0, batch * heads, std::max<int64_t>(1, 32768 / (length * d)), [&](int64_t from, int64_t to) {
    for (int64_t n = from; n < to; ++n) {
      const int64_t b = n / heads, h = n % heads;
      for (int64_t part = 0; part < 3; ++part) {
        const int64_t front = part == 0 ? 0 : prompts;
        char* out = targets[part] + n * (front + length) * bytes;
        if (front > 0) {
          const char* prompt = static_cast<const char*>((part == 1 ? pk : pv).data_ptr());
          for (int64_t p = 0; p < front; ++p)
            std::memcpy(out + p * bytes, prompt + (b * promptBatch + p * width + h * d) * item, bytes);
        }
        for (int64_t l = 0; l < length; ++l)
          std::memcpy(out + (front + l) * bytes, source + (((b * length + l) * 3 + part) * width + h * d) * item, bytes);
      }
    }
  });
  return {q, k, v};
}

// The inverse for gradients: dq, dk, dv (their own prompts in front left out) -> [B, L, 3 h d].
at::Tensor joinHeads(const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv, int64_t heads) {
  const int64_t length = dq.size(1), keys = dk.size(1), d = dq.size(2), width = heads * d, batch = dq.size(0) / heads;
  const at::Tensor parts[3] = {dq.contiguous(), dk.contiguous(), dv.contiguous()};
  at::Tensor joined = at::empty({batch, length, 3 * width}, dq.options());
  const int64_t item = dq.element_size(), bytes = d * item;
  char* out = static_cast<char*>(joined.data_ptr());
  at::parallel_for(0, batch, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b)
      for (int64_t l = 0; l < length; ++l)
        for (int64_t part = 0; part < 3; ++part) {
          const int64_t own = part == 0 ? length : keys;
          const char* source = static_cast<const char*>(parts[part].data_ptr());
          for (int64_t h = 0; h < heads; ++h)
            std::memcpy(out + (((b * length + l) * 3 + part) * width + h * d) * item,
                        source + (((b * heads + h) * own) + own - length + l) * bytes, bytes);
        }
  });
  return joined;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("masked_softmax_(Tensor(a!) scores, Tensor? mask, int heads, int prompts, float scale) -> Tensor(a!)");
  m.def("softmax_backward_(Tensor(a!) d, Tensor p, float scale) -> Tensor(a!)");
  m.def("split_heads(Tensor qkv, Tensor? prompt_keys, Tensor? prompt_values, int heads) -> (Tensor, Tensor, Tensor)");
  m.def("join_heads(Tensor dq, Tensor dk, Tensor dv, int heads) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("masked_softmax_", maskedSoftmax);
  m.impl("softmax_backward_", softmaxBackward);
  m.impl("split_heads", splitHeads);
  m.impl("join_heads", joinHeads);
}

}  // namespace polygate
