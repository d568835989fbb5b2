// Weight gradients of span_linear.h in products of blocks: dW_r = sum over the tokens of r of dz^T x, and the column
// sums of dz; where the weights were merged from experts, each dW_r is shared out to them while it is in cache. A task
// owns a range of rows or columns of all dW_r, and goes over the tokens in chunks whose packed factors stay in the
// second-level cache. What is computed does not depend on the number of threads.
#include "span_linear.h"
#include "tile_math.h"
#include "turns.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

// A part of a weight's blocks: those rows of blocks (outputs) and columns of blocks (inputs).
struct Strip {
  int64_t outFrom, outs, inFrom, ins;
};

// Strips along the longer side of the weights, so that little is packed twice.
std::vector<Strip> stripsOf(int64_t outer, int64_t inner, int64_t wanted) {
  const bool byInput = inner > outer;
  const int64_t whole = blocks(byInput ? inner : outer), parts = std::min(whole, std::max<int64_t>(1, wanted));
  std::vector<Strip> strips;
  for (int64_t p = 0; p < parts; ++p) {
    const int64_t from = whole * p / parts, size = whole * (p + 1) / parts - from;
    if (byInput) strips.push_back({0, blocks(outer), from, size});
    else strips.push_back({from, size, 0, blocks(inner)});
  }
  return strips;
}

// Where a strip has more columns of dz than of x, blocks are computed as x^T dz, since columns cost more to pack for the
// left factor, and turned in the end.
inline bool isTurned(const Strip& strip) { return strip.outs > strip.ins; }

// Adds the columns' sums of up to 32 rows to sums [32].
template <class T>
POLYGATE_TILE_INLINE void addColumns(const RowsOf<T>& rows, int64_t first, int64_t columns, float* sums) {
  const Mask low = firstWords(columns), high = firstWords(columns - 16);
  Vector a = loadVector(sums, 0xffff), b = loadVector(sums + 16, 0xffff);
  for (int64_t i = 0; i < kBlock && rows.at[i] != nullptr; ++i) {
    a = add(a, loadVector(rows.at[i] + first, low));
    b = add(b, loadVector(rows.at[i] + first + 16, high));
  }
  storeVector(sums, a, 0xffff);
  storeVector(sums + 16, b, 0xffff);
}

// What a task works in: packed factors of a chunk, sums of the strip's columns, and its part of one dW_r or of all.
template <class T>
struct Room {
  T *ofGradient, *ofInput;
  float *totals, *products;
  int64_t productSize;
  Room(const Strip& strip, int64_t held) : productSize(strip.outs * strip.ins * kStep) {
    const int64_t factors = chunkSteps<T>() * kStep;
    totals = static_cast<float*>(
        scratch(4 * (kBlock * strip.outs + held * productSize) + sizeof(T) * factors * (strip.outs + strip.ins)));
    products = totals + kBlock * strip.outs;
    ofGradient = reinterpret_cast<T*>(products + held * productSize);
    ofInput = ofGradient + factors * strip.outs;
  }
};

// The strip's part of dW_r into products, rows `columns` apart, and of the column sums into totals, each where it is
// wanted.
template <class T>
POLYGATE_TILE_TARGET void accumulate(const SpanBackward& call, const at::Tensor& dz, const std::vector<int32_t>& tokens,
                                     const Strip& strip, const Room<T>& room, float* products, int64_t columns, bool sums) {
  const int64_t outer = dz.size(2), inner = call.x.size(2), size = static_cast<int64_t>(tokens.size());
  const bool turned = isTurned(strip);
  const int64_t chunk = chunkSteps<T>();
  const T *gradients = pointer<T>(dz), *inputs = pointer<T>(call.x);
  std::fill(room.totals, room.totals + kBlock * strip.outs, 0.0f);
  for (int64_t start = 0; start < size; start += chunk * kBlock) {
    const int64_t steps = blocks(std::min(chunk * kBlock, size - start));
    for (int64_t s = 0; s < steps; ++s) {
      RowsOf<T> ofGradient, ofInput;
      for (int64_t i = 0; i < kBlock; ++i) {
        const int64_t token = start + s * kBlock + i;
        ofGradient.at[i] = token < size ? gradients + tokens[token] * outer : nullptr;
        ofInput.at[i] = token < size ? inputs + tokens[token] * inner : nullptr;
      }
      for (int64_t o = 0; o < strip.outs; ++o) {
        const int64_t first = (strip.outFrom + o) * kBlock, width = std::min(kBlock, outer - first);
        T* step = room.ofGradient + (o * chunk + s) * kStep;
        if (products != nullptr) packFactor(ofGradient, first, width, step, !turned);
        if (sums && products != nullptr && turned) addPackedColumns(step, room.totals + o * kBlock);
        else if (sums) addColumns(ofGradient, first, width, room.totals + o * kBlock);
      }
      for (int64_t i = 0; products != nullptr && i < strip.ins; ++i) {
        const int64_t first = (strip.inFrom + i) * kBlock;
        packFactor(ofInput, first, std::min(kBlock, inner - first), room.ofInput + (i * chunk + s) * kStep, turned);
      }
    }
    for (int64_t o = 0; products != nullptr && o < strip.outs; ++o) {
      const T* gradient = room.ofGradient + o * chunk * kStep;
      for (int64_t i = 0; i < strip.ins; ++i) {
        const T* input = room.ofInput + i * chunk * kStep;
        float* c = products + o * kBlock * columns + i * kBlock;
        const LeftOf<T> left = packed(turned ? input : gradient);
        if (start == 0) multiply<false>(left, turned ? gradient : input, steps, c, columns);
        else multiply<true>(left, turned ? gradient : input, steps, c, columns);
        if (turned && start + chunk * kBlock >= size) turnBlock(c, columns);
      }
    }
  }
}

