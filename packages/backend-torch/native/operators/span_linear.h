// A linear layer whose weights differ by span of the sequence: y[:, span] = act(x[:, span] W_r^T + b_r), r the span's
// weight. A plain linear layer is one span of one long sample.
#pragma once

#include "levels.h"

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

// A use of an expert by a row of merged weights, see experts.h.
struct ExpertUse {
  int64_t row, expert;
  int64_t place;  // in the flat table of gates
  float gate;
  bool first;  // whether no earlier use has written this expert's gradient
};

// Experts whose sums the weights are: they get gradients in place of the weights.
struct ExpertSharing {
  std::vector<at::Tensor> experts;    // float32 [O, I], contiguous
  std::vector<at::Tensor> gradients;  // of the experts' shape; written
  std::vector<ExpertUse> uses;
  at::Tensor dGates;  // float32 [R, E]; added to
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
  const ExpertSharing* sharing;        // null without experts; only where tiles::available
};

SpanRows spanRows(at::IntArrayRef spans, size_t weights, int64_t batch, int64_t length);

// y [B, L, O], and z where `keep` asks for it.
std::tuple<at::Tensor, at::Tensor> spanLinear(const at::Tensor& x, at::TensorList weights, at::TensorList biases,
                                              at::IntArrayRef spans, bool gelu, bool keep);

void spanBackward(SpanBackward& call);

}  // namespace polygate

// The same in products of blocks, where tiles::available says so. They fill the results that the caller allocated.
#define POLYGATE_SPAN_TILES                                                                                             \
  /* `packed` holds the weights where they were packed before. */                                                      \
  void spanForwardTiles(SpanForward& call, at::TensorList packed);                                                     \
  void spanBackwardTiles(SpanBackward& call);                                                                          \
  /* dx alone, by weights that were packed before; of `call.x` the type counts. */                                     \
  void spanInputGradientTiles(SpanBackward& call, at::TensorList packed);                                              \
  /* The part of it that makes dWeights, dBiases and what is shared, from dz [B, L, O] of x's type. */                 \
  void weightGradientTiles(SpanBackward& call, const at::Tensor& dz);                                                  \
  /* A weight as the right factor of x W^T or, not transposed, of dz W. */                                             \
  at::Tensor packTiles(const at::Tensor& weight, bool transposed);
POLYGATE_EACH_LEVEL(POLYGATE_SPAN_TILES)
