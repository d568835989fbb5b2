// span_linear.h on the tile unit. Forward and dx: blocks of 32 rows times a weight packed once. dW: a task owns a range
// of rows of dW, and goes over the tokens in chunks whose packed factors stay in the second-level cache. What a thread
// computes does not depend on the number of threads.
// M tokens of a weight · K length of the sum · N columns of the result.
#include "span_linear.h"

#include "tile_math.h"

namespace polygate {

#if POLYGATE_TILES
namespace {

using namespace tiles;

// A block of up to 32 tokens of one weight.
struct Block {
  int64_t weight, first, count;
};

std::vector<Block> blocksOf(const SpanRows& rows) {
  std::vector<Block> list;
  for (size_t w = 0; w < rows.of.size(); ++w)
    for (int64_t at = 0, size = static_cast<int64_t>(rows.of[w].size()); at < size; at += kBlock)
      list.push_back({static_cast<int64_t>(w), at, std::min(kBlock, size - at)});
  return list;
}

// A right factor in panels: those of weight w begin at w * size.
struct Panels {
  at::Tensor memory;
  int64_t steps, count, size;
  const Bits* of(int64_t weight, int64_t panel) const {
    return pointer<Bits>(memory) + weight * size + panel * steps * kStep;
  }
};

POLYGATE_TILE_TARGET void packPanel(const Bits* w, int64_t height, int64_t width, bool transposed, int64_t panel, Bits* out) {
  const int64_t n = panel * kBlock, sum = transposed ? width : height;
  for (int64_t k = 0; k < sum; k += kBlock, out += kStep) {
    const int64_t top = transposed ? n : k, left = transposed ? k : n;
    Rows rows;
    for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = top + i < height ? w + (top + i) * width : nullptr;
    if (transposed) packTransposed(rows, left, std::min(kBlock, width - left), out);
    else packPairs(rows, left, std::min(kBlock, width - left), out);
  }
}

// Weights [O, I]: transposed for x W^T (columns O, sum over I), else for dz W (columns I, sum over O).
Panels packWeights(const std::vector<at::Tensor>& weights, bool transposed) {
  const int64_t height = weights[0].size(0), width = weights[0].size(1);
  Panels panels;
  panels.steps = blocks(transposed ? width : height);
  panels.count = blocks(transposed ? height : width);
  panels.size = panels.count * panels.steps * kStep;
  panels.memory = at::empty({static_cast<int64_t>(weights.size()) * panels.size}, weights[0].options());
  Bits* out = pointer<Bits>(panels.memory);
  at::parallel_for(0, static_cast<int64_t>(weights.size()) * panels.count, 2, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      packPanel(pointer<Bits>(weights[i / panels.count]), height, width, transposed, i % panels.count,
                out + i * panels.steps * kStep);
  });
  return panels;
}

// Tasks are blocks by groups of panels: few blocks are split along the columns so that all threads have work.
int64_t groupsFor(int64_t blockCount, int64_t panels) {
  const int64_t wanted = 3 * at::get_num_threads();
  return std::max<int64_t>(1, std::min(panels, (wanted + blockCount - 1) / std::max<int64_t>(1, blockCount)));
}

POLYGATE_TILE_TARGET Left leftOf(const Bits* x, int64_t width, const int32_t* rows, int64_t count, Bits* room) {
  const bool together = count == kBlock && rows[kBlock - 1] - rows[0] == kBlock - 1;
  if (together && paddedWidth(width) == width) return inPlace(x + rows[0] * width, width);
  Rows list;
  for (int64_t i = 0; i < kBlock; ++i) list.at[i] = i < count ? x + rows[i] * width : nullptr;
  return copyRows(list, width, room);
}

struct Finish {
  const float* bias;
  bool gelu;
  Bits *y, *z;  // z may be null
  int64_t width;
};

// c [count, columns] to y and z.
template <bool kGelu>
POLYGATE_TILE_INLINE void finishRows(const float* c, const int32_t* rows, int64_t count, int64_t first, int64_t columns,
                                     const Finish& f) {
  const __mmask32 mask = firstHalves(columns);
  __m512 lowBias = _mm512_setzero_ps(), highBias = _mm512_setzero_ps();
  if (f.bias != nullptr) {
    lowBias = loadVector(f.bias + first, firstWords(columns));
    highBias = loadVector(f.bias + first + 16, firstWords(columns - 16));
  }
  for (int64_t i = 0; i < count; ++i, c += kBlock) {
    const int64_t place = rows[i] * f.width + first;
    const __m512 low = _mm512_add_ps(_mm512_load_ps(c), lowBias);
    const __m512 high = _mm512_add_ps(_mm512_load_ps(c + 16), highBias);
    if (!kGelu) {
      storePair(f.y + place, low, high, mask);
      continue;
    }
    if (f.z != nullptr) storePair(f.z + place, low, high, mask);
    storePair(f.y + place, geluVector(low), geluVector(high), mask);
  }
}

POLYGATE_TILE_TARGET void finish(const float* c, const int32_t* rows, int64_t count, int64_t first, int64_t columns,
                                 const Finish& f) {
  if (f.gelu) finishRows<true>(c, rows, count, first, columns, f);
  else finishRows<false>(c, rows, count, first, columns, f);
}

POLYGATE_TILE_TARGET void forwardTask(const SpanForward& call, const Block& block, const Panels& panels, int64_t from,
                                      int64_t to) {
  const int64_t inner = call.x.size(2), outer = call.y.size(2);
  float* c = static_cast<float*>(scratch(4 * kStep + 2 * kBlock * paddedWidth(inner)));
  const int32_t* rows = call.rows.of[block.weight].data() + block.first;
  const Left left = leftOf(pointer<Bits>(call.x), inner, rows, block.count, reinterpret_cast<Bits*>(c + kStep));
  const Finish target{call.biases.empty() ? nullptr : pointer<float>(call.biases[block.weight]), call.gelu,
                      pointer<Bits>(call.y), call.z.defined() ? pointer<Bits>(call.z) : nullptr, outer};
  for (int64_t p = from; p < to; ++p) {
    multiply<false>(left, panels.of(block.weight, p), panels.steps, c, kBlock);
    finish(c, rows, block.count, p * kBlock, std::min(kBlock, outer - p * kBlock), target);
  }
}

// dz = dy * gelu'(z), rows of `width`.
template <class G>
POLYGATE_TILE_INLINE void geluGradient(const G* dy, const Bits* z, Bits* dz, int64_t width) {
  for (int64_t n = 0; n < width; n += 16) {
    const __mmask16 mask = firstWords(width - n);
    const __m512 slope = geluSlopeVector(loadVector(z + n, mask));
    storeVector(dz + n, _mm512_mul_ps(loadVector(dy + n, mask), slope), mask);
  }
}

// What the tokens' part of the backward pass shares.
struct Tokens {
  const SpanBackward& call;
  const Panels& panels;
  const at::Tensor& dz;  // bf16 [B, L, O]; written here when it is not dy itself
  const std::vector<Block>& blocks;
  int64_t groups;
};

POLYGATE_TILE_TARGET void gradientRows(const Tokens& t, const Block& block) {
  const int64_t outer = t.dz.size(2);
  const std::vector<int32_t>& rows = t.call.rows.of[block.weight];
  for (int64_t i = block.first; i < block.first + block.count; ++i) {
    const int64_t at = rows[i] * outer;
    Bits* out = pointer<Bits>(t.dz) + at;
    if (isHalf(t.call.dy)) geluGradient(pointer<Bits>(t.call.dy) + at, pointer<Bits>(t.call.z) + at, out, outer);
    else geluGradient(pointer<float>(t.call.dy) + at, pointer<Bits>(t.call.z) + at, out, outer);
  }
}

POLYGATE_TILE_TARGET void inputGradientTask(const Tokens& t, const Block& block, int64_t from, int64_t to) {
  const int64_t outer = t.dz.size(2), inner = t.call.dx.size(2);
  float* c = static_cast<float*>(scratch(4 * kStep + 2 * kBlock * paddedWidth(outer)));
  const int32_t* rows = t.call.rows.of[block.weight].data() + block.first;
  const Left left = leftOf(pointer<Bits>(t.dz), outer, rows, block.count, reinterpret_cast<Bits*>(c + kStep));
  const Finish target{nullptr, false, pointer<Bits>(t.call.dx), nullptr, inner};
  for (int64_t p = from; p < to; ++p) {
    multiply<false>(left, t.panels.of(block.weight, p), t.panels.steps, c, kBlock);
    finish(c, rows, block.count, p * kBlock, std::min(kBlock, inner - p * kBlock), target);
  }
}

// A range of 32-wide strips of one weight's gradient: of its rows (outputs) or, where `byInput`, of its columns.
struct Strip {
  int64_t weight, first, count;
  bool byInput;
};

constexpr int64_t kChunk = 16;  // steps of 32 tokens whose packed factors are held at once

// Adds the columns' sums of up to 32 rows to sums [32].
POLYGATE_TILE_INLINE void addColumns(const Rows& rows, int64_t first, int64_t columns, float* sums) {
  const __mmask16 low = firstWords(columns), high = firstWords(columns - 16);
  __m512 a = loadVector(sums, 0xffff), b = loadVector(sums + 16, 0xffff);
  for (int64_t i = 0; i < kBlock && rows.at[i] != nullptr; ++i) {
    a = _mm512_add_ps(a, loadVector(rows.at[i] + first, low));
    b = _mm512_add_ps(b, loadVector(rows.at[i] + first + 16, high));
  }
  storeVector(sums, a, 0xffff);
  storeVector(sums + 16, b, 0xffff);
}

POLYGATE_TILE_TARGET void weightGradientTask(const SpanBackward& call, const at::Tensor& dz, const Strip& strip) {
  const std::vector<int32_t>& tokens = call.rows.of[strip.weight];
  const int64_t outer = dz.size(2), inner = call.x.size(2);
  const int64_t outFrom = strip.byInput ? 0 : strip.first, outTo = strip.byInput ? blocks(outer) : strip.first + strip.count;
  const int64_t inFrom = strip.byInput ? strip.first : 0, inTo = strip.byInput ? strip.first + strip.count : blocks(inner);
  const int64_t lefts = outTo - outFrom, rights = inTo - inFrom;
  const bool sums = !call.dBiases.empty() && inFrom == 0;
  const bool wants = !call.dWeights.empty();
  float* edge = static_cast<float*>(scratch(4 * kStep + 4 * kBlock * lefts + 2 * kStep * kChunk * (lefts + rights)));
  float* columnTotals = edge + kStep;
  Bits* left = reinterpret_cast<Bits*>(columnTotals + kBlock * lefts);
  Bits* right = left + kStep * kChunk * lefts;
  std::fill(columnTotals, columnTotals + kBlock * lefts, 0.0f);
  float* dw = wants ? pointer<float>(call.dWeights[strip.weight]) : nullptr;
  const int64_t count = static_cast<int64_t>(tokens.size());
  for (int64_t start = 0; start < count; start += kChunk * kBlock) {
    const int64_t steps = blocks(std::min(kChunk * kBlock, count - start));
    for (int64_t s = 0; s < steps; ++s) {
      Rows ofGradient, ofInput;
      for (int64_t i = 0; i < kBlock; ++i) {
        const int64_t token = start + s * kBlock + i;
        ofGradient.at[i] = token < count ? pointer<Bits>(dz) + tokens[token] * outer : nullptr;
        ofInput.at[i] = token < count ? pointer<Bits>(call.x) + tokens[token] * inner : nullptr;
      }
      for (int64_t o = 0; o < lefts; ++o) {
        const int64_t first = (outFrom + o) * kBlock, columns = std::min(kBlock, outer - first);
        if (wants) packColumns(ofGradient, first, columns, left + (o * kChunk + s) * kStep);
        if (sums) addColumns(ofGradient, first, columns, columnTotals + o * kBlock);
      }
      for (int64_t i = 0; wants && i < rights; ++i) {
        const int64_t first = (inFrom + i) * kBlock;
        packPairs(ofInput, first, std::min(kBlock, inner - first), right + (i * kChunk + s) * kStep);
      }
    }
    for (int64_t o = 0; wants && o < lefts; ++o) {
      const Bits* rows = left + o * kChunk * kStep;
      const Left packed{rows, rows + 512, 64, kStep};
      for (int64_t i = 0; i < rights; ++i) {
        const int64_t top = (outFrom + o) * kBlock, side = (inFrom + i) * kBlock;
        const Bits* panel = right + i * kChunk * kStep;
        if (top + kBlock <= outer && side + kBlock <= inner) {
          float* c = dw + top * inner + side;
          if (start == 0) multiply<false>(packed, panel, steps, c, inner);
          else multiply<true>(packed, panel, steps, c, inner);
          continue;
        }
        multiply<false>(packed, panel, steps, edge, kBlock);
        for (int64_t r = 0; r < std::min(kBlock, outer - top); ++r)
          for (int64_t n = 0; n < std::min(kBlock, inner - side); ++n) {
            float& out = dw[(top + r) * inner + side + n];
            out = (start == 0 ? 0.0f : out) + edge[r * kBlock + n];
          }
      }
    }
  }
  if (sums)
    std::copy(columnTotals, columnTotals + std::min(outer - outFrom * kBlock, lefts * kBlock),
              pointer<float>(call.dBiases[strip.weight]) + outFrom * kBlock);
}

// Strips along the longer side of the weight, so that little is packed twice; about one for each thread and weight.
std::vector<Strip> stripsOf(const SpanBackward& call, int64_t outer, int64_t inner) {
  const bool byInput = inner > outer;
  const int64_t whole = blocks(byInput ? inner : outer);
  const int64_t used = std::max<int64_t>(
      1, std::count_if(call.rows.of.begin(), call.rows.of.end(), [](const auto& rows) { return !rows.empty(); }));
  const int64_t parts = std::min(whole, std::max<int64_t>(1, (2 * at::get_num_threads() + used - 1) / used));
  std::vector<Strip> strips;
  for (size_t w = 0; w < call.rows.of.size(); ++w) {
    if (call.rows.of[w].empty()) continue;
    for (int64_t p = 0; p < parts; ++p) {
      const int64_t from = whole * p / parts, to = whole * (p + 1) / parts;
      if (to > from) strips.push_back({static_cast<int64_t>(w), from, to - from, byInput});
    }
  }
  return strips;
}

}  // namespace

