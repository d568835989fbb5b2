// Attention backward in products of blocks: scores are computed again, block by block; see attention_tiles.h. Twin:
// PgAttentionGrad composed of ATen's operators.
#include "attention_tiles.h"
#include "turns.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

constexpr int64_t kQueryBlocks = 8;  // blocks of queries whose probabilities are held at once

// dy or q as the right factor of a product that sums over a chunk of queries.
template <class T>
POLYGATE_TILE_INLINE void packQueries(const T* first, int64_t stride, int64_t size, int64_t d, T* out) {
  for (int64_t s = 0; s < blocks(size); ++s) {
    RowsOf<T> rows;
    for (int64_t i = 0; i < kBlock; ++i) {
      const int64_t query = s * kBlock + i;
      rows.at[i] = query < size ? first + query * stride : nullptr;
    }
    for (int64_t n = 0; n < d; n += kBlock)
      packRows(rows, n, std::min(kBlock, d - n), out + (n / kBlock * kQueryBlocks + s) * kStep);
  }
}

// Probabilities and the scores' gradient of one query, with zeros up to whole blocks:
// p = exp(score - largest) / sum, ds = scale * p * (dp - sum(p dp)).
template <class T>
POLYGATE_TILE_INLINE void softmaxGradientRow(const Head<T>& head, float* scores, const float* gradients, const float* mask,
                                              const float* softmax, T* p, T* ds) {
  const int64_t keys = head.in.shape.keys();
  const Vector offset = repeat(softmax[0]), inverse = repeat(softmax[1]), scale = repeat(head.in.scale);
  Vector along = zeros();
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const Mask lanes = firstWords(keys - n);
    const Vector value = maskedScores(head, scores, mask, n, lanes);
    const Vector probability = keep(lanes, mul(expVector(sub(value, offset)), inverse));
    storeAligned(scores + n, probability);
    storeVector(p + n, probability, 0xffff);
    along = fmadd(probability, loadAligned(gradients + n), along);
  }
  const Vector mean = repeat(sumOf(along));
  for (int64_t n = 0; n < blocks(keys) * kBlock; n += 16) {
    const Vector change = sub(loadAligned(gradients + n), mean);
    storeVector(ds + n, mul(mul(loadAligned(scores + n), scale), change), 0xffff);
  }
}

// What a thread works in while it does one head.
template <class T>
struct Room {
  float *scores, *gradients, *c, *keySums, *valueSums;
  T *p, *ds, *copy, *keysByWidth, *valuesByWidth, *keysByKeys, *queries, *outputs, *columns;
  int64_t spread;

  explicit Room(const AttentionShape& shape) : spread(paddedWidth<T>(shape.keys())) {
    const int64_t steps = blocks(shape.keys()), widths = blocks(shape.head);
    const int64_t panels = steps * widths * kStep, chunk = widths * kQueryBlocks * kStep;
    const int64_t row = steps * kStep, rows = kQueryBlocks * kBlock * spread, copied = kBlock * paddedWidth<T>(shape.head);
    scores = static_cast<float*>(
        scratch(4 * (2 * row + kStep + 2 * panels) + sizeof(T) * (2 * rows + copied + 3 * panels + 2 * chunk + kQueryBlocks * kStep)));
    gradients = scores + row;
    c = gradients + row;
    keySums = c + kStep;
    valueSums = keySums + panels;
    p = reinterpret_cast<T*>(valueSums + panels);
    ds = p + rows;
    copy = ds + rows;
    keysByWidth = copy + copied;
    valuesByWidth = keysByWidth + panels;
    keysByKeys = valuesByWidth + panels;
    queries = keysByKeys + panels;
    outputs = queries + chunk;
    columns = outputs + chunk;
  }
};

// sums [K, d] = or += left [queries, K]^T times right [queries, d], for a chunk of queries.
template <class T>
POLYGATE_TILE_TARGET void addTransposed(const Room<T>& room, const T* left, const T* right, const AttentionShape& shape,
                                         int64_t steps, bool first, float* sums) {
  const int64_t widths = blocks(shape.head);
  for (int64_t k = 0; k < blocks(shape.keys()); ++k) {
    for (int64_t s = 0; s < steps; ++s) {
      RowsOf<T> rows;
      for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = left + (s * kBlock + i) * room.spread;
      packColumns(rows, k * kBlock, kBlock, room.columns + s * kStep);
    }
    for (int64_t n = 0; n < widths; ++n) {
      float* out = sums + k * widths * kStep + n * kBlock;
      const T* panel = right + n * kQueryBlocks * kStep;
      if (first) multiply<false>(packed(room.columns), panel, steps, out, widths * kBlock);
      else multiply<true>(packed(room.columns), panel, steps, out, widths * kBlock);
    }
  }
}

template <class T>
struct Gradients {
  T* dqkv;               // [B, L, 3 h d]
  float *keys, *values;  // of prompts [B, P, h d], or null
};

template <class T>
POLYGATE_TILE_INLINE void storeRow(T* out, const float* from, int64_t d) {
  for (int64_t n = 0; n < d; n += kBlock)
    storePair(out + n, loadAligned(from + n), loadAligned(from + n + 16), d - n);
}

