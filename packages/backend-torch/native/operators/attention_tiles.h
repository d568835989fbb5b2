// Attention of one head in products of blocks: what its forward and backward passes share. Scores, softmax and products
// of a block of 32 queries stay in the first-level cache; of the forward pass only y and each query's largest score and
// sum are kept (Dao et al. 2022, FlashAttention, section 3; apart, because the sum's logarithm would drown in a score of
// -1e9 where a mask hides all keys).
// B batch · h heads · L queries · P prompts in front of the keys · K = P + L keys · d width of a head
#pragma once

#include "tile_math.h"

namespace polygate {

struct AttentionShape {
  int64_t batch, heads, length, prompts, head;
  int64_t keys() const { return prompts + length; }
  int64_t width() const { return heads * head; }
};

template <class T>
struct AttentionInputs {
  AttentionShape shape;
  float scale;
  const T* qkv;                        // [B, L, 3 h d]
  const T *promptKeys, *promptValues;  // [B or 1, P, h d], or null
  int64_t promptStride;                // elements from one sample's prompts to the next; 0 when shared
  const float* mask;                   // [B or 1, 1, L or 1, L], or null
  int64_t maskSample, maskQuery;       // elements from one sample's and one query's row to the next
};

// The tensors of a call, contiguous, those that may be absent undefined.
struct AttentionTensors {
  at::Tensor qkv, mask, promptKeys, promptValues;
  int64_t heads;

  AttentionTensors(const at::Tensor& fused, const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& keys,
                   const c10::optional<at::Tensor>& values, int64_t headCount)
      : qkv(fused.contiguous()), mask(given(bias)), promptKeys(given(keys)), promptValues(given(values)), heads(headCount) {
    TORCH_CHECK(qkv.dim() == 3 && qkv.size(2) % (3 * heads) == 0,
                "tile_attention: expected queries, keys and values [B, L, 3 h d]");
    TORCH_CHECK(tiles::available(qkv.scalar_type()), "tile_attention: this processor multiplies no blocks of ", qkv.scalar_type());
    for (const at::Tensor* prompt : {&promptKeys, &promptValues})
      TORCH_CHECK(!prompt->defined() || prompt->scalar_type() == qkv.scalar_type(), "tile_attention: expected prompts of qkv's type");
  }

  AttentionShape shape() const {
    const int64_t width = qkv.size(2) / 3;
    return {qkv.size(0), heads, qkv.size(1), promptKeys.defined() ? promptKeys.size(-2) : 0, width / heads};
  }

  template <class T>
  AttentionInputs<T> inputs() const {
    const AttentionShape own = shape();
    AttentionInputs<T> in{own, static_cast<float>(1.0 / std::sqrt(static_cast<double>(own.head))), pointer<T>(qkv), nullptr,
                          nullptr, 0, nullptr, 0, 0};
    if (promptKeys.defined()) {
      in.promptKeys = pointer<T>(promptKeys);
      in.promptValues = pointer<T>(promptValues);
      in.promptStride = promptKeys.dim() == 3 ? own.prompts * own.width() : 0;
    }
    if (mask.defined()) {
      in.mask = pointer<float>(mask);
      in.maskQuery = mask.size(2) == 1 ? 0 : mask.size(3);
      in.maskSample = mask.size(0) == 1 ? 0 : mask.size(2) * mask.size(3);
    }
    return in;
  }

 private:
  static at::Tensor given(const c10::optional<at::Tensor>& t) {
    return t.has_value() && t->defined() ? t->contiguous() : at::Tensor();
  }
};

#if POLYGATE_TILES
namespace tiles {

enum Part { kQuery = 0, kKey = 1, kValue = 2 };

// One head of one sample.
template <class T>
struct Head {
  const AttentionInputs<T>& in;
  int64_t sample, head;

  const T* own(Part part, int64_t token) const {
    return in.qkv + ((sample * in.shape.length + token) * 3 + part) * in.shape.width() + head * in.shape.head;
  }
  const T* key(Part part, int64_t k) const {
    if (k >= in.shape.prompts) return own(part, k - in.shape.prompts);
    const T* prompts = part == kKey ? in.promptKeys : in.promptValues;
    return prompts + sample * in.promptStride + k * in.shape.width() + head * in.shape.head;
  }
  RowsOf<T> keyRows(Part part, int64_t first) const {
    RowsOf<T> rows;
    for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = first + i < in.shape.keys() ? key(part, first + i) : nullptr;
    return rows;
  }
  // Bias of the scores of a query for its own keys, or null.
  const float* maskRow(int64_t query) const {
    return in.mask == nullptr ? nullptr : in.mask + sample * in.maskSample + query * in.maskQuery;
  }
};

// Up to 32 rows of `width` elements, `stride` elements apart: read in place where that is possible, else through `room`.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> queryBlock(const T* first, int64_t stride, int64_t size, int64_t width, T* room) {
  if (size >= kBlock && width % kBlock == 0 && !collides<T>(stride)) return inPlace(first, stride);
  RowsOf<T> rows;
  for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = i < size ? first + i * stride : nullptr;
  return copyRows(rows, width, room);
}

// Keys or values as the right factor of a product that sums over d (scores, gradient of probabilities).
template <class T>
POLYGATE_TILE_INLINE void packByWidth(const Head<T>& head, Part part, T* out) {
  const int64_t d = head.in.shape.head;
  for (int64_t k = 0; k < head.in.shape.keys(); k += kBlock) {
    const RowsOf<T> rows = head.keyRows(part, k);
    for (int64_t s = 0; s < d; s += kBlock, out += kStep) packTransposed(rows, s, d - s, out);
  }
}

// Keys or values as the right factor of a product that sums over the keys (output, gradient of queries).
template <class T>
POLYGATE_TILE_INLINE void packByKeys(const Head<T>& head, Part part, T* out) {
  const int64_t d = head.in.shape.head, steps = blocks(head.in.shape.keys());
  for (int64_t k = 0; k < steps; ++k) {
    const RowsOf<T> rows = head.keyRows(part, k * kBlock);
    for (int64_t n = 0; n < d; n += kBlock) packRows(rows, n, std::min(kBlock, d - n), out + (n / kBlock * steps + k) * kStep);
  }
}

// A block of queries by all keys: [32, K], rows `columns` apart.
template <class T>
POLYGATE_TILE_INLINE void keyProducts(const LeftOf<T>& left, const T* panels, int64_t steps, float* out, int64_t columns) {
  for (int64_t n = 0; n < columns; n += kBlock, panels += steps * kStep) multiply<false>(left, panels, steps, out + n, columns);
}

// 16 scaled and masked scores from key n on; `lanes` are those of existing keys.
template <class T>
POLYGATE_TILE_INLINE __m512 maskedScores(const Head<T>& head, const float* scores, const float* mask, int64_t n,
                                          __mmask16 lanes) {
  const __m512 value = _mm512_mul_ps(_mm512_load_ps(scores + n), _mm512_set1_ps(head.in.scale));
  if (mask == nullptr) return value;
  const int64_t prompts = head.in.shape.prompts;
  const __mmask16 masked = static_cast<__mmask16>(lanes & ~firstWords(prompts - n));
  return _mm512_add_ps(value, _mm512_maskz_loadu_ps(masked, mask + n - prompts));
}

}  // namespace tiles
#endif

}  // namespace polygate
