// dispatched_linear.h in products of float32 blocks: up to 32 slots of one expert, whose tokens are read where they lie. Where
// every token has one slot at most its results are written at once; else each slot has a row of its own, and tokens add up
// theirs in the order of experts. Results do not depend on the number of threads.
// N tokens · M slots · I inputs · O outputs
#include "dispatched_tiles.h"
#include "token_slots.h"
#include "turns.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

// The sum of a token's slots from element `first` on, 16 of them.
POLYGATE_TILE_INLINE Vector sumOfSlots(const TokenSlots& of, const float* values, int64_t token, int64_t width, int64_t first,
                                       Mask mask) {
  Vector sum = zeros();
  for (int32_t i = of.starts[token]; i < of.starts[token + 1]; ++i)
    sum = add(sum, loadVector(values + of.slots[i] * width + first, mask));
  return sum;
}

// Rows [from, to) of sums over slots [M, width]: to `sum` (may be null), and where `active` their gelu to it.
POLYGATE_TILE_TARGET void addSlots(const TokenSlots& of, const float* values, int64_t width, float* sum, float* active,
                                   int64_t from, int64_t to) {
  for (int64_t n = from; n < to; ++n)
    for (int64_t d = 0; d < width; d += 16) {
      const Mask mask = firstWords(width - d);
      const Vector total = sumOfSlots(of, values, n, width, d, mask);
      if (sum != nullptr) storeVector(sum + n * width + d, total, mask);
      if (active != nullptr) storeVector(active + n * width + d, geluVector<float>(total), mask);
    }
}

// The two lines of one panel's columns that are read or written while it is finished.
POLYGATE_TILE_INLINE void prefetchPair(const float* rows, int64_t width, const int32_t* tokens, int64_t count) {
  prefetchPanel(rows, width, tokens, count);
  prefetchPanel(rows + 16, width, tokens, count);
}

struct Weights {
  const Panels panels;
  std::vector<const float*> biases;
  Weights(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& offsets, bool transposed)
      : panels(packWeights<float>(weights, transposed)) {
    for (const at::Tensor& bias : offsets) biases.push_back(pointer<float>(bias));
  }
};

struct Forward {
  const Slots& slots;
  const Weights& weights;
  const float *x, *gates;
  int64_t columns, inner, outer;  // of the gates, of x, of y
  bool gelu;
  float *y, *z;  // z may be null
  float* values;  // [M, O] where a token may have several slots, else null
};

POLYGATE_TILE_TARGET void forwardBlock(const Forward& call, const SlotBlock& block, int64_t from, int64_t to) {
  float* c = static_cast<float*>(scratch(4 * (kStep + kBlock * paddedWidth<float>(call.inner))));
  const int32_t* tokens = call.slots.tokens + block.first;
  const int64_t column = call.slots.columns[block.expert];
  RowsOf<float> rows;
  const LeftOf<float> left = rowsOf(call.x, call.inner, tokens, block.count, rows, c + kStep);
  for (int64_t p = from; p < to; ++p) {
    if (call.values == nullptr) {
      prefetchPair(call.y + p * kBlock, call.outer, tokens, block.count);
      if (call.z != nullptr) prefetchPair(call.z + p * kBlock, call.outer, tokens, block.count);
    }
    multiplyFirst(left, call.weights.panels.of<float>(block.expert, p), call.weights.panels.steps, c, block.count);
    const int64_t first = p * kBlock, columns = std::min(kBlock, call.outer - first);
    const float* bias = call.weights.biases[block.expert] + first;
    const Vector lowBias = loadVector(bias, firstWords(columns)), highBias = loadVector(bias + 16, firstWords(columns - 16));
    for (int64_t r = 0; r < block.count; ++r) {
      const Vector gate = repeat(call.gates[tokens[r] * call.columns + column]);
      const Vector low = mul(gate, add(loadAligned(c + r * kBlock), lowBias));
      const Vector high = mul(gate, add(loadAligned(c + r * kBlock + 16), highBias));
      const int64_t place = tokens[r] * call.outer + first;
      if (call.values != nullptr) {
        storePair(call.values + (block.first + r) * call.outer + first, low, high, columns);
      } else if (!call.gelu) {
        storePair(call.y + place, low, high, columns);
      } else {
        if (call.z != nullptr) storePair(call.z + place, low, high, columns);
        storePair(call.y + place, geluVector<float>(low), geluVector<float>(high), columns);
      }
    }
  }
}

