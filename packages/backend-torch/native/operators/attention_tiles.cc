// Attention forward on the tile unit; see attention_tiles.h. Twin: PgAttention composed of ATen's operators.
#include "attention_tiles.h"

namespace polygate {
namespace {

#if POLYGATE_TILES
using namespace tiles;

// scores [keys] -> exp(score - largest) as bf16, zeros up to whole blocks; gives the largest and the sum.
POLYGATE_TILE_INLINE void softmaxRow(const Head& head, float* scores, const float* mask, Bits* out, float& top, float& sum) {
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

POLYGATE_TILE_TARGET void forwardHead(const Head& head, Bits* y, float* logarithms) {
  const AttentionShape& shape = head.in.shape;
  const int64_t d = shape.head, widths = blocks(d), steps = blocks(shape.keys());
  const int64_t columns = steps * kBlock, spread = paddedWidth(shape.keys());
  float* scores = static_cast<float*>(
      scratch(4 * kBlock * columns + 4 * kStep + 2 * kBlock * (spread + paddedWidth(d)) + 4 * kStep * widths * steps));
  float* c = scores + kBlock * columns;
  Bits* probabilities = reinterpret_cast<Bits*>(c + kStep);
  Bits* room = probabilities + kBlock * spread;
  Bits* keys = room + kBlock * paddedWidth(d);
  Bits* values = keys + kStep * widths * steps;
  packByWidth(head, kKey, keys);
  packByKeys(head, kValue, values);
  for (int64_t query = 0; query < shape.length; query += kBlock) {
    const int64_t count = std::min(kBlock, shape.length - query);
    const Left left = queryBlock(head.own(kQuery, query), 3 * shape.width(), count, d, room);
    blockProducts(left, keys, widths, steps, scores, columns);
    float inverse[kBlock];
    for (int64_t i = 0; i < count; ++i) {
      float top, sum;
      softmaxRow(head, scores + i * columns, head.maskRow(query + i), probabilities + i * spread, top, sum);
      inverse[i] = 1.0f / sum;
      logarithms[query + i] = top + std::log(sum);
    }
    for (int64_t n = 0; n < widths; ++n) {
      multiply<false>(inPlace(probabilities, spread), values + n * steps * kStep, steps, c, kBlock);
      for (int64_t i = 0; i < count; ++i) {
        const __m512 factor = _mm512_set1_ps(inverse[i]);
        Bits* out = y + ((head.sample * shape.length + query + i) * shape.heads + head.head) * d + n * kBlock;
        storePair(out, _mm512_mul_ps(_mm512_load_ps(c + i * kBlock), factor),
                  _mm512_mul_ps(_mm512_load_ps(c + i * kBlock + 16), factor), firstHalves(d - n * kBlock));
      }
    }
  }
}
#endif

// qkv [B, L, 3 h d] bf16, mask float32, prompts bf16 -> y [B, L, h d] bf16, logarithms of the softmax's sums [B h, L].
std::tuple<at::Tensor, at::Tensor> tileAttention(const at::Tensor& fused, const c10::optional<at::Tensor>& mask,
                                                 const c10::optional<at::Tensor>& promptKeys,
                                                 const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  TORCH_CHECK(tiles::available(), "tile_attention: this processor has no tile unit");
  const at::Tensor qkv = fused.contiguous(), bias = given(mask), pk = given(promptKeys), pv = given(promptValues);
  const AttentionInputs in = attentionInputs(qkv, bias, pk, pv, heads);
  at::Tensor y = at::empty({in.shape.batch, in.shape.length, in.shape.width()}, qkv.options());
  at::Tensor logarithms = at::empty({in.shape.batch * heads, in.shape.length}, qkv.options().dtype(at::kFloat));
#if POLYGATE_TILES
  at::parallel_for(0, in.shape.batch * heads, 1, [&](int64_t from, int64_t to) {
    const Session session;
    for (int64_t i = from; i < to; ++i)
      forwardHead({in, i / heads, i % heads}, pointer<Bits>(y), pointer<float>(logarithms) + i * in.shape.length);
  });
#endif
  return {y, logarithms};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "tile_attention(Tensor qkv, Tensor? mask, Tensor? prompt_keys, Tensor? prompt_values, int heads) -> (Tensor, "
      "Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) { m.impl("tile_attention", tileAttention); }

}  // namespace polygate
