// A linear layer whose weights differ by span of the sequence: y[:, span] = act(x[:, span] W_r^T + b_r), r the span's
// weight. A plain linear layer is one span of one long sample.
#pragma once

#include "vector_math.h"

namespace polygate {

// The rows of a batch [B * L] that each weight applies to, ascending. Spans are given flat: weight, start, length.
struct SpanRows {
  std::vector<std::vector<int32_t>> of;
};

struct SpanForward {
  const at::Tensor x;                    // [B, L, I], contiguous
  const std::vector<at::Tensor> weights;  // [O, I] of x's type, contiguous
  const std::vector<at::Tensor> biases;   // float32 [O], or none at all
  const SpanRows& rows;
  const bool gelu;
  at::Tensor y;  // [B, L, O]
  at::Tensor z;  // before the activation; undefined when nobody asked
};

struct SpanBackward {
  const at::Tensor dy;  // [B, L, O], contiguous
  const at::Tensor x;
  const std::vector<at::Tensor> weights;
  const at::Tensor z;  // undefined without an activation
  const SpanRows& rows;
  at::Tensor dx;                       // of the weights' type
  std::vector<at::Tensor> dWeights;    // float32; empty when not wanted
  std::vector<at::Tensor> dBiases;     // float32; empty when not wanted
};

// The same in products of blocks, where tiles::available says so. They fill the results that the caller allocated.
void spanForwardTiles(SpanForward& call);
void spanBackwardTiles(SpanBackward& call);

}  // namespace polygate