// Rows and columns of a weight [O, I] that a strip covers.
struct Part {
  int64_t top, height, side, width;
  Part(const Strip& strip, int64_t outer, int64_t inner)
      : top(strip.outFrom * kBlock), height(std::min(strip.outs * kBlock, outer - top)), side(strip.inFrom * kBlock),
        width(std::min(strip.ins * kBlock, inner - side)) {}
};

// An expert's part of one row of dW_r: out (+)= gate * row; gives the sum of row * expert.
POLYGATE_TILE_INLINE Vector shareRow(const float* row, const float* expert, float gate, bool first, float* out, int64_t width,
                                     Vector along) {
  const Vector factor = repeat(gate);
  for (int64_t n = 0; n < width; n += 16) {
    const Mask mask = firstWords(width - n);
    const Vector value = loadVector(row + n, mask);
    along = fmadd(value, loadVector(expert + n, mask), along);
    const Vector before = first ? zeros() : loadVector(out + n, mask);
    storeVector(out + n, fmadd(value, factor, before), mask);
  }
  return along;
}

// Shares a strip of all dW_r out to the experts; adds to `gates`, one number for each use.
POLYGATE_TILE_TARGET void shareStrip(const ExpertSharing& sharing, const float* products, int64_t productSize,
                                     const Strip& strip, const Part& part, int64_t inner, float* gates) {
  const int64_t columns = strip.ins * kBlock;
  for (size_t u = 0; u < sharing.uses.size(); ++u) {
    const ExpertUse& use = sharing.uses[u];
    const float* expert = pointer<float>(sharing.experts[use.expert]);
    float* out = pointer<float>(sharing.gradients[use.expert]);
    Vector along = zeros();
    for (int64_t o = 0; o < part.height; ++o) {
      const int64_t place = (part.top + o) * inner + part.side;
      along = shareRow(products + use.row * productSize + o * columns, expert + place, use.gate, use.first, out + place,
                       part.width, along);
    }
    gates[u] = sumOf(along);
  }
}

// One strip of all weights; `gates` gets one number for each use of an expert.
template <class T>
POLYGATE_TILE_TARGET void stripTask(const SpanBackward& call, const at::Tensor& dz, const Strip& strip, float* gates) {
  const int64_t outer = dz.size(2), inner = call.x.size(2), rows = static_cast<int64_t>(call.rows.of.size());
  const int64_t columns = strip.ins * kBlock;
  const bool shares = call.sharing != nullptr, wants = shares || !call.dWeights.empty();
  // Whole blocks go straight to dW.
  const bool direct = !shares && outer % kBlock == 0 && inner % kBlock == 0;
  const bool sums = !call.dBiases.empty() && strip.inFrom == 0;
  const Part part(strip, outer, inner);
  const Room<T> room(strip, shares ? rows : wants && !direct ? 1 : 0);
  for (int64_t r = 0; r < rows; ++r) {
    const std::vector<int32_t>& tokens = call.rows.of[r];
    float* products = room.products + (shares ? r * room.productSize : 0);
    if (tokens.empty()) {
      if (shares) std::fill(products, products + room.productSize, 0.0f);
      continue;
    }
    float* out = shares || !wants ? nullptr : pointer<float>(call.dWeights[r]) + part.top * inner + part.side;
    if (direct) accumulate<T>(call, dz, tokens, strip, room, out, inner, sums);
    else accumulate<T>(call, dz, tokens, strip, room, wants ? products : nullptr, columns, sums);
    if (sums) std::copy(room.totals, room.totals + part.height, pointer<float>(call.dBiases[r]) + part.top);
    if (out == nullptr || direct) continue;
    for (int64_t o = 0; o < part.height; ++o)
      std::copy(products + o * columns, products + o * columns + part.width, out + o * inner);
  }
  if (shares) shareStrip(*call.sharing, room.products, room.productSize, strip, part, inner, gates);
}

// At least two strips for each thread, and so many that a strip of all shared weights stays in the second-level cache.
int64_t stripsWanted(const SpanBackward& call, int64_t outer, int64_t inner) {
  const int64_t wanted = 2 * at::get_num_threads();
  if (call.sharing == nullptr) return wanted;
  const int64_t bytes = 4 * outer * inner * static_cast<int64_t>(call.rows.of.size());
  return std::max(wanted, bytes >> 20);
}

template <class T>
void allStrips(SpanBackward& call, const at::Tensor& dz) {
  const std::vector<Strip> strips = stripsOf(dz.size(2), call.x.size(2), stripsWanted(call, dz.size(2), call.x.size(2)));
  const int64_t uses = call.sharing == nullptr ? 0 : static_cast<int64_t>(call.sharing->uses.size());
  std::vector<float> gates(strips.size() * uses);
  takeTurns<SessionOf<T>>(static_cast<int64_t>(strips.size()),
                          [&](int64_t i) { stripTask<T>(call, dz, strips[i], gates.data() + i * uses); });
  for (int64_t u = 0; u < uses; ++u) {
    double sum = 0;
    for (size_t i = 0; i < strips.size(); ++i) sum += gates[i * uses + u];
    pointer<float>(call.sharing->dGates)[call.sharing->uses[u].place] += static_cast<float>(sum);
  }
}

}  // namespace

void weightGradientTiles(SpanBackward& call, const at::Tensor& dz) {
  if (call.sharing == nullptr && call.dWeights.empty() && call.dBiases.empty()) return;
  withBlockType(isHalf(call.x), [&](auto number) { allStrips<decltype(number)>(call, dz); });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
