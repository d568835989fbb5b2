// Attention forward in products of blocks; see attention_tiles.h. Twin: PgAttention composed of ATen's operators.
#include "attention_tiles.h"
#include "turns.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

// scores [keys] -> exp(score - largest), zeros up to whole blocks; gives the largest and the sum.
template <class T>
POLYGATE_TILE_INLINE void softmaxRow(const Head<T>& head, float* scores, const float* mask, T* out, float& top, float& sum) {
  const int64_t keys = head.in.shape.keys();
  const Vector lowest = repeat(-INFINITY);
  Vector largest = lowest;
  for (int64_t n = 0; n < keys; n += 16) {
    const Mask lanes = firstWords(keys - n);
    const Vector value = select(lanes, maskedScores(head, scores, mask, n, lanes), lowest);
    storeAligned(scores + n, value);
    largest = maximum(largest, value);
  }
  top = largestOf(largest);
  const Vector offset = repeat(top);
  Vector total = zeros();
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const Mask lanes = firstWords(keys - n);
    const Vector e = keep(lanes, expVector(sub(loadAligned(scores + n), offset)));
    total = add(total, e);
    storeVector(out + n, e, 0xffff);
  }
  sum = sumOf(total);
}

template <class T>
POLYGATE_TILE_TARGET void forwardHead(const Head<T>& head, T* y, float* softmax) {
  const AttentionShape& shape = head.in.shape;
  const int64_t d = shape.head, widths = blocks(d), steps = blocks(shape.keys());
  const int64_t columns = steps * kBlock, spread = paddedWidth<T>(shape.keys()), padded = paddedWidth<T>(d);
  const int64_t panels = kStep * widths * steps;
  float* scores = static_cast<float*>(
      scratch(4 * (kBlock * columns + kStep) + sizeof(T) * (kBlock * (spread + padded) + 2 * panels)));
  float* c = scores + kBlock * columns;
  T* probabilities = reinterpret_cast<T*>(c + kStep);
  T* room = probabilities + kBlock * spread;
  T* keys = room + kBlock * padded;
  T* values = keys + panels;
  packByWidth(head, kKey, keys);
  packByKeys(head, kValue, values);
  for (int64_t query = 0; query < shape.length; query += kBlock) {
    const int64_t size = std::min(kBlock, shape.length - query);
    keyProducts(queryBlock(head.own(kQuery, query), 3 * shape.width(), size, d, room), keys, widths, scores, columns);
    float* kept = softmax + 2 * query;
    for (int64_t i = 0; i < size; ++i) {
      float sum;
      softmaxRow(head, scores + i * columns, head.maskRow(query + i), probabilities + i * spread, kept[2 * i], sum);
      kept[2 * i + 1] = 1.0f / sum;
    }
    for (int64_t n = 0; n < widths; ++n) {
      multiply<false>(inPlace(probabilities, spread), values + n * steps * kStep, steps, c, kBlock);
      for (int64_t i = 0; i < size; ++i) {
        const Vector factor = repeat(kept[2 * i + 1]);
        T* out = y + ((head.sample * shape.length + query + i) * shape.heads + head.head) * d + n * kBlock;
        storePair(out, mul(loadAligned(c + i * kBlock), factor),
                  mul(loadAligned(c + i * kBlock + 16), factor), d - n * kBlock);
      }
    }
  }
}

template <class T>
void forwardHeads(const AttentionTensors& tensors, const at::Tensor& y, const at::Tensor& softmax) {
  const AttentionInputs<T> in = tensors.inputs<T>();
  const int64_t heads = in.shape.heads;
  takeTurns<SessionOf<T>>(in.shape.batch * heads, [&](int64_t i) {
    forwardHead<T>({in, i / heads, i % heads}, pointer<T>(y), pointer<float>(softmax) + 2 * i * in.shape.length);
  });
}

}  // namespace

void attentionForward(const AttentionTensors& tensors, const at::Tensor& y, const at::Tensor& softmax) {
  withBlockType(isHalf(y), [&](auto number) { forwardHeads<decltype(number)>(tensors, y, softmax); });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
