// dispatched_linear.h in products of blocks: the forward pass and the gradients to tokens and gates. Results do not depend on
// the number of threads.
#include "dispatched_tiles.h"

#include <mutex>
#include <unordered_map>

#include "turns.h"

namespace polygate {

#if POLYGATE_TILES

using namespace tiles;

namespace {

// Numbers of the sets met so far, by their mask of experts: a table where it is small, since most tokens ask.
class SetNumbers {
 public:
  explicit SetNumbers(int64_t experts) : table_(experts <= kTableBits ? size_t{1} << experts : 0, -1) {}

  int32_t& of(uint64_t mask) {
    return table_.empty() ? map_.try_emplace(mask, -1).first->second : table_[mask];
  }

 private:
  static constexpr int64_t kTableBits = 12;
  std::vector<int32_t> table_;
  std::unordered_map<uint64_t, int32_t> map_;
};

// Answers whether the blocks are full enough to pay.
bool findSets(const Slots& slots, int64_t count, TokenSets& sets) {
  if (slots.experts() > 64) return false;
  std::vector<uint64_t> masks(count, 0);
  for (int64_t e = 0; e < slots.experts(); ++e)
    for (int64_t i = slots.starts[e]; i < slots.starts[e + 1]; ++i) masks[slots.tokens[i]] |= uint64_t{1} << e;
  SetNumbers numbers(slots.experts());
  std::vector<int64_t> sizes;
  std::vector<int32_t> own(count);
  for (int64_t n = 0; n < count; ++n) {
    if (masks[n] == 0) continue;
    int32_t& number = numbers.of(masks[n]);
    if (number < 0) {
      number = static_cast<int32_t>(sizes.size());
      sizes.push_back(0);
      sets.experts.emplace_back();
      for (int32_t e = 0; e < slots.experts(); ++e)
        if (masks[n] >> e & 1) sets.experts.back().push_back(e);
    }
    own[n] = number;
    ++sizes[number];
  }
  std::vector<int64_t> next(sizes.size() + 1, 0);
  int64_t work = 0;
  for (size_t s = 0; s < sizes.size(); ++s) {
    next[s + 1] = next[s] + sizes[s];
    work += (sizes[s] + 15) / 16 * 16 * static_cast<int64_t>(sets.experts[s].size());
    for (int64_t at = 0; at < sizes[s]; at += kBlock)
      sets.blocks.push_back({static_cast<int64_t>(s), next[s] + at, std::min(kBlock, sizes[s] - at)});
  }
  sets.served = next[sizes.size()];
  sets.tokens.resize(count);
  int64_t rest = sets.served;
  for (int64_t n = 0; n < count; ++n) sets.tokens[masks[n] == 0 ? rest++ : next[own[n]]++] = static_cast<int32_t>(n);
  // Blocks that are a quarter full are still faster than products of gathered rows. Few slots are so in any case: their
  // numbers change from call to call, and the library behind ATen's products prepares itself for each new one.
  return work <= 4 * slots.starts.back() || slots.starts.back() < 4096;
}

// Sets of one call's slots.
struct RememberedSets {
  c10::weak_intrusive_ptr<c10::StorageImpl> storage;
  const int32_t* tokens;
  std::vector<int64_t> starts, columns;
  int64_t count;
  std::shared_ptr<const TokenSets> sets;
  bool of(const Slots& slots, int64_t n) const {
    return tokens == slots.tokens && count == n && starts == slots.starts && columns == slots.columns;
  }
};

// The sets of slots whose tokens live. The backend owns what is in it: it forgets all when it is disposed of
// (polygate::forget_token_sets). The object itself is never destroyed, because tensors may be released while the process ends.
class SetMemory {
 public:
  static SetMemory& instance() {
    static SetMemory* const memory = new SetMemory();
    return *memory;
  }

  std::shared_ptr<const TokenSets> of(const Slots& slots, int64_t count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    remembered_.erase(std::remove_if(remembered_.begin(), remembered_.end(),
                                     [](const RememberedSets& each) { return each.storage.expired(); }),
                      remembered_.end());
    for (const RememberedSets& each : remembered_)
      if (each.of(slots, count)) return each.sets;
    auto sets = std::make_shared<TokenSets>();
    if (!findSets(slots, count, *sets)) sets = nullptr;
    remembered_.push_back({slots.storage.getWeakStorageImpl(), slots.tokens, slots.starts, slots.columns, count, sets});
    return sets;
  }

  int64_t forget() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto count = static_cast<int64_t>(remembered_.size());
    std::vector<RememberedSets>().swap(remembered_);
    return count;
  }

 private:
  std::mutex mutex_;
  std::vector<RememberedSets> remembered_;
};

// Drops all remembered sets, and says how many they were.
int64_t forgetTokenSets() { return SetMemory::instance().forget(); }

}  // namespace

