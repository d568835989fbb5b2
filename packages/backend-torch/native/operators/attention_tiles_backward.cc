// Attention backward on the tile unit: scores are computed again, block by block; see attention_tiles.h. Twin:
// PgAttentionGrad composed of ATen's operators.
#include "attention_tiles.h"

namespace polygate {
namespace {

#if POLYGATE_TILES
using namespace tiles;

constexpr int64_t kQueryBlocks = 8;  // blocks of queries whose probabilities are held at once

// dy and q as right factors of products that sum over a chunk of queries: [d, chunk].
POLYGATE_TILE_INLINE void packQueries(const Bits* first, int64_t stride, int64_t count, int64_t d, int64_t steps, Bits* out) {
  for (int64_t s = 0; s < steps; ++s) {
    Rows rows;
    for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = s * kBlock + i < count ? first + (s * kBlock + i) * stride : nullptr;
    for (int64_t n = 0; n < d; n += kBlock)
      packPairs(rows, n, std::min(kBlock, d - n), out + (n / kBlock * kQueryBlocks + s) * kStep);
  }
}

// Probabilities and the scores' gradient of one query, both as bf16 with zeros up to whole blocks:
// p = exp(score - logarithm), ds = scale * p * (dp - sum(p dp)).
POLYGATE_TILE_INLINE void softmaxGradientRow(const Head& head, float* scores, float* gradients, const float* mask,
                                             float logarithm, Bits* p, Bits* ds) {
  const int64_t keys = head.in.shape.keys();
  const __m512 offset = _mm512_set1_ps(logarithm), scale = _mm512_set1_ps(head.in.scale);
  __m512 along = _mm512_setzero_ps();
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const __mmask16 lanes = firstWords(keys - n);
    const __m512 value = maskedScores(head, scores, mask, n, lanes);
    const __m512 probability = _mm512_maskz_mov_ps(lanes, expVector(_mm512_sub_ps(value, offset)));
    _mm512_store_ps(scores + n, probability);
    storeVector(p + n, probability, 0xffff);
    along = _mm512_fmadd_ps(probability, _mm512_load_ps(gradients + n), along);
  }
  const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(along));
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const __m512 change = _mm512_sub_ps(_mm512_load_ps(gradients + n), mean);
    storeVector(ds + n, _mm512_mul_ps(_mm512_mul_ps(_mm512_load_ps(scores + n), scale), change), 0xffff);
  }
}

// What a thread works in while it does one head; sizes in blocks of 32.
struct BackwardRoom {
  float *scores, *gradients, *c, *keySums, *valueSums;
  Bits *p, *ds, *room, *keysByWidth, *valuesByWidth, *keysByKeys, *queries, *outputs, *columns;
  BackwardRoom(int64_t widths, int64_t steps, int64_t spread, int64_t padded) {
    const int64_t sums = steps * widths * kStep, rows = kQueryBlocks * kBlock * spread;
    const int64_t chunk = widths * kQueryBlocks * kStep;
    const int64_t row = kBlock * steps * kBlock;
    scores = static_cast<float*>(scratch(4 * (2 * row + kStep + 2 * sums) +
                                         2 * (2 * rows + kBlock * padded + 3 * sums + 2 * chunk + kQueryBlocks * kStep)));
    gradients = scores + row;
    c = gradients + row;
    keySums = c + kStep;
    valueSums = keySums + sums;
    p = reinterpret_cast<Bits*>(valueSums + sums);
    ds = p + rows;
    room = ds + rows;
    keysByWidth = room + kBlock * padded;
    valuesByWidth = keysByWidth + sums;
    keysByKeys = valuesByWidth + sums;
    queries = keysByKeys + sums;
    outputs = queries + chunk;
    columns = outputs + chunk;
  }
};

// sums [K, d] (+)= left [queries, K]^T times right [queries, d], for a chunk of queries.
POLYGATE_TILE_TARGET void addTransposed(const Bits* left, int64_t spread, const Bits* right, int64_t steps, int64_t keySteps,
                                        int64_t widths, bool first, Bits* columns, float* sums) {
  for (int64_t k = 0; k < keySteps; ++k) {
    for (int64_t s = 0; s < steps; ++s) {
      Rows rows;
      for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = left + (s * kBlock + i) * spread;
      packColumns(rows, k * kBlock, kBlock, columns + s * kStep);
    }
    const Left packed{columns, columns + 512, 64, kStep};
    for (int64_t n = 0; n < widths; ++n) {
      float* out = sums + k * kBlock * widths * kBlock + n * kBlock;
      const Bits* panel = right + n * kQueryBlocks * kStep;
      if (first) multiply<false>(packed, panel, steps, out, widths * kBlock);
      else multiply<true>(packed, panel, steps, out, widths * kBlock);
    }
  }
}

struct BackwardOutputs {
  Bits* dqkv;               // [B, L, 3 h d]
  float *keys, *values;     // gradients of prompts [B, P, h d], or null
};

POLYGATE_TILE_INLINE void storeRow(Bits* out, const float* from, int64_t d) {
  for (int64_t n = 0; n < d; n += kBlock)
    storePair(out + n, _mm512_load_ps(from + n), _mm512_load_ps(from + n + 16), firstHalves(d - n));
}

// Gradients of keys or values, summed over the queries, to where they belong.
POLYGATE_TILE_TARGET void storeKeyGradients(const Head& head, Part part, const float* sums, int64_t columns,
                                            const BackwardOutputs& out) {
  const AttentionShape& shape = head.in.shape;
  for (int64_t k = 0; k < shape.keys(); ++k) {
    const float* from = sums + k * columns;
    if (k >= shape.prompts) {
      storeRow(out.dqkv + (head.own(part, k - shape.prompts) - head.in.qkv), from, shape.head);
      continue;
    }
    float* to = (part == kKey ? out.keys : out.values) + (head.sample * shape.prompts + k) * shape.width() + head.head * shape.head;
    std::copy(from, from + shape.head, to);
  }
}