struct Backward {
  const Slots& slots;
  const Weights& weights;
  const float *dy, *z, *x, *gates;  // z is null without an activation
  int64_t columns, inner, outer;
  float* dz;  // null where dy serves
  float *dx, *dGates;
  float* values;  // [M, I] where a token may have several slots, else null
};

POLYGATE_TILE_INLINE void gradientRow(const Backward& call, int64_t token) {
  const int64_t at = token * call.outer;
  for (int64_t n = 0; n < call.outer; n += 16) {
    const Mask mask = firstWords(call.outer - n);
    const Vector slope = geluSlopeVector<float>(loadVector(call.z + at + n, mask));
    storeVector(call.dz + at + n, mul(loadVector(call.dy + at + n, mask), slope), mask);
  }
}

POLYGATE_TILE_TARGET void gradientRows(const Backward& call, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; ++n) gradientRow(call, n);
}

// dgate = <dz W, x> + <dz, bias>, dx = sum of gate dz W.
POLYGATE_TILE_TARGET void backwardBlock(const Backward& call, const SlotBlock& block) {
  float* c = static_cast<float*>(scratch(4 * (kStep + kBlock * 16 + kBlock * paddedWidth<float>(call.outer))));
  float* along = c + kStep;
  std::fill_n(along, kBlock * 16, 0.0f);
  const int32_t* tokens = call.slots.tokens + block.first;
  const int64_t column = call.slots.columns[block.expert];
  // A token of one slot is met once: its dz is made here.
  if (call.dz != nullptr && call.values == nullptr)
    for (int64_t r = 0; r < block.count; ++r) {
      if (r + 1 < block.count) {
        const int64_t next = tokens[r + 1] * call.outer;
        prefetchRow(call.z + next, call.outer);
        prefetchRow(call.dy + next, call.outer);
        prefetchRow(call.dz + next, call.outer);
      }
      gradientRow(call, tokens[r]);
    }
  const float* dz = call.dz == nullptr ? call.dy : call.dz;
  RowsOf<float> rows;
  const LeftOf<float> left = rowsOf(dz, call.outer, tokens, block.count, rows, along + kBlock * 16);
  for (int64_t p = 0; p < call.weights.panels.number; ++p) {
    prefetchPair(call.x + p * kBlock, call.inner, tokens, block.count);
    if (call.values == nullptr) prefetchPair(call.dx + p * kBlock, call.inner, tokens, block.count);
    multiplyFirst(left, call.weights.panels.of<float>(block.expert, p), call.weights.panels.steps, c, block.count);
    const int64_t first = p * kBlock, columns = std::min(kBlock, call.inner - first);
    const Mask lowMask = firstWords(columns), highMask = firstWords(columns - 16);
    for (int64_t r = 0; r < block.count; ++r) {
      const Vector gate = repeat(call.gates[tokens[r] * call.columns + column]);
      const Vector low = loadAligned(c + r * kBlock), high = loadAligned(c + r * kBlock + 16);
      const int64_t place = tokens[r] * call.inner + first;
      const Vector lowX = loadVector(call.x + place, lowMask), highX = loadVector(call.x + place + 16, highMask);
      float* sum = along + r * 16;
      storeAligned(sum, fmadd(low, lowX, fmadd(high, highX, loadAligned(sum))));
      float* target = call.values == nullptr ? call.dx + place : call.values + (block.first + r) * call.inner + first;
      storePair(target, mul(gate, low), mul(gate, high), columns);
    }
  }
  const float* bias = call.weights.biases[block.expert];
  for (int64_t r = 0; r < block.count; ++r) {
    const float* row = dz + tokens[r] * call.outer;
    Vector sum = loadAligned(along + r * 16);
    for (int64_t n = 0; n < call.outer; n += 16) {
      const Mask mask = firstWords(call.outer - n);
      sum = fmadd(loadVector(row + n, mask), loadVector(bias + n, mask), sum);
    }
    call.dGates[tokens[r] * call.columns + column] = sumOf(sum);
  }
}

