// span_linear.h in products of blocks: forward and dx, blocks of 32 tokens times a weight packed once. What is computed
// does not depend on the number of threads.
#include "span_linear.h"

#include "panels.h"
#include "tile_math.h"
#include "turns.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {
namespace {

// A block of up to 32 tokens of one weight.
struct Block {
  int64_t weight, first, size;
};

std::vector<Block> blocksOf(const SpanRows& rows) {
  std::vector<Block> list;
  for (size_t w = 0; w < rows.of.size(); ++w)
    for (int64_t at = 0, size = static_cast<int64_t>(rows.of[w].size()); at < size; at += kBlock)
      list.push_back({static_cast<int64_t>(w), at, std::min(kBlock, size - at)});
  return list;
}

// Tasks are blocks by groups of panels: few blocks are split along the columns so that all threads have work.
int64_t groupsFor(int64_t blocks, int64_t panels) {
  const int64_t wanted = 3 * at::get_num_threads();
  return std::max<int64_t>(1, std::min(panels, (wanted + blocks - 1) / std::max<int64_t>(1, blocks)));
}

template <class T>
POLYGATE_TILE_INLINE LeftOf<T> leftOf(const T* x, int64_t width, const int32_t* rows, int64_t size, RowsOf<T>& list, T* room) {
  const bool together = size == kBlock && rows[kBlock - 1] - rows[0] == kBlock - 1;
  if (together && width % kBlock == 0 && !collides<T>(width)) return inPlace(x + rows[0] * width, width);
  for (int64_t i = 0; i < kBlock; ++i) list.at[i] = i < size ? x + rows[i] * width : nullptr;
  return readsApart<T>(width) ? apart(list) : copyRows(list, width, room);
}

// Where a block's sums go: bias, activation, y, and z where it is not null.
template <class T>
struct Finish {
  const float* bias;
  bool gelu;
  T *y, *z;
  int64_t width;
};

template <class T>
POLYGATE_TILE_INLINE void finish(const float* c, const int32_t* rows, int64_t size, int64_t first, const Finish<T>& f) {
  const int64_t columns = std::min(kBlock, f.width - first);
  Vector lowBias = zeros(), highBias = zeros();
  if (f.bias != nullptr) {
    lowBias = loadVector(f.bias + first, firstWords(columns));
    highBias = loadVector(f.bias + first + 16, firstWords(columns - 16));
  }
  for (int64_t i = 0; i < size; ++i, c += kBlock) {
    const int64_t place = rows[i] * f.width + first;
    const Vector low = add(loadAligned(c), lowBias);
    const Vector high = add(loadAligned(c + 16), highBias);
    if (!f.gelu) {
      storePair(f.y + place, low, high, columns);
      continue;
    }
    if (f.z != nullptr) storePair(f.z + place, low, high, columns);
    storePair(f.y + place, geluVector<T>(low), geluVector<T>(high), columns);
  }
}

// Panels [from, to) of a block of tokens of x [.., width].
template <class T>
POLYGATE_TILE_TARGET void multiplyBlock(const T* x, int64_t width, const int32_t* rows, const Block& block,
                                         const Panels& panels, int64_t from, int64_t to, const Finish<T>& target) {
  float* c = static_cast<float*>(scratch(4 * kStep + sizeof(T) * kBlock * paddedWidth<T>(width)));
  RowsOf<T> list;
  const LeftOf<T> left = leftOf(x, width, rows, block.size, list, reinterpret_cast<T*>(c + kStep));
  for (int64_t p = from; p < to; ++p) {
    multiply<false>(left, panels.of<T>(block.weight, p), panels.steps, c, kBlock);
    finish(c, rows, block.size, p * kBlock, target);
  }
}

// dz = dy * gelu'(z), rows of `width`.
template <class G, class T>
POLYGATE_TILE_TARGET void geluGradient(const G* dy, const T* z, T* dz, int64_t width) {
  for (int64_t n = 0; n < width; n += 16) {
    const Mask mask = firstWords(width - n);
    const Vector slope = geluSlopeVector<T>(loadVector(z + n, mask));
    storeVector(dz + n, mul(loadVector(dy + n, mask), slope), mask);
  }
}

template <class T>
void gradientRows(const SpanBackward& call, const at::Tensor& dz, const Block& block) {
  const int64_t outer = dz.size(2);
  const std::vector<int32_t>& rows = call.rows.of[block.weight];
  for (int64_t i = block.first; i < block.first + block.size; ++i) {
    const int64_t at = rows[i] * outer;
    if (isHalf(call.dy)) geluGradient(pointer<Bits>(call.dy) + at, pointer<T>(call.z) + at, pointer<T>(dz) + at, outer);
    else geluGradient(pointer<float>(call.dy) + at, pointer<T>(call.z) + at, pointer<T>(dz) + at, outer);
  }
}

template <class T>
void forwardBlocks(SpanForward& call, at::TensorList packed) {
  const std::vector<Block> list = blocksOf(call.rows);
  const Panels panels = packed.empty() ? packWeights<T>(call.weights, true) : heldPanels(packed, call.y.size(2), call.x.size(2), true);
  const int64_t size = static_cast<int64_t>(list.size()), groups = groupsFor(size, panels.number);
  takeTurns<SessionOf<T>>(size * groups, [&](int64_t i) {
    const Block& one = list[i / groups];
    const int64_t g = i % groups;
    const Finish<T> target{call.biases.empty() ? nullptr : pointer<float>(call.biases[one.weight]), call.gelu,
                           pointer<T>(call.y), call.z.defined() ? pointer<T>(call.z) : nullptr, call.y.size(2)};
    multiplyBlock(pointer<T>(call.x), call.x.size(2), call.rows.of[one.weight].data() + one.first, one, panels,
                  panels.number * g / groups, panels.number * (g + 1) / groups, target);
  });
}

// Fills dx and gives dz [B, L, O].
template <class T>
at::Tensor inputGradient(SpanBackward& call, at::TensorList packed = {}) {
  const std::vector<Block> list = blocksOf(call.rows);
  const Panels panels =
      packed.empty() ? packWeights<T>(call.weights, false) : heldPanels(packed, call.dy.size(2), call.dx.size(2), false);
  const bool active = call.z.defined();
  const at::Tensor dz =
      active ? at::empty(call.dy.sizes(), call.x.options()) : call.dy.to(call.x.scalar_type());
  const int64_t size = static_cast<int64_t>(list.size()), groups = groupsFor(size, panels.number);
  if (active && groups > 1)
    at::parallel_for(0, size, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) gradientRows<T>(call, dz, list[i]);
    });
  const Finish<T> target{nullptr, false, pointer<T>(call.dx), nullptr, call.dx.size(2)};
  takeTurns<SessionOf<T>>(size * groups, [&](int64_t i) {
    const Block& one = list[i / groups];
    const int64_t g = i % groups;
    if (active && groups == 1) gradientRows<T>(call, dz, one);
    multiplyBlock(pointer<T>(dz), dz.size(2), call.rows.of[one.weight].data() + one.first, one, panels,
                  panels.number * g / groups, panels.number * (g + 1) / groups, target);
  });
  return dz;
}

}  // namespace

void spanForwardTiles(SpanForward& call, at::TensorList packed) {
  withBlockType(isHalf(call.x), [&](auto number) { forwardBlocks<decltype(number)>(call, packed); });
}

void spanBackwardTiles(SpanBackward& call) {
  withBlockType(isHalf(call.x), [&](auto number) { weightGradientTiles(call, inputGradient<decltype(number)>(call)); });
}

void spanInputGradientTiles(SpanBackward& call, at::TensorList packed) {
  withBlockType(isHalf(call.x), [&](auto number) { inputGradient<decltype(number)>(call, packed); });
}

at::Tensor packTiles(const at::Tensor& weight, bool transposed) {
  return withBlockType(isHalf(weight), [&](auto number) { return packWeights<decltype(number)>({weight}, transposed).memory[0]; });
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
