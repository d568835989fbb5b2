// dispatched_linear.h for float32 experts of few weights, in loops that the compiler turns into the vectors of the processor:
// products of six rows by sixteen columns, whose sums stay in registers. For a hundred tokens an expert of 64 by 64 is less
// work than the calls that gather, multiply, weigh and add it up. Results do not depend on the number of threads.
// N tokens · M slots · I inputs · O outputs
#include "lanes.h"
#include "row_loops.h"
#include "tile_factors.h"
#include "token_slots.h"
#include "turns.h"

namespace polygate {
namespace {

constexpr int64_t kColumns = 2 * kLanes;
constexpr int64_t kRows = 6;             // of a product
constexpr int64_t kOutputs = 4;          // of a product for the gradient of a weight: a divisor of 16
constexpr int64_t kSlots = 48;           // of a task
constexpr int64_t kChunk = 128;          // slots whose rows are gathered together for the gradient of a weight
constexpr int64_t kMostWeights = 1 << 16;  // beyond them a weight leaves the second-level cache

// Sums over k < length of rows[r][k * step] times 16 columns of row k of `right`, whose rows lie `stride` apart.
template <int64_t kCount>
POLYGATE_INLINE void multiply(const float* const* rows, int64_t step, const float* right, int64_t stride, int64_t length,
                              Lanes* low, Lanes* high) {
  for (int64_t k = 0; k < length; ++k, right += stride) {
    const Lanes a = lanesAt(right), b = lanesAt(right + kLanes);
    _Pragma("GCC unroll 6") for (int64_t r = 0; r < kCount; ++r) {
      const float value = rows[r][k * step];
      low[r] += value * a;
      high[r] += value * b;
    }
  }
}

// The rows of up to six slots; beyond the last it stands again, for sums that nobody uses.
POLYGATE_INLINE void rowsAt(const float* from, int64_t width, const int32_t* tokens, int64_t count, const float** rows) {
  for (int64_t r = 0; r < kRows; ++r) rows[r] = from + tokens[std::min(r, count - 1)] * width;
}

struct Forward {
  const Slots& slots;
  const float *x, *gates, *panels;  // panels [E, O / 16, I, 16]
  const std::vector<const float*>& biases;
  int64_t columns, inner, outer;
  float* y;
  bool apart;  // whether each slot has a row of its own, for tokens that add up several
};

POLYGATE_CLONES void forwardBlock(const Forward& call, const SlotBlock& block) {
  const int32_t* tokens = call.slots.tokens + block.first;
  const float* gates = call.gates + call.slots.columns[block.expert];
  for (int64_t first = 0; first < call.outer; first += kColumns) {
    const float* panel = call.panels + (block.expert * call.outer + first) * call.inner;
    const Lanes lowBias = lanesAt(call.biases[block.expert] + first), highBias = lanesAt(call.biases[block.expert] + first + kLanes);
    for (int64_t at = 0; at < block.count; at += kRows) {
      const float* rows[kRows];
      rowsAt(call.x, call.inner, tokens + at, block.count - at, rows);
      Lanes low[kRows] = {}, high[kRows] = {};
      multiply<kRows>(rows, 1, panel, kColumns, call.inner, low, high);
      _Pragma("GCC unroll 6") for (int64_t r = 0; r < kRows; ++r) {
        if (at + r >= block.count) break;
        const int64_t token = tokens[at + r];
        const float gate = gates[token * call.columns];
        float* target = call.y + (call.apart ? block.first + at + r : token) * call.outer + first;
        putLanes(target, gate * (low[r] + lowBias));
        putLanes(target + kLanes, gate * (high[r] + highBias));
      }
    }
  }
}

struct Backward {
  const Slots& slots;
  const float *dz, *x, *gates, *panels;  // panels [E, I / 16, O, 16]
  const std::vector<const float*>& biases;
  int64_t columns, inner, outer;
  float *dx, *dGates;
  bool apart;
};

// dx = gate dz W, dgate = <dz W, x> + <dz, bias>.
POLYGATE_CLONES void backwardBlock(const Backward& call, const SlotBlock& block) {
  const int32_t* tokens = call.slots.tokens + block.first;
  const int64_t column = call.slots.columns[block.expert], inner = call.inner, outer = call.outer;
  const float* bias = call.biases[block.expert];
  Lanes along[kSlots] = {};
  for (int64_t first = 0; first < inner; first += kColumns) {
    const float* panel = call.panels + (block.expert * inner + first) * outer;
    for (int64_t at = 0; at < block.count; at += kRows) {
      const float* rows[kRows];
      rowsAt(call.dz, outer, tokens + at, block.count - at, rows);
      Lanes low[kRows] = {}, high[kRows] = {};
      multiply<kRows>(rows, 1, panel, kColumns, outer, low, high);
      _Pragma("GCC unroll 6") for (int64_t r = 0; r < kRows; ++r) {
        if (at + r >= block.count) break;
        const int64_t token = tokens[at + r];
        const float gate = call.gates[token * call.columns + column];
        const float* x = call.x + token * inner + first;
        along[at + r] += low[r] * lanesAt(x) + high[r] * lanesAt(x + kLanes);
        float* target = call.dx + (call.apart ? block.first + at + r : token) * inner + first;
        putLanes(target, gate * low[r]);
        putLanes(target + kLanes, gate * high[r]);
      }
    }
  }
  for (int64_t i = 0; i < block.count; ++i) {
    const float* row = call.dz + tokens[i] * outer;
    for (int64_t o = 0; o < outer; o += kLanes) along[i] += lanesAt(row + o) * lanesAt(bias + o);
    float sum = 0;
    for (int64_t k = 0; k < kLanes; ++k) sum += along[i][k];
    call.dGates[tokens[i] * call.columns + column] = sum;
  }
}

// Outputs [from, to) of one expert's gradients.
struct Part {
  int64_t expert, from, to;
};

// dW = sum over slots of dz^T (gate x), db = sum of gate dz. `room` holds kChunk rows of both.
POLYGATE_CLONES void weightPart(const Backward& call, const Part& part, float* dw, float* db, float* room) {
  const int64_t inner = call.inner, width = part.to - part.from, column = call.slots.columns[part.expert];
  float *ofGradient = room, *ofInput = room + kChunk * width;
  std::fill_n(dw + part.from * inner, width * inner, 0.0f);
  std::fill_n(db + part.from, width, 0.0f);
  const int64_t end = call.slots.starts[part.expert + 1];
  for (int64_t at = call.slots.starts[part.expert]; at < end; at += kChunk) {
    const int64_t count = std::min(kChunk, end - at);
    for (int64_t s = 0; s < count; ++s) {
      const int64_t token = call.slots.tokens[at + s];
      const float gate = call.gates[token * call.columns + column];
      const float *dz = call.dz + token * call.outer + part.from, *x = call.x + token * inner;
      float *ownDz = ofGradient + s * width, *ownX = ofInput + s * inner, *sums = db + part.from;
      for (int64_t o = 0; o < width; o += kLanes) {
        putLanes(ownDz + o, lanesAt(dz + o));
        putLanes(sums + o, lanesAt(sums + o) + gate * lanesAt(dz + o));
      }
      for (int64_t d = 0; d < inner; d += kLanes) putLanes(ownX + d, gate * lanesAt(x + d));
    }
    for (int64_t first = 0; first < inner; first += kColumns)
      for (int64_t o = 0; o < width; o += kOutputs) {
        const float* rows[kOutputs];
        for (int64_t r = 0; r < kOutputs; ++r) rows[r] = ofGradient + o + r;
        Lanes low[kOutputs], high[kOutputs];
        float* own = dw + (part.from + o) * inner + first;
        for (int64_t r = 0; r < kOutputs; ++r) {
          low[r] = lanesAt(own + r * inner);
          high[r] = lanesAt(own + r * inner + kLanes);
        }
        multiply<kOutputs>(rows, width, ofInput + first, inner, count, low, high);
        for (int64_t r = 0; r < kOutputs; ++r) {
          putLanes(own + r * inner, low[r]);
          putLanes(own + r * inner + kLanes, high[r]);
        }
      }
  }
}

// Rows [from, to) of the sums over slots [M, width] of each token, in the order of experts.
POLYGATE_CLONES void addRows(const TokenSlots& of, const float* values, int64_t width, float* sums, int64_t from, int64_t to) {
  for (int64_t n = from; n < to; ++n)
    for (int64_t d = 0; d < width; d += kLanes) {
      Lanes sum = {};
      for (int32_t i = of.starts[n]; i < of.starts[n + 1]; ++i) sum += lanesAt(values + of.slots[i] * width + d);
      putLanes(sums + n * width + d, sum);
    }
}

// Weights [O, I] as panels of 16 outputs, [O / 16, I, 16], or of 16 inputs, [I / 16, O, 16].
void packPanels(const float* weight, int64_t inner, int64_t outer, bool ofOutputs, float* out) {
  if (ofOutputs) {
    for (int64_t first = 0; first < outer; first += kColumns)
      for (int64_t d = 0; d < inner; ++d)
        for (int64_t o = 0; o < kColumns; ++o) *out++ = weight[(first + o) * inner + d];
  } else {
    for (int64_t first = 0; first < inner; first += kColumns)
      for (int64_t o = 0; o < outer; ++o, out += kColumns) std::memcpy(out, weight + o * inner + first, 4 * kColumns);
  }
}

// Those of all experts.
at::Tensor panelsOf(const std::vector<at::Tensor>& weights, bool ofOutputs) {
  const int64_t outer = weights[0].size(0), inner = weights[0].size(1), experts = static_cast<int64_t>(weights.size());
  const at::Tensor panels = at::empty({experts, outer, inner}, weights[0].options());
  std::vector<const float*> sources;
  for (const at::Tensor& weight : weights) sources.push_back(pointer<float>(weight));
  float* out = pointer<float>(panels);
  at::parallel_for(0, experts, grain(outer * inner), [&](int64_t from, int64_t to) {
    for (int64_t e = from; e < to; ++e) packPanels(sources[e], inner, outer, ofOutputs, out + e * outer * inner);
  });
  return panels;
}

std::vector<const float*> pointers(const std::vector<at::Tensor>& tensors) {
  std::vector<const float*> list;
  for (const at::Tensor& t : tensors) list.push_back(pointer<float>(t));
  return list;
}

bool fits(const at::Tensor& weight) {
  return weight.scalar_type() == at::kFloat && weight.size(0) % kColumns == 0 && weight.size(1) % kColumns == 0 &&
         weight.numel() <= kMostWeights;
}

struct NoSession {};

// Parts of the outputs of experts, some for each thread, those of the most slots first.
std::vector<Part> partsOf(const Slots& slots, int64_t outer) {
  const int64_t experts = slots.experts(), strips = outer / kColumns;
  const int64_t each = std::min(strips, (3 * at::get_num_threads() + experts - 1) / experts);
  std::vector<Part> parts;
  for (int64_t e = 0; e < experts; ++e)
    for (int64_t p = 0; p < each; ++p) parts.push_back({e, strips * p / each * kColumns, strips * (p + 1) / each * kColumns});
  std::stable_sort(parts.begin(), parts.end(),
                   [&](const Part& a, const Part& b) { return slots.size(a.expert) > slots.size(b.expert); });
  return parts;
}

// One row a slot where a token may have several, else the result itself.
at::Tensor rowsOfResult(const TokenSlots& of, const Slots& slots, const at::Tensor& result) {
  return of.single() ? result : at::empty({slots.starts.back(), result.size(1)}, result.options());
}

void addUp(const TokenSlots& of, const at::Tensor& rows, const at::Tensor& result) {
  if (of.single()) {
    clearUnserved(of, result);
    return;
  }
  const int64_t width = result.size(1);
  at::parallel_for(0, result.size(0), grain(width), [&](int64_t from, int64_t to) {
    addRows(of, pointer<float>(rows), width, pointer<float>(result), from, to);
  });
}

}  // namespace

bool dispatchedForwardRows(DispatchedForward& call) {
  if (!fits(call.weights[0])) return false;
  const int64_t inner = call.x.size(1), outer = call.y.size(1);
  const TokenSlots of = tokenSlots(call.slots, call.x.size(0));
  const at::Tensor panels = panelsOf(call.weights, true);
  const std::vector<const float*> biases = pointers(call.biases);
  const at::Tensor sums = !call.gelu ? call.y : call.z.defined() ? call.z : at::empty_like(call.y);
  const at::Tensor rows = rowsOfResult(of, call.slots, sums);
  const Forward forward{call.slots, pointer<float>(call.x), pointer<float>(call.gates), pointer<float>(panels), biases, call.gates.size(1),
                        inner,      outer,                  pointer<float>(rows),       !of.single()};
  const std::vector<SlotBlock> list = blocksOf(call.slots, kSlots);
  takeTurns<NoSession>(static_cast<int64_t>(list.size()), [&](int64_t i) { forwardBlock(forward, list[i]); });
  addUp(of, rows, sums);
  if (call.gelu) biasGeluRows(sums, nullptr, call.y);
  return true;
}

bool dispatchedBackwardRows(DispatchedBackward& call) {
  if (!fits(call.weights[0])) return false;
  const int64_t inner = call.x.size(1), outer = call.dy.size(1);
  const TokenSlots of = tokenSlots(call.slots, call.x.size(0));
  call.dz = call.z.defined() ? std::get<0>(geluBackwardRows(call.dy, call.z)) : call.dy.to(at::kFloat);
  const at::Tensor rows = rowsOfResult(of, call.slots, call.dx);
  const at::Tensor panels = panelsOf(call.weights, false);
  const std::vector<const float*> biases = pointers(call.biases);
  const Backward backward{call.slots, pointer<float>(call.dz), pointer<float>(call.x), pointer<float>(call.gates),
                          pointer<float>(panels), biases, call.gates.size(1), inner, outer, pointer<float>(rows),
                          pointer<float>(call.dGates), !of.single()};
  const std::vector<SlotBlock> list = blocksOf(call.slots, kSlots);
  const std::vector<Part> parts = partsOf(call.slots, outer);
  const int64_t blocks = static_cast<int64_t>(list.size());
  takeTurns<NoSession>(blocks + static_cast<int64_t>(parts.size()), [&](int64_t i) {
    if (i < blocks) {
      backwardBlock(backward, list[i]);
      return;
    }
    const Part& part = parts[i - blocks];
    float* room = static_cast<float*>(tiles::scratch(4 * kChunk * (part.to - part.from + inner)));
    weightPart(backward, part, pointer<float>(call.dWeights[part.expert]), pointer<float>(call.dBiases[part.expert]), room);
  });
  addUp(of, rows, call.dx);
  return true;
}

}  // namespace polygate
