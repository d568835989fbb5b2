// The experts' own gradients of dispatched_linear.h in products of blocks: dW_e = sum over slots of g dz^T x, db_e = sum of
// g dz. A task owns a range of rows or columns of one dW_e and goes over the expert's slots in chunks whose packed
// factors stay in the second-level cache; the gates weigh the rows of the narrower factor while it is packed.
#include "dispatched_tiles.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

// A range of 32-wide strips of one expert's gradient: of its rows (outputs) or, where `byInput`, of its columns.
struct Strip {
  int64_t expert, first, count;
  bool byInput;
};

// Copies of rows times their factors.
template <class T>
POLYGATE_TILE_INLINE RowsOf<T> weighted(const RowsOf<T>& rows, const float* factors, int64_t width, T* room) {
  RowsOf<T> scaled;
  for (int64_t i = 0; i < kBlock; ++i) {
    scaled.at[i] = rows.at[i] == nullptr ? nullptr : room + i * width;
    if (rows.at[i] == nullptr) continue;
    const Vector factor = repeat(factors[i]);
    for (int64_t n = 0; n < width; n += kBlock) {
      const Vector low = loadVector(rows.at[i] + n, firstWords(width - n));
      const Vector high = loadVector(rows.at[i] + n + 16, firstWords(width - n - 16));
      storePair(room + i * width + n, mul(factor, low), mul(factor, high), width - n);
    }
  }
  return scaled;
}

// Adds the columns' sums of up to 32 rows times their factors to sums [32].
template <class T>
POLYGATE_TILE_INLINE void addColumns(const RowsOf<T>& rows, const float* factors, int64_t first, int64_t columns, float* sums) {
  const Mask low = firstWords(columns), high = firstWords(columns - 16);
  Vector a = loadVector(sums, 0xffff), b = loadVector(sums + 16, 0xffff);
  for (int64_t i = 0; i < kBlock && rows.at[i] != nullptr; ++i) {
    const Vector factor = repeat(factors[i]);
    a = fmadd(factor, loadVector(rows.at[i] + first, low), a);
    b = fmadd(factor, loadVector(rows.at[i] + first + 16, high), b);
  }
  storeVector(sums, a, 0xffff);
  storeVector(sums + 16, b, 0xffff);
}

// What all strips of a call share; see Shared in dispatched_tiles.cc.
template <class T>
struct Sources {
  const T *dz, *x;
  const float* gates;
  int64_t gateColumns, outer, inner;
  const Slots& slots;
};

// Both factors of a strip for one chunk of slots, packed.
template <class T>
struct Chunk {
  int64_t outFrom, outTo, inFrom, inTo;
  T *ofGradient, *ofInput, *room;
  float* columnTotals;  // null where another strip of the expert sums them
  // Blocks are computed as x^T dz and turned in the end where that packs fewer columns.
  bool turned() const { return outTo - outFrom > inTo - inFrom; }
};

// The rows of 32 slots from `slot` on, into the second-level cache.
template <class T>
POLYGATE_TILE_INLINE void prefetchStep(const Sources<T>& from, int64_t expert, int64_t slot, const Chunk<T>& chunk) {
  const int64_t last = std::min(slot + kBlock, from.slots.starts[expert + 1]);
  const int64_t outs = std::min(from.outer, chunk.outTo * kBlock) - chunk.outFrom * kBlock;
  const int64_t ins = std::min(from.inner, chunk.inTo * kBlock) - chunk.inFrom * kBlock;
  for (int64_t i = slot; i < last; ++i) {
    const int64_t token = from.slots.tokens[i];
    const char* dz = reinterpret_cast<const char*>(from.dz + token * from.outer + chunk.outFrom * kBlock);
    const char* x = reinterpret_cast<const char*>(from.x + token * from.inner + chunk.inFrom * kBlock);
    for (int64_t b = 0; b < outs * static_cast<int64_t>(sizeof(T)); b += 64) _mm_prefetch(dz + b, _MM_HINT_T1);
    for (int64_t b = 0; b < ins * static_cast<int64_t>(sizeof(T)); b += 64) _mm_prefetch(x + b, _MM_HINT_T1);
  }
}