POLYGATE_TILE_TARGET void backwardHead(const Head& head, const Bits* dy, const float* logarithms, const BackwardOutputs& out) {
  const AttentionShape& shape = head.in.shape;
  const int64_t d = shape.head, widths = blocks(d), steps = blocks(shape.keys());
  const int64_t columns = steps * kBlock, spread = paddedWidth(shape.keys()), stride = 3 * shape.width();
  const BackwardRoom r(widths, steps, spread, paddedWidth(d));
  packByWidth(head, kKey, r.keysByWidth);
  packByWidth(head, kValue, r.valuesByWidth);
  packByKeys(head, kKey, r.keysByKeys);
  const Bits* dyHead = dy + head.sample * shape.length * shape.width() + head.head * d;
  for (int64_t start = 0; start < shape.length; start += kQueryBlocks * kBlock) {
    const int64_t chunk = std::min(kQueryBlocks * kBlock, shape.length - start), chunkSteps = blocks(chunk);
    packQueries(head.own(kQuery, start), stride, chunk, d, chunkSteps, r.queries);
    packQueries(dyHead + start * shape.width(), shape.width(), chunk, d, chunkSteps, r.outputs);
    for (int64_t s = 0; s < chunkSteps; ++s) {
      const int64_t query = start + s * kBlock, count = std::min(kBlock, shape.length - query);
      Bits *p = r.p + s * kBlock * spread, *ds = r.ds + s * kBlock * spread;
      blockProducts(queryBlock(head.own(kQuery, query), stride, count, d, r.room), r.keysByWidth, widths, steps, r.scores, columns);
      blockProducts(queryBlock(dyHead + query * shape.width(), shape.width(), count, d, r.room), r.valuesByWidth, widths, steps,
                    r.gradients, columns);
      for (int64_t i = 0; i < count; ++i)
        softmaxGradientRow(head, r.scores + i * columns, r.gradients + i * columns, head.maskRow(query + i),
                           logarithms[query + i], p + i * spread, ds + i * spread);
      // Rows beyond the last query hold another block's numbers; products over the queries must not see them.
      for (int64_t i = count; i < kBlock; ++i) {
        std::fill(p + i * spread, p + i * spread + columns, Bits{0});
        std::fill(ds + i * spread, ds + i * spread + columns, Bits{0});
      }
      for (int64_t n = 0; n < widths; ++n) {
        multiply<false>(inPlace(ds, spread), r.keysByKeys + n * steps * kStep, steps, r.c, kBlock);
        for (int64_t i = 0; i < count; ++i) {
          Bits* to = out.dqkv + (head.own(kQuery, query + i) - head.in.qkv) + n * kBlock;
          storeRow(to, r.c + i * kBlock, std::min(kBlock, d - n * kBlock));
        }
      }
    }
    addTransposed(r.p, spread, r.outputs, chunkSteps, steps, widths, start == 0, r.columns, r.valueSums);
    addTransposed(r.ds, spread, r.queries, chunkSteps, steps, widths, start == 0, r.columns, r.keySums);
  }
  storeKeyGradients(head, kKey, r.keySums, widths * kBlock, out);
  storeKeyGradients(head, kValue, r.valueSums, widths * kBlock, out);
}
#endif

// -> dqkv bf16, and the gradients of prompt keys and values [B, P, h d] in float32 where there are prompts.
std::tuple<at::Tensor, at::Tensor, at::Tensor> tileAttentionBackward(
    const at::Tensor& gradient, const at::Tensor& fused, const at::Tensor& logarithms, const c10::optional<at::Tensor>& mask,
    const c10::optional<at::Tensor>& promptKeys, const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  TORCH_CHECK(tiles::available(), "tile_attention_backward: this processor has no tile unit");
  const at::Tensor qkv = fused.contiguous(), bias = given(mask), pk = given(promptKeys), pv = given(promptValues);
  const at::Tensor dy = gradient.to(at::kBFloat16).contiguous(), sums = logarithms.contiguous();
  const AttentionInputs in = attentionInputs(qkv, bias, pk, pv, heads);
  at::Tensor dqkv = at::empty_like(qkv), dKeys, dValues;
  if (in.shape.prompts > 0) {
    dKeys = at::zeros({in.shape.batch, in.shape.prompts, in.shape.width()}, qkv.options().dtype(at::kFloat));
    dValues = at::zeros_like(dKeys);
  }
#if POLYGATE_TILES
  const BackwardOutputs out{pointer<Bits>(dqkv), dKeys.defined() ? pointer<float>(dKeys) : nullptr,
                            dValues.defined() ? pointer<float>(dValues) : nullptr};
  at::parallel_for(0, in.shape.batch * heads, 1, [&](int64_t from, int64_t to) {
    const Session session;
    for (int64_t i = from; i < to; ++i)
      backwardHead({in, i / heads, i % heads}, pointer<Bits>(dy), pointer<float>(sums) + i * in.shape.length, out);
  });
#endif
  return {dqkv, dKeys, dValues};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "tile_attention_backward(Tensor dy, Tensor qkv, Tensor logarithms, Tensor? mask, Tensor? prompt_keys, Tensor? "
      "prompt_values, int heads) -> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) { m.impl("tile_attention_backward", tileAttentionBackward); }

}  // namespace polygate
