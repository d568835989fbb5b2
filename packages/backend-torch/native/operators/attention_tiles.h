// Attention of one head in products of blocks: what its forward and backward passes share. Scores, softmax and products
// of a block of 32 queries stay in the first-level cache; of the forward pass only y and each query's largest score and
// sum are kept (Dao et al. 2022, FlashAttention, section 3; apart, because the sum's logarithm would drown in a score of
// -1e9 where a mask hides all keys).
// B batch · h heads · L queries · P prompts in front of the keys · K = P + L keys · d width of a head
#pragma once

#include "tile_attention.h"
#include "tile_math.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

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
POLYGATE_TILE_INLINE Vector maskedScores(const Head<T>& head, const float* scores, const float* mask, int64_t n,
                                          Mask lanes) {
  const Vector value = mul(loadAligned(scores + n), repeat(head.in.scale));
  if (mask == nullptr) return value;
  const int64_t prompts = head.in.shape.prompts;
  const Mask masked = static_cast<Mask>(lanes & ~firstWords(prompts - n));
  return add(value, loadVector(mask + n - prompts, masked));
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