std::shared_ptr<const TokenSets> tokenSets(const Slots& slots, int64_t count) {
  return SetMemory::instance().of(slots, count);
}

TORCH_LIBRARY_FRAGMENT(polygate, m) { m.def("forget_token_sets() -> int", forgetTokenSets); }

namespace {

// A block as the loops see it.
struct View {
  const int32_t* tokens;
  int64_t count;
  const int32_t* experts;
  int64_t size;  // of the set
};

View viewOf(const TokenSets& sets, const SetBlock& block) {
  const std::vector<int32_t>& experts = sets.experts[block.set];
  return {sets.tokens.data() + block.first, block.count, experts.data(), static_cast<int64_t>(experts.size())};
}

// What all blocks of a call share. Pointers are taken once: asking a tensor for its own in a loop costs as much as the loop.
struct Shared {
  const Panels& panels;
  const float* gates;
  int64_t gateColumns;
  std::vector<int64_t> columns;
  std::vector<const float*> biases;

  Shared(const Panels& right, const at::Tensor& table, const Slots& slots, const std::vector<at::Tensor>& offsets)
      : panels(right),
        gates(pointer<float>(table)),
        gateColumns(table.size(1)),
        columns(slots.columns) {
    for (const at::Tensor& bias : offsets) biases.push_back(pointer<float>(bias));
  }
};

// Gates of a block's tokens, [experts of the set, 32].
void gatesOf(const View& view, const Shared& shared, float* out) {
  for (int64_t i = 0; i < view.size; ++i)
    for (int64_t r = 0; r < view.count; ++r)
      out[i * kBlock + r] = shared.gates[view.tokens[r] * shared.gateColumns + shared.columns[view.experts[i]]];
}

// c[i] = left times the panel of the set's i-th expert, 32 x 32 each.
POLYGATE_TILE_INLINE void products(const View& view, const Left& left, const Shared& shared, int64_t panel, float* c) {
  const int64_t steps = shared.panels.steps;
  for (int64_t i = 0; i < view.size; ++i) {
    const Bits* right = shared.panels.of<Bits>(view.experts[i], panel);
    multiplyFirst(left, right, steps, c + i * kStep, view.count);
  }
}

struct Forward {
  const Shared& shared;
  const Bits* x;
  Bits *y, *z;  // z may be null
  int64_t inner, outer;
  bool gelu;
};

// z = sum_i gate_i (c_i + bias_i) to y and z. kCount: the number of experts where it is known, else 0.
template <int kCount, bool kGelu>
POLYGATE_TILE_INLINE void finish(const Forward& call, const View& view, const float* c, const float* gates, int64_t first) {
  const int64_t columns = std::min(kBlock, call.outer - first), count = kCount > 0 ? kCount : view.size;
  const Mask lowMask = firstWords(columns), highMask = firstWords(columns - 16);
  const float* biases[kCount > 0 ? kCount : 64];
  for (int64_t i = 0; i < count; ++i) biases[i] = call.shared.biases[view.experts[i]] + first;
  for (int64_t r = 0; r < view.count; ++r, c += kBlock) {
    Vector low = zeros(), high = zeros();
    for (int64_t i = 0; i < count; ++i) {
      const Vector gate = repeat(gates[i * kBlock + r]);
      const Vector lowValue = add(loadAligned(c + i * kStep), loadVector(biases[i], lowMask));
      const Vector highValue = add(loadAligned(c + i * kStep + 16), loadVector(biases[i] + 16, highMask));
      low = i == 0 ? mul(gate, lowValue) : fmadd(gate, lowValue, low);
      high = i == 0 ? mul(gate, highValue) : fmadd(gate, highValue, high);
    }
    const int64_t place = view.tokens[r] * call.outer + first;
    if (!kGelu) {
      storePair(call.y + place, low, high, columns);
      continue;
    }
    if (call.z != nullptr) storePair(call.z + place, low, high, columns);
    storePair(call.y + place, geluVector(low), geluVector(high), columns);
  }
}

template <bool kGelu>
POLYGATE_TILE_INLINE void finishSet(const Forward& call, const View& view, const float* c, const float* gates, int64_t first) {
  if (view.size == 1) finish<1, kGelu>(call, view, c, gates, first);
  else if (view.size == 2) finish<2, kGelu>(call, view, c, gates, first);
  else finish<0, kGelu>(call, view, c, gates, first);
}

POLYGATE_TILE_TARGET void forwardBlock(const Forward& call, const View& view, int64_t from, int64_t to) {
  float* c = static_cast<float*>(scratch(4 * (kStep + kBlock) * view.size + 2 * kBlock * paddedWidth(call.inner)));
  float* gates = c + kStep * view.size;
  gatesOf(view, call.shared, gates);
  Rows rows;
  const Left left = rowsOf(call.x, call.inner, view.tokens, view.count, rows, reinterpret_cast<Bits*>(gates + kBlock * view.size));
  for (int64_t p = from; p < to; ++p) {
    prefetchPanel(call.y + p * kBlock, call.outer, view.tokens, view.count);
    if (call.z != nullptr) prefetchPanel(call.z + p * kBlock, call.outer, view.tokens, view.count);
    products(view, left, call.shared, p, c);
    if (call.gelu) finishSet<true>(call, view, c, gates, p * kBlock);
    else finishSet<false>(call, view, c, gates, p * kBlock);
  }
}

// Zeros for the tokens that no expert serves.
void clearRest(const TokenSets& sets, const at::Tensor& rows) {
  if (!rows.defined()) return;
  const int64_t width = rows.size(1);
  Bits* first = pointer<Bits>(rows);
  for (size_t i = sets.served; i < sets.tokens.size(); ++i) std::fill_n(first + sets.tokens[i] * width, width, Bits{0});
}

struct Backward {
  const Shared& shared;
  const Bits *x, *z;  // z is null without an activation
  const Bits* half;   // dy where it is bf16
  const float* full;  // else
  Bits *dz, *dx;      // dz is null where dy serves
  float* dGates;
  int64_t inner, outer;
};

// dz = dy * gelu'(z) of one row, or dy in bf16.
template <class G>
POLYGATE_TILE_INLINE void gradientRow(const G* dy, const Bits* z, Bits* dz, int64_t width) {
  for (int64_t n = 0; n < width; n += 16) {
    const Mask mask = firstWords(width - n);
    Vector value = loadVector(dy + n, mask);
    if (z != nullptr) value = mul(value, geluSlopeVector(loadVector(z + n, mask)));
    storeVector(dz + n, value, mask);
  }
}

POLYGATE_TILE_INLINE void gradientRows(const Backward& call, const View& view) {
  if (call.dz == nullptr) return;
  for (int64_t r = 0; r < view.count; ++r) {
    if (r + 1 < view.count) {
      const int64_t next = view.tokens[r + 1] * call.outer;
      if (call.z != nullptr) prefetchRow(call.z + next, call.outer);
      if (call.half != nullptr) prefetchRow(call.half + next, call.outer);
      else prefetchRow(call.full + next, call.outer);
      prefetchRow(call.dz + next, call.outer);
    }
    const int64_t at = view.tokens[r] * call.outer;
    const Bits* z = call.z == nullptr ? nullptr : call.z + at;
    if (call.half != nullptr) gradientRow(call.half + at, z, call.dz + at, call.outer);
    else gradientRow(call.full + at, z, call.dz + at, call.outer);
  }
}

// u_i = dz W_i of 32 inputs: dx = sum_i gate_i u_i, and along[i, r] collects <u_i, x>.
template <int kCount>
POLYGATE_TILE_INLINE void finishInputs(const Backward& call, const View& view, const float* c, const float* gates,
                                       float* along, int64_t first) {
  const int64_t columns = std::min(kBlock, call.inner - first), count = kCount > 0 ? kCount : view.size;
  const Mask lowMask = firstWords(columns), highMask = firstWords(columns - 16);
  for (int64_t r = 0; r < view.count; ++r, c += kBlock) {
    const int64_t place = view.tokens[r] * call.inner + first;
    const Vector lowX = loadVector(call.x + place, lowMask), highX = loadVector(call.x + place + 16, highMask);
    Vector low = zeros(), high = zeros();
    for (int64_t i = 0; i < count; ++i) {
      const Vector gate = repeat(gates[i * kBlock + r]);
      const Vector lowU = loadAligned(c + i * kStep), highU = loadAligned(c + i * kStep + 16);
      low = fmadd(gate, lowU, low);
      high = fmadd(gate, highU, high);
      float* sum = along + (i * kBlock + r) * 16;
      storeAligned(sum, fmadd(lowU, lowX, fmadd(highU, highX, loadAligned(sum))));
    }
    storePair(call.dx + place, low, high, columns);
  }
}

// dgate = <u, x> + <dz, bias>.
POLYGATE_TILE_INLINE void finishGates(const Backward& call, const View& view, const Bits* dz, const float* along) {
  for (int64_t i = 0; i < view.size; ++i) {
    const float* bias = call.shared.biases[view.experts[i]];
    const int64_t column = call.shared.columns[view.experts[i]];
    for (int64_t r = 0; r < view.count; ++r) {
      const Bits* row = dz + view.tokens[r] * call.outer;
      Vector sum = loadAligned(along + (i * kBlock + r) * 16);
      for (int64_t n = 0; n < call.outer; n += 16) {
        const Mask mask = firstWords(call.outer - n);
        sum = fmadd(loadVector(row + n, mask), loadVector(bias + n, mask), sum);
      }
      call.dGates[view.tokens[r] * call.shared.gateColumns + column] = sumOf(sum);
    }
  }
}

POLYGATE_TILE_TARGET void backwardBlock(const Backward& call, const View& view) {
  const int64_t sums = 16 * kBlock * view.size;
  float* c = static_cast<float*>(scratch(4 * ((kStep + kBlock) * view.size + sums) + 2 * kBlock * paddedWidth(call.outer)));
  float* along = c + kStep * view.size;
  float* gates = along + sums;
  std::fill_n(along, sums, 0.0f);
  gatesOf(view, call.shared, gates);
  gradientRows(call, view);
  const Bits* dz = call.dz == nullptr ? call.half : call.dz;
  Rows rows;
  const Left left = rowsOf(dz, call.outer, view.tokens, view.count, rows, reinterpret_cast<Bits*>(gates + kBlock * view.size));
  for (int64_t p = 0; p < call.shared.panels.number; ++p) {
    prefetchPanel(call.x + p * kBlock, call.inner, view.tokens, view.count);
    prefetchPanel(call.dx + p * kBlock, call.inner, view.tokens, view.count);
    products(view, left, call.shared, p, c);
    if (view.size == 1) finishInputs<1>(call, view, c, gates, along, p * kBlock);
    else if (view.size == 2) finishInputs<2>(call, view, c, gates, along, p * kBlock);
    else finishInputs<0>(call, view, c, gates, along, p * kBlock);
  }
  finishGates(call, view, dz, along);
}

}  // namespace

