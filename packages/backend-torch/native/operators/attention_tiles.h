// Attention of one head on the tile unit: what its forward and backward passes share. Scores, softmax and products of
// a block of 32 queries stay in the first-level cache; of the forward pass only y and the logarithms of the softmax's
// sums are kept (Dao et al. 2022, FlashAttention, section 3).
// B batch · h heads · L queries · P prompts in front of the keys · K = P + L keys · d width of a head
#pragma once

#include "tile_math.h"

namespace polygate {

struct AttentionShape {
  int64_t batch, heads, length, prompts, head;
  int64_t keys() const { return prompts + length; }
  int64_t width() const { return heads * head; }
};

struct AttentionInputs {
  AttentionShape shape;
  float scale;
  const Bits* qkv;                         // [B, L, 3 h d]
  const Bits *promptKeys, *promptValues;   // [B or 1, P, h d], or null
  int64_t promptStride;                    // elements from one sample's prompts to the next; 0 when shared
  const float* mask;                       // [B or 1, 1, L or 1, L], or null
  int64_t maskSample, maskQuery;           // elements from one sample's and one query's row to the next
};

inline AttentionInputs attentionInputs(const at::Tensor& qkv, const at::Tensor& mask, const at::Tensor& keys, const at::Tensor& values,
                         int64_t heads) {
  TORCH_CHECK(qkv.dim() == 3 && isHalf(qkv) && qkv.is_contiguous() && qkv.size(2) % (3 * heads) == 0,
              "tile_attention: expected contiguous bf16 queries, keys and values [B, L, 3 h d]");
  const int64_t width = qkv.size(2) / 3, prompts = keys.defined() ? keys.size(-2) : 0;
  AttentionInputs in{{qkv.size(0), heads, qkv.size(1), prompts, width / heads},
                     static_cast<float>(1.0 / std::sqrt(static_cast<double>(width / heads))),
                     pointer<Bits>(qkv), nullptr, nullptr, 0, nullptr, 0, 0};
  if (keys.defined()) {
    TORCH_CHECK(isHalf(keys) && isHalf(values), "tile_attention: expected bf16 prompts");
    in.promptKeys = pointer<Bits>(keys);
    in.promptValues = pointer<Bits>(values);
    in.promptStride = keys.dim() == 3 ? prompts * width : 0;
  }
  if (mask.defined()) {
    in.mask = pointer<float>(mask);
    in.maskQuery = mask.size(2) == 1 ? 0 : mask.size(3);
    in.maskSample = mask.size(0) == 1 ? 0 : mask.size(2) * mask.size(3);
  }
  return in;
}

// Contiguous, or undefined.
inline at::Tensor given(const c10::optional<at::Tensor>& t) {
  return t.has_value() && t->defined() ? t->contiguous() : at::Tensor();
}

#if POLYGATE_TILES
namespace tiles {

enum Part { kQuery = 0, kKey = 1, kValue = 2 };

// One head of one sample.
struct Head {
  const AttentionInputs& in;
  int64_t sample, head;

  const Bits* own(Part part, int64_t token) const {
    return in.qkv + ((sample * in.shape.length + token) * 3 + part) * in.shape.width() + head * in.shape.head;
  }
  const Bits* key(Part part, int64_t k) const {
    if (k >= in.shape.prompts) return own(part, k - in.shape.prompts);
    const Bits* prompts = part == kKey ? in.promptKeys : in.promptValues;
    return prompts + sample * in.promptStride + k * in.shape.width() + head * in.shape.head;
  }
  Rows keyRows(Part part, int64_t first) const {
    Rows rows;
    for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = first + i < in.shape.keys() ? key(part, first + i) : nullptr;
    return rows;
  }
  // Bias of the scores of a query for its own keys, or null.
  const float* maskRow(int64_t query) const {
    return in.mask == nullptr ? nullptr : in.mask + sample * in.maskSample + query * in.maskQuery;
  }
};

// `width` elements of 32 rows from `token` on, `stride` elements apart, fewer at the end: read in place where that is
// possible, else through `room`.
POLYGATE_TILE_INLINE Left queryBlock(const Bits* first, int64_t stride, int64_t count, int64_t width, Bits* room) {
  if (count >= kBlock && width % kBlock == 0 && stride % 1024 != 0) return inPlace(first, stride);
  Rows rows;
  for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = i < count ? first + i * stride : nullptr;
  return copyRows(rows, width, room);
}

// Keys or values as the right factor of a product that sums over d (scores, gradient of probabilities).
POLYGATE_TILE_INLINE void packByWidth(const Head& head, Part part, Bits* out) {
  const int64_t d = head.in.shape.head;
  for (int64_t k = 0; k < head.in.shape.keys(); k += kBlock) {
    const Rows rows = head.keyRows(part, k);
    for (int64_t s = 0; s < d; s += kBlock, out += kStep) packTransposed(rows, s, d - s, out);
  }
}

// Keys or values as the right factor of a product that sums over the keys (output, gradient of queries).
POLYGATE_TILE_INLINE void packByKeys(const Head& head, Part part, Bits* out) {
  const int64_t d = head.in.shape.head, steps = blocks(head.in.shape.keys());
  for (int64_t k = 0; k < steps; ++k) {
    const Rows rows = head.keyRows(part, k * kBlock);
    for (int64_t n = 0; n < d; n += kBlock)
      packPairs(rows, n, std::min(kBlock, d - n), out + (n / kBlock * steps + k) * kStep);
  }
}

// scores [32, K] of a block of queries, rows `columns` apart.
POLYGATE_TILE_INLINE void blockProducts(const Left& left, const Bits* panels, int64_t steps, int64_t count, float* out,
                                        int64_t columns) {
  for (int64_t n = 0; n < count; ++n) multiply<false>(left, panels + n * steps * kStep, steps, out + n * kBlock, columns);
}

// 16 scaled and masked scores from key n on; `lanes` are those of existing keys.
POLYGATE_TILE_INLINE __m512 maskedScores(const Head& head, const float* scores, const float* mask, int64_t n,
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
