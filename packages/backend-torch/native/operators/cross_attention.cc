// Attention of queries over keys and values in parts: those of a cache, and those of new tokens. Queries are few, so that
// products of blocks would be mostly empty: each query is a row of dot products. Float32 arithmetic; any strides but of the
// last axis. Twin: PgCrossAttention composed of ATen's operators.
// B batch · h heads · L queries · K keys of a part · d width of a head
#include "vector_math.h"

namespace polygate {
namespace {

template <class T>
struct KeyPart {
  const T *keys, *values;
  const float* mask;  // [B or 1, 1, L or 1, K], or null
  int64_t count;
  int64_t keySample, keyHead, keyRow, valueSample, valueHead, valueRow, maskSample, maskQuery;
};

template <class T>
struct CrossInputs {
  const T* queries;
  int64_t querySample, queryHead, queryRow;
  int64_t heads, length, d, total;
  std::vector<KeyPart<T>> parts;
};

// work: total scores, then d of the query, then d of the sum.
template <class T>
POLYGATE_INLINE void crossHead(const CrossInputs<T>& in, int64_t sample, int64_t head, float* work, T* y) {
  const int64_t d = in.d;
  float* query = work + in.total;
  float* sum = query + d;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  for (int64_t l = 0; l < in.length; ++l) {
    const T* own = in.queries + sample * in.querySample + head * in.queryHead + l * in.queryRow;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) query[j] = load(own, j) * scale;
    float top = -3.4e38f;
    float* scores = work;
    for (const KeyPart<T>& part : in.parts) {
      const T* keys = part.keys + sample * part.keySample + head * part.keyHead;
      const float* mask = part.mask == nullptr ? nullptr : part.mask + sample * part.maskSample + l * part.maskQuery;
      for (int64_t k = 0; k < part.count; ++k) {
        const T* key = keys + k * part.keyRow;
        float dot = 0;
#pragma omp simd reduction(+ : dot)
        for (int64_t j = 0; j < d; ++j) dot += query[j] * load(key, j);
        if (mask != nullptr) dot += mask[k];
        scores[k] = dot;
        top = dot > top ? dot : top;
      }
      scores += part.count;
    }
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t k = 0; k < in.total; ++k) {
      const float e = fastExp(work[k] - top);
      work[k] = e;
      total += e;
    }
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) sum[j] = 0;
    scores = work;
    for (const KeyPart<T>& part : in.parts) {
      const T* values = part.values + sample * part.valueSample + head * part.valueHead;
      for (int64_t k = 0; k < part.count; ++k) {
        const T* value = values + k * part.valueRow;
        const float weight = scores[k];
#pragma omp simd
        for (int64_t j = 0; j < d; ++j) sum[j] += weight * load(value, j);
      }
      scores += part.count;
    }
    const float inverse = 1.0f / total;
    T* out = y + ((sample * in.length + l) * in.heads + head) * d;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) store(out, j, sum[j] * inverse);
  }
}

#define POLYGATE_CROSS(T)                                                                                         \
  POLYGATE_CLONES void crossHeads(const CrossInputs<T>& in, int64_t from, int64_t to, float* work, T* y) {        \
    for (int64_t n = from; n < to; ++n) crossHead(in, n / in.heads, n % in.heads, work, y);                       \
  }
POLYGATE_CROSS(float)
POLYGATE_CROSS(Bits)

at::Tensor rowsInOrder(const at::Tensor& t) { return t.stride(-1) == 1 ? t : t.contiguous(); }

// queries [B, h, L, d], keys and values [B, h, K, d] of one type by part, masks float32 or empty where all is seen -> [B, L, h d].
at::Tensor crossAttention(const at::Tensor& given, at::TensorList keys, at::TensorList values, at::TensorList masks) {
  TORCH_CHECK(given.dim() == 4 && keys.size() == values.size() && keys.size() == masks.size() && keys.size() > 0,
              "cross_attention: expected queries [B, h, L, d] and as many keys as values and masks");
  const at::Tensor queries = rowsInOrder(given);
  const int64_t batch = queries.size(0), heads = queries.size(1), length = queries.size(2), d = queries.size(3);
  std::vector<at::Tensor> held;
  int64_t total = 0;
  at::Tensor y = at::empty({batch, length, heads * d}, queries.options());
  withPointer(y, [&](auto* py) {
    using T = std::remove_pointer_t<decltype(py)>;
    CrossInputs<T> in{pointer<T>(queries), queries.stride(0), queries.stride(1), queries.stride(2), heads, length, d, 0, {}};
    for (size_t at = 0; at < keys.size(); ++at) {
      TORCH_CHECK(keys[at].scalar_type() == queries.scalar_type() && values[at].scalar_type() == queries.scalar_type(),
                  "cross_attention: expected keys and values of the queries' type");
      const at::Tensor k = rowsInOrder(keys[at]), v = rowsInOrder(values[at]);
      held.push_back(k);
      held.push_back(v);
      KeyPart<T> part{pointer<T>(k), pointer<T>(v), nullptr,     k.size(2),   k.stride(0), k.stride(1),
                      k.stride(2),   v.stride(0),   v.stride(1), v.stride(2), 0,           0};
      if (masks[at].numel() > 0) {
        const at::Tensor m = masks[at].contiguous();
        held.push_back(m);
        part.mask = pointer<float>(m);
        part.maskSample = m.size(0) == 1 ? 0 : m.size(2) * m.size(3);
        part.maskQuery = m.size(2) == 1 ? 0 : m.size(3);
      }
      total += part.count;
      in.parts.push_back(part);
    }
    in.total = total;
    at::parallel_for(0, batch * heads, grain(length * total * d), [&](int64_t from, int64_t to) {
      std::vector<float> work(total + 2 * d);
      crossHeads(in, from, to, work.data(), py);
    });
  });
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("cross_attention(Tensor queries, Tensor[] keys, Tensor[] values, Tensor[] masks) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) { m.impl("cross_attention", crossAttention); }

}  // namespace polygate