at::Tensor rowsOfSlots(const Slots& slots, int64_t width, const at::Tensor& like) {
  return at::empty({slots.starts.back(), width}, like.options());
}

}  // namespace

void dispatchedForwardSlots(DispatchedForward& call) {
  const int64_t tokens = call.x.size(0), outer = call.y.size(1);
  const std::vector<SlotBlock> list = blocksOf(call.slots, kBlock);
  const TokenSlots of = tokenSlots(call.slots, tokens);
  const Weights weights(call.weights, call.biases, true);
  at::Tensor values;
  if (!of.single()) values = rowsOfSlots(call.slots, outer, call.x);
  float* z = call.z.defined() ? pointer<float>(call.z) : nullptr;
  const Forward forward{call.slots,        weights, pointer<float>(call.x), pointer<float>(call.gates), call.gates.size(1),
                        call.x.size(1), outer,   call.gelu,              pointer<float>(call.y),     z,
                        of.single() ? nullptr : pointer<float>(values)};
  const int64_t count = static_cast<int64_t>(list.size()), panels = weights.panels.number;
  // Few blocks are split along the columns so that all threads have work.
  const int64_t groups = std::max<int64_t>(1, std::min(panels, (3 * at::get_num_threads() + count - 1) / count));
  takeTurns<SessionOf<float>>(count * groups, [&](int64_t i) {
    const int64_t g = i % groups;
    forwardBlock(forward, list[i / groups], panels * g / groups, panels * (g + 1) / groups);
  });
  if (of.single()) {
    clearUnserved(of, call.y);
    clearUnserved(of, call.z);
    return;
  }
  float* sum = call.gelu ? z : forward.y;
  at::parallel_for(0, tokens, grain(outer), [&](int64_t from, int64_t to) {
    addSlots(of, forward.values, outer, sum, call.gelu ? forward.y : nullptr, from, to);
  });
}

void dispatchedBackwardSlots(DispatchedBackward& call) {
  const int64_t tokens = call.x.size(0), inner = call.x.size(1), outer = call.dy.size(1);
  const std::vector<SlotBlock> list = blocksOf(call.slots, kBlock);
  const TokenSlots of = tokenSlots(call.slots, tokens);
  const Weights weights(call.weights, call.biases, false);
  const at::Tensor dy = call.dy.to(at::kFloat);
  const bool active = call.z.defined();
  call.dz = active ? at::empty(dy.sizes(), call.x.options()) : dy;
  at::Tensor values;
  if (!of.single()) values = rowsOfSlots(call.slots, inner, call.x);
  const Backward backward{call.slots,
                          weights,
                          pointer<float>(dy),
                          active ? pointer<float>(call.z) : nullptr,
                          pointer<float>(call.x),
                          pointer<float>(call.gates),
                          call.gates.size(1),
                          inner,
                          outer,
                          active ? pointer<float>(call.dz) : nullptr,
                          pointer<float>(call.dx),
                          pointer<float>(call.dGates),
                          of.single() ? nullptr : pointer<float>(values)};
  const auto byRows = [&](int64_t width, const auto& body) { at::parallel_for(0, tokens, grain(width), body); };
  if (active && !of.single()) byRows(outer, [&](int64_t from, int64_t to) { gradientRows(backward, from, to); });
  const WeightGradients gradients(call);
  const int64_t count = static_cast<int64_t>(list.size()), strips = gradients.count();
  // Where the blocks make the dz that the weights need, they come first.
  takeTurns<SessionOf<float>>(count, [&](int64_t i) { backwardBlock(backward, list[i]); });
  takeTurns<SessionOf<float>>(strips, [&](int64_t i) { gradients.run(i); });
  if (of.single()) clearUnserved(of, call.dx);
  else byRows(inner, [&](int64_t from, int64_t to) { addSlots(of, backward.values, inner, backward.dx, nullptr, from, to); });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
