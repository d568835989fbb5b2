// Right factors of products of blocks that many blocks share: the weights of a linear layer, packed once a call, or once
// for many calls where nobody changes them.
#pragma once

#include "tile_factors.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

struct Panels {
  std::vector<at::Tensor> memory;
  std::vector<const void*> begin;  // of each weight
  int64_t steps, number;
  int64_t size() const { return number * steps * kStep; }
  template <class T>
  const T* of(int64_t weight, int64_t panel) const {
    return static_cast<const T*>(begin[weight]) + panel * steps * kStep;
  }
};

// Of weights [outputs, inputs] for x W^T (columns O, sum over I) or, not transposed, for dz W (columns I, sum over O).
inline Panels emptyPanels(int64_t outputs, int64_t inputs, bool transposed) {
  return {{}, {}, blocks(transposed ? inputs : outputs), blocks(transposed ? outputs : inputs)};
}

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

template <class T>
Panels packWeights(const std::vector<at::Tensor>& weights, bool transposed) {
  const int64_t height = weights[0].size(0), width = weights[0].size(1);
  Panels panels = emptyPanels(height, width, transposed);
  panels.memory = {at::empty({static_cast<int64_t>(weights.size()) * panels.size()}, weights[0].options())};
  T* out = pointer<T>(panels.memory[0]);
  std::vector<const T*> sources;
  for (const at::Tensor& weight : weights) sources.push_back(pointer<T>(weight));
  for (size_t w = 0; w < weights.size(); ++w) panels.begin.push_back(out + w * panels.size());
  at::parallel_for(0, static_cast<int64_t>(weights.size()) * panels.number, 2, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      packPanel(sources[i / panels.number], height, width, transposed, i % panels.number,
                out + i * panels.steps * kStep);
  });
  return panels;
}

// Weights [outputs, inputs] that were packed before, one tensor each.
inline Panels heldPanels(at::TensorList packed, int64_t outputs, int64_t inputs, bool transposed) {
  Panels panels = emptyPanels(outputs, inputs, transposed);
  for (const at::Tensor& one : packed) {
    TORCH_CHECK(one.is_contiguous() && one.numel() == panels.size(), "expected panels of a weight [", outputs, ", ", inputs,
                "], got ", one.numel(), " numbers");
    panels.memory.push_back(one);
    panels.begin.push_back(one.data_ptr());
  }
  return panels;
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