void spanForwardTiles(SpanForward& call) {
  const std::vector<Block> list = blocksOf(call.rows);
  const Panels panels = packWeights(call.weights, true);
  const int64_t count = static_cast<int64_t>(list.size()), groups = groupsFor(count, panels.count);
  at::parallel_for(0, count * groups, 1, [&](int64_t from, int64_t to) {
    const Session session;
    for (int64_t i = from; i < to; ++i) {
      const int64_t g = i % groups;
      forwardTask(call, list[i / groups], panels, panels.count * g / groups, panels.count * (g + 1) / groups);
    }
  });
}

void spanBackwardTiles(SpanBackward& call) {
  const std::vector<Block> list = blocksOf(call.rows);
  const int64_t count = static_cast<int64_t>(list.size());
  const Panels panels = packWeights(call.weights, false);
  const bool active = call.z.defined();
  const at::Tensor dz = active ? at::empty(call.dy.sizes(), call.x.options()) : call.dy.to(at::kBFloat16);
  const int64_t groups = groupsFor(count, panels.count);
  const Tokens tokens{call, panels, dz, list, groups};
  if (active && groups > 1)
    at::parallel_for(0, count, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) gradientRows(tokens, list[i]);
    });
  at::parallel_for(0, count * groups, 1, [&](int64_t from, int64_t to) {
    const Session session;
    for (int64_t i = from; i < to; ++i) {
      const int64_t g = i % groups;
      if (active && groups == 1) gradientRows(tokens, list[i]);
      inputGradientTask(tokens, list[i / groups], panels.count * g / groups, panels.count * (g + 1) / groups);
    }
  });
  if (call.dWeights.empty() && call.dBiases.empty()) return;
  const std::vector<Strip> strips = stripsOf(call, dz.size(2), call.x.size(2));
  at::parallel_for(0, static_cast<int64_t>(strips.size()), 1, [&](int64_t from, int64_t to) {
    const Session session;
    for (int64_t i = from; i < to; ++i) weightGradientTask(call, dz, strips[i]);
  });
}

#else

void spanForwardTiles(SpanForward&) { TORCH_CHECK(false, "span_linear: this build has no tiles"); }
void spanBackwardTiles(SpanBackward&) { TORCH_CHECK(false, "span_linear: this build has no tiles"); }

#endif

}  // namespace polygate
