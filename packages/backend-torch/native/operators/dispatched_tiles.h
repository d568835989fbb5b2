// What the tile loops of dispatched_linear.h share: tokens by the set of experts that they go to. A block of tokens of
// one set is read once for all its experts, and its results are summed before they are written: no token is copied to a
// slot, and nothing is added up in memory.
#pragma once

#include <memory>

#include "dispatched_linear.h"
#include "panels.h"
#include "tile_math.h"

#if POLYGATE_TILES

namespace polygate {

// Up to 32 tokens of one set.
struct SetBlock {
  int64_t set, first, count;
};

struct TokenSets {
  std::vector<std::vector<int32_t>> experts;  // of each set, ascending
  std::vector<int32_t> tokens;                // by set, ascending within it; the set without experts comes last
  std::vector<SetBlock> blocks;               // of the sets with experts
  int64_t served;                             // tokens before those of the set without experts
};

// Null where blocks are not full enough to pay. The linears of a site and their gradients ask for the same slots: their sets
// are remembered as long as the slots' tokens live, and at most until the backend is disposed of.
std::shared_ptr<const TokenSets> tokenSets(const Slots& slots, int64_t count);

namespace tiles {
inline namespace POLYGATE_LEVEL {

// The gradients of the experts' weights as tasks of a loop that takes turns. `call` is borrowed; its dz must be there.
class WeightGradients {
 public:
  explicit WeightGradients(const DispatchedBackward& call);
  ~WeightGradients();
  int64_t count() const;
  void run(int64_t i) const;

 private:
  struct Work;
  const std::unique_ptr<const Work> work_;
};

// The rows of a block's tokens: where they lie, in `list`, or copies of them that tiles can be read from.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> rowsOf(const T* x, int64_t width, const int32_t* tokens, int64_t count, RowsOf<T>& list, T* room) {
  for (int64_t i = 0; i < kBlock; ++i) {
    list.at[i] = i < count ? x + tokens[i] * width : nullptr;
    if (i < count) prefetchRow(list.at[i], width);
  }
  return readsApart<T>(width) ? apart(list) : copyRows(list, width, room);
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