// Gradients of keys or values, summed over the queries, to where they belong.
template <class T>
POLYGATE_TILE_TARGET void storeKeyGradients(const Head<T>& head, Part part, const float* sums, const Gradients<T>& out) {
  const AttentionShape& shape = head.in.shape;
  for (int64_t k = 0; k < shape.keys(); ++k, sums += blocks(shape.head) * kBlock) {
    if (k >= shape.prompts) {
      storeRow(out.dqkv + (head.own(part, k - shape.prompts) - head.in.qkv), sums, shape.head);
      continue;
    }
    float* to = (part == kKey ? out.keys : out.values) + (head.sample * shape.prompts + k) * shape.width();
    std::copy(sums, sums + shape.head, to + head.head * shape.head);
  }
}

// A block of queries: its probabilities and scores' gradients into `p` and `ds`, and dq.
template <class T>
POLYGATE_TILE_TARGET void queryGradients(const Head<T>& head, const Room<T>& room, const T* dy, const float* softmax,
                                          int64_t query, T* p, T* ds, const Gradients<T>& out) {
  const AttentionShape& shape = head.in.shape;
  const int64_t d = shape.head, widths = blocks(d), steps = blocks(shape.keys()), columns = steps * kBlock;
  const int64_t size = std::min(kBlock, shape.length - query);
  keyProducts(queryBlock(head.own(kQuery, query), 3 * shape.width(), size, d, room.copy), room.keysByWidth, widths, room.scores,
              columns);
  keyProducts(queryBlock(dy, shape.width(), size, d, room.copy), room.valuesByWidth, widths, room.gradients, columns);
  for (int64_t i = 0; i < size; ++i)
    softmaxGradientRow(head, room.scores + i * columns, room.gradients + i * columns, head.maskRow(query + i),
                       softmax + 2 * (query + i), p + i * room.spread, ds + i * room.spread);
  // Rows beyond the last query hold another block's numbers; products over the queries must not see them.
  for (int64_t i = size; i < kBlock; ++i) {
    std::fill(p + i * room.spread, p + i * room.spread + columns, T{0});
    std::fill(ds + i * room.spread, ds + i * room.spread + columns, T{0});
  }
  for (int64_t n = 0; n < widths; ++n) {
    multiply<false>(inPlace<T>(ds, room.spread), room.keysByKeys + n * steps * kStep, steps, room.c, kBlock);
    for (int64_t i = 0; i < size; ++i) {
      T* to = out.dqkv + (head.own(kQuery, query + i) - head.in.qkv) + n * kBlock;
      storeRow(to, room.c + i * kBlock, std::min(kBlock, d - n * kBlock));
    }
  }
}

template <class T>
POLYGATE_TILE_TARGET void backwardHead(const Head<T>& head, const T* gradient, const float* softmax, const Gradients<T>& out) {
  const AttentionShape& shape = head.in.shape;
  const Room<T> room(shape);
  packByWidth(head, kKey, room.keysByWidth);
  packByWidth(head, kValue, room.valuesByWidth);
  packByKeys(head, kKey, room.keysByKeys);
  const T* dy = gradient + head.sample * shape.length * shape.width() + head.head * shape.head;
  for (int64_t start = 0; start < shape.length; start += kQueryBlocks * kBlock) {
    const int64_t size = std::min(kQueryBlocks * kBlock, shape.length - start);
    packQueries(head.own(kQuery, start), 3 * shape.width(), size, shape.head, room.queries);
    packQueries(dy + start * shape.width(), shape.width(), size, shape.head, room.outputs);
    for (int64_t at = 0; at < size; at += kBlock)
      queryGradients(head, room, dy + (start + at) * shape.width(), softmax, start + at, room.p + at * room.spread,
                     room.ds + at * room.spread, out);
    addTransposed(room, room.p, room.outputs, shape, blocks(size), start == 0, room.valueSums);
    addTransposed(room, room.ds, room.queries, shape, blocks(size), start == 0, room.keySums);
  }
  storeKeyGradients(head, kKey, room.keySums, out);
  storeKeyGradients(head, kValue, room.valueSums, out);
}

template <class T>
void backwardHeads(const AttentionTensors& tensors, const at::Tensor& dy, const at::Tensor& softmax, const Gradients<T>& out) {
  const AttentionInputs<T> in = tensors.inputs<T>();
  const int64_t heads = in.shape.heads;
  takeTurns<SessionOf<T>>(in.shape.batch * heads, [&](int64_t i) {
    backwardHead<T>({in, i / heads, i % heads}, pointer<T>(dy), pointer<float>(softmax) + 2 * i * in.shape.length, out);
  });
}

}  // namespace

void attentionBackward(const AttentionTensors& tensors, const at::Tensor& dy, const at::Tensor& softmax, const at::Tensor& dqkv,
                       const at::Tensor& dKeys, const at::Tensor& dValues) {
  float* keys = dKeys.defined() ? pointer<float>(dKeys) : nullptr;
  float* values = dValues.defined() ? pointer<float>(dValues) : nullptr;
  withBlockType(isHalf(dqkv), [&](auto number) {
    using T = decltype(number);
    backwardHeads<T>(tensors, dy, softmax, {pointer<T>(dqkv), keys, values});
  });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
