// Attention forward in products of blocks; see attention_tiles.h. Twin: PgAttention composed of ATen's operators.
#include "attention_tiles.h"
#include "turns.h"

namespace polygate {
namespace {

#if POLYGATE_TILES
using namespace tiles;

// scores [keys] -> exp(score - largest), zeros up to whole blocks; gives the largest and the sum.
template <class T>
POLYGATE_TILE_INLINE void softmaxRow(const Head<T>& head, float* scores, const float* mask, T* out, float& top, float& sum) {
  const int64_t keys = head.in.shape.keys();
  const __m512 lowest = _mm512_set1_ps(-INFINITY);
  __m512 largest = lowest;
  for (int64_t n = 0; n < keys; n += 16) {
    const __mmask16 lanes = firstWords(keys - n);
    const __m512 value = _mm512_mask_mov_ps(lowest, lanes, maskedScores(head, scores, mask, n, lanes));
    _mm512_store_ps(scores + n, value);
    largest = _mm512_max_ps(largest, value);
  }
  top = _mm512_reduce_max_ps(largest);
  const __m512 offset = _mm512_set1_ps(top);
  __m512 total = _mm512_setzero_ps();
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const __mmask16 lanes = firstWords(keys - n);
    const __m512 e = _mm512_maskz_mov_ps(lanes, expVector(_mm512_sub_ps(_mm512_load_ps(scores + n), offset)));
    total = _mm512_add_ps(total, e);
    storeVector(out + n, e, 0xffff);
  }
  sum = _mm512_reduce_add_ps(total);
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
        const __m512 factor = _mm512_set1_ps(kept[2 * i + 1]);
        T* out = y + ((head.sample * shape.length + query + i) * shape.heads + head.head) * d + n * kBlock;
        storePair(out, _mm512_mul_ps(_mm512_load_ps(c + i * kBlock), factor),
                  _mm512_mul_ps(_mm512_load_ps(c + i * kBlock + 16), factor), d - n * kBlock);
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
#endif

// qkv [B, L, 3 h d], mask float32, prompts of qkv's type -> y [B, L, h d] of that type, and of each query its largest
// score and one over the sum of its softmax, [B h, L, 2] in float32.
std::tuple<at::Tensor, at::Tensor> tileAttention(const at::Tensor& qkv, const c10::optional<at::Tensor>& mask,
                                                  const c10::optional<at::Tensor>& promptKeys,
                                                  const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  const AttentionTensors tensors(qkv, mask, promptKeys, promptValues, heads);
  const AttentionShape shape = tensors.shape();
  at::Tensor y = at::empty({shape.batch, shape.length, shape.width()}, qkv.options());
  at::Tensor softmax = at::empty({shape.batch * heads, shape.length, 2}, qkv.options().dtype(at::kFloat));
#if POLYGATE_TILES
  if (isHalf(qkv)) forwardHeads<Bits>(tensors, y, softmax);
  else forwardHeads<float>(tensors, y, softmax);
#endif
  return {y, softmax};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "tile_attention(Tensor qkv, Tensor? mask, Tensor? prompt_keys, Tensor? prompt_values, int heads) -> (Tensor, "
      "Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) { m.impl("tile_attention", tileAttention); }

}  // namespace polygate