template <class T>
POLYGATE_TILE_INLINE void packStep(const Sources<T>& from, int64_t expert, int64_t slot, int64_t s, const Chunk<T>& chunk) {
  const int64_t outer = from.outer, inner = from.inner;
  const int64_t end = from.slots.starts[expert + 1], column = from.slots.columns[expert];
  RowsOf<T> ofGradient, ofInput;
  float factors[kBlock];
  for (int64_t i = 0; i < kBlock; ++i) {
    const int32_t token = slot + i < end ? from.slots.tokens[slot + i] : -1;
    ofGradient.at[i] = token < 0 ? nullptr : from.dz + token * outer;
    ofInput.at[i] = token < 0 ? nullptr : from.x + token * inner;
    factors[i] = token < 0 ? 0.0f : from.gates[token * from.gateColumns + column];
  }
  const bool weighsInput = inner <= outer, turned = chunk.turned();
  if (chunk.columnTotals != nullptr && !turned)
    for (int64_t o = chunk.outFrom; o < chunk.outTo; ++o)
      addColumns(ofGradient, factors, o * kBlock, std::min(kBlock, outer - o * kBlock), chunk.columnTotals + (o - chunk.outFrom) * kBlock);
  if (weighsInput) ofInput = weighted(ofInput, factors, inner, chunk.room);
  else ofGradient = weighted(ofGradient, factors, outer, chunk.room);
  for (int64_t o = chunk.outFrom; o < chunk.outTo; ++o)
    packFactor(ofGradient, o * kBlock, std::min(kBlock, outer - o * kBlock),
               chunk.ofGradient + ((o - chunk.outFrom) * chunkSteps<T>() + s) * kStep, !turned);
  if (chunk.columnTotals != nullptr && turned) {
    if (!weighsInput) std::fill_n(factors, kBlock, 1.0f);
    for (int64_t o = 0; o < chunk.outTo - chunk.outFrom; ++o)
      addWeightedColumns(chunk.ofGradient + (o * chunkSteps<T>() + s) * kStep, factors, chunk.columnTotals + o * kBlock);
  }
  for (int64_t i = chunk.inFrom; i < chunk.inTo; ++i)
    packFactor(ofInput, i * kBlock, std::min(kBlock, inner - i * kBlock),
               chunk.ofInput + ((i - chunk.inFrom) * chunkSteps<T>() + s) * kStep, turned);
}

// sums [strip's outputs, strip's inputs], whole blocks, = or += the chunk's product. Where blocks are turned they lie so.
template <class T>
POLYGATE_TILE_INLINE void multiplyChunk(const Chunk<T>& chunk, int64_t steps, bool add, float* sums) {
  const int64_t lefts = chunk.outTo - chunk.outFrom, rights = chunk.inTo - chunk.inFrom, columns = rights * kBlock;
  const bool turned = chunk.turned();
  for (int64_t o = 0; o < lefts; ++o) {
    const T* ofGradient = chunk.ofGradient + o * chunkSteps<T>() * kStep;
    for (int64_t i = 0; i < rights; ++i) {
      const T* ofInput = chunk.ofInput + i * chunkSteps<T>() * kStep;
      const LeftOf<T> left = packed(turned ? ofInput : ofGradient);
      const T* panel = turned ? ofGradient : ofInput;
      float* c = sums + o * kBlock * columns + i * kBlock;
      if (add) multiply<true>(left, panel, steps, c, columns);
      else multiply<false>(left, panel, steps, c, columns);
    }
  }
}

// The strip's sums to dw [O, I], past the caches: nobody reads them before the optimizer does.
template <class T>
POLYGATE_TILE_INLINE void storeStrip(const Chunk<T>& chunk, float* sums, const at::Tensor& gradient) {
  const int64_t outer = gradient.size(0), inner = gradient.size(1);
  const int64_t columns = (chunk.inTo - chunk.inFrom) * kBlock, side = chunk.inFrom * kBlock;
  const int64_t width = std::min(columns, inner - side);
  float* dw = pointer<float>(gradient);
  const bool aligned = inner % 16 == 0 && reinterpret_cast<uintptr_t>(dw) % 64 == 0;
  for (int64_t o = chunk.outFrom; o < chunk.outTo; ++o) {
    float* block = sums + (o - chunk.outFrom) * kBlock * columns;
    if (chunk.turned())
      for (int64_t i = 0; i < columns; i += kBlock) turnBlock(block + i, columns);
    for (int64_t r = 0; r < std::min(kBlock, outer - o * kBlock); ++r) {
      const float* row = block + r * columns;
      float* out = dw + (o * kBlock + r) * inner + side;
      for (int64_t n = 0; n < width; n += 16) {
        if (aligned) streamAligned(out + n, loadAligned(row + n));
        else storeVector(out + n, loadAligned(row + n), firstWords(width - n));
      }
    }
  }
  _mm_sfence();
}