bool dispatchedForwardTiles(DispatchedForward& call, at::TensorList packed) {
  const std::shared_ptr<const TokenSets> found = tokenSets(call.slots, call.x.size(0));
  if (found == nullptr) return false;
  const TokenSets& sets = *found;
  const Panels panels = packed.empty() ? packWeights<Bits>(call.weights, true) : heldPanels(packed, call.y.size(1), call.x.size(1), true);
  const int64_t count = static_cast<int64_t>(sets.blocks.size());
  // Few blocks are split along the columns so that all threads have work.
  const int64_t groups = std::max<int64_t>(1, std::min(panels.number, (3 * at::get_num_threads() + count - 1) / count));
  clearRest(sets, call.y);
  clearRest(sets, call.z);
  const Shared shared(panels, call.gates, call.slots, call.biases);
  const Forward forward{shared, pointer<Bits>(call.x), pointer<Bits>(call.y), call.z.defined() ? pointer<Bits>(call.z) : nullptr,
                        call.x.size(1), call.y.size(1), call.gelu};
  takeTurns<Session>(count * groups, [&](int64_t i) {
    const int64_t g = i % groups;
    forwardBlock(forward, viewOf(sets, sets.blocks[i / groups]), panels.number * g / groups, panels.number * (g + 1) / groups);
  });
  return true;
}

