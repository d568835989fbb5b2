// Right factors of products of blocks that many blocks share: the weights of a linear layer, packed once a call.
#pragma once

#include "tile_factors.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {

// Those of weight w begin at w * size.
struct Panels {
  at::Tensor memory;
  int64_t steps, number, size;
  template <class T>
  const T* of(int64_t weight, int64_t panel) const {
    return pointer<T>(memory) + weight * size + panel * steps * kStep;
  }
};

template <class T>
POLYGATE_TILE_TARGET void packPanel(const T* w, int64_t height, int64_t width, bool transposed, int64_t panel, T* out) {
  const int64_t n = panel * kBlock, sum = transposed ? width : height;
  for (int64_t k = 0; k < sum; k += kBlock, out += kStep) {
    const int64_t top = transposed ? n : k, left = transposed ? k : n;
    RowsOf<T> rows;
    for (int64_t i = 0; i < kBlock; ++i) rows.at[i] = top + i < height ? w + (top + i) * width : nullptr;
    if (transposed) packTransposed(rows, left, std::min(kBlock, width - left), out);
    else packRows(rows, left, std::min(kBlock, width - left), out);
  }
}

// Weights [O, I]: transposed for x W^T (columns O, sum over I), else for dz W (columns I, sum over O).
template <class T>
Panels packWeights(const std::vector<at::Tensor>& weights, bool transposed) {
  const int64_t height = weights[0].size(0), width = weights[0].size(1);
  Panels panels;
  panels.steps = blocks(transposed ? width : height);
  panels.number = blocks(transposed ? height : width);
  panels.size = panels.number * panels.steps * kStep;
  panels.memory = at::empty({static_cast<int64_t>(weights.size()) * panels.size}, weights[0].options());
  T* out = pointer<T>(panels.memory);
  at::parallel_for(0, static_cast<int64_t>(weights.size()) * panels.number, 2, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      packPanel(pointer<T>(weights[i / panels.number]), height, width, transposed, i % panels.number,
                out + i * panels.steps * kStep);
  });
  return panels;
}

}  // namespace tiles
}  // namespace polygate

#endif