template <class T>
POLYGATE_TILE_TARGET void stripTask(const DispatchedBackward& call, const Strip& strip) {
  const Sources<T> from{pointer<T>(call.dz), pointer<T>(call.x), pointer<float>(call.gates), call.gates.size(1), call.dz.size(1),
                        call.x.size(1), call.slots};
  const int64_t outer = from.outer, inner = from.inner;
  Chunk<T> chunk{};
  chunk.outFrom = strip.byInput ? 0 : strip.first;
  chunk.outTo = strip.byInput ? blocks(outer) : strip.first + strip.count;
  chunk.inFrom = strip.byInput ? strip.first : 0;
  chunk.inTo = strip.byInput ? strip.first + strip.count : blocks(inner);
  const int64_t lefts = chunk.outTo - chunk.outFrom, rights = chunk.inTo - chunk.inFrom;
  float* sums = static_cast<float*>(scratch(4 * kStep * lefts * rights + 4 * kBlock * lefts +
                                            sizeof(T) * (kStep * chunkSteps<T>() * (lefts + rights) + kBlock * std::min(inner, outer))));
  float* totals = sums + kStep * lefts * rights;
  chunk.ofGradient = reinterpret_cast<T*>(totals + kBlock * lefts);
  chunk.ofInput = chunk.ofGradient + kStep * chunkSteps<T>() * lefts;
  chunk.room = chunk.ofInput + kStep * chunkSteps<T>() * rights;
  std::fill_n(totals, kBlock * lefts, 0.0f);
  if (chunk.inFrom == 0) chunk.columnTotals = totals;
  const int64_t start = call.slots.starts[strip.expert], count = call.slots.size(strip.expert);
  for (int64_t at = 0; at < count; at += chunkSteps<T>() * kBlock) {
    const int64_t steps = blocks(std::min(chunkSteps<T>() * kBlock, count - at));
    for (int64_t s = 0; s < steps; ++s) {
      prefetchStep(from, strip.expert, start + at + (s + 1) * kBlock, chunk);
      packStep(from, strip.expert, start + at + s * kBlock, s, chunk);
    }
    multiplyChunk(chunk, steps, at > 0, sums);
  }
  storeStrip(chunk, sums, call.dWeights[strip.expert]);
  if (chunk.columnTotals != nullptr)
    std::copy_n(totals, std::min(outer - chunk.outFrom * kBlock, lefts * kBlock),
                pointer<float>(call.dBiases[strip.expert]) + chunk.outFrom * kBlock);
}

// Strips along the longer side of the weight, so that little is packed twice; some for each thread, more where products
// take longer than packing. The longest first.
std::vector<Strip> stripsOf(const DispatchedBackward& call) {
  const int64_t outer = call.dz.size(1), inner = call.x.size(1), experts = call.slots.experts();
  const bool byInput = inner > outer;
  const int64_t whole = blocks(byInput ? inner : outer);
  const int64_t parts = std::min(whole, std::max<int64_t>(1, ((isHalf(call.x) && hasTileUnit ? 2 : 6) * at::get_num_threads() + experts - 1) / experts));
  std::vector<int64_t> order(experts);
  for (int64_t e = 0; e < experts; ++e) order[e] = e;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return call.slots.size(a) > call.slots.size(b); });
  std::vector<Strip> strips;
  for (const int64_t e : order)
    for (int64_t p = 0; p < parts; ++p) strips.push_back({e, whole * p / parts, whole * (p + 1) / parts - whole * p / parts, byInput});
  return strips;
}

}  // namespace

struct WeightGradients::Work {
  const DispatchedBackward& call;
  const std::vector<Strip> strips;
};

WeightGradients::WeightGradients(const DispatchedBackward& call) : work_(new Work{call, stripsOf(call)}) {}
WeightGradients::~WeightGradients() = default;
int64_t WeightGradients::count() const { return static_cast<int64_t>(work_->strips.size()); }
void WeightGradients::run(int64_t i) const {
  withBlockType(isHalf(work_->call.x), [&](auto number) { stripTask<decltype(number)>(work_->call, work_->strips[i]); });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