bool dispatchedBackwardTiles(DispatchedBackward& call) {
  const std::shared_ptr<const TokenSets> found = tokenSets(call.slots, call.x.size(0));
  if (found == nullptr) return false;
  const TokenSets& sets = *found;
  const bool half = isHalf(call.dy), own = call.z.defined() || !half;
  call.dz = own ? at::empty(call.dy.sizes(), call.x.options()) : call.dy;
  const Panels panels = packWeights<Bits>(call.weights, false);
  clearRest(sets, call.dx);
  const Shared shared(panels, call.gates, call.slots, call.biases);
  const Backward backward{shared,
                          pointer<Bits>(call.x),
                          call.z.defined() ? pointer<Bits>(call.z) : nullptr,
                          half ? pointer<Bits>(call.dy) : nullptr,
                          half ? nullptr : pointer<float>(call.dy),
                          own ? pointer<Bits>(call.dz) : nullptr,
                          pointer<Bits>(call.dx),
                          pointer<float>(call.dGates),
                          call.x.size(1),
                          call.dy.size(1)};
  const WeightGradients weights(call);
  const int64_t count = static_cast<int64_t>(sets.blocks.size()), strips = weights.count();
  const auto block = [&](int64_t i) { backwardBlock(backward, viewOf(sets, sets.blocks[i])); };
  if (own) {
    // The blocks write the dz that weights need.
    takeTurns<Session>(count, block);
    takeTurns<Session>(strips, [&](int64_t i) { weights.run(i); });
  } else {
    // The long tasks first: nobody waits at the end of either.
    takeTurns<Session>(strips + count, [&](int64_t i) {
      if (i < strips) weights.run(i);
      else block(i - strips);
    });
  }
  return true;
}

#else

bool dispatchedForwardTiles(DispatchedForward&, at::TensorList) { return false; }
bool dispatchedBackwardTiles(DispatchedBackward&) { return false; }

#endif

}  // namespace polygate
