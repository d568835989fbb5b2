// A linear layer whose experts are chosen token by token: y[n] = act(sum over n's slots of g[n, e] (W_e x[n] + b_e)).
// N tokens · E experts · U experts with slots · M slots · I inputs · O outputs
#pragma once

#include "levels.h"

namespace polygate {

// Slots by expert. Experts without one are left out: all lists are over the U others.
struct Slots {
  const int32_t* tokens;         // [M] ascending within an expert; never written once they are there
  std::vector<int64_t> starts;   // [U + 1]
  std::vector<int64_t> columns;  // [U] of the gates
  at::Storage storage;           // of the tokens
  int64_t experts() const { return static_cast<int64_t>(columns.size()); }
  int64_t size(int64_t e) const { return starts[e + 1] - starts[e]; }
};

struct DispatchedForward {
  const at::Tensor x;                     // [N, I], contiguous
  const at::Tensor gates;                 // float32 [N, E], contiguous
  const std::vector<at::Tensor> weights;  // [O, I] of x's type, contiguous
  const std::vector<at::Tensor> biases;   // float32 [O]
  const Slots& slots;
  const bool gelu;
  at::Tensor y;  // [N, O]
  at::Tensor z;  // before the activation; undefined when nobody asked
};

struct DispatchedBackward {
  const at::Tensor dy;  // [N, O], contiguous
  const at::Tensor z;   // undefined without an activation
  const at::Tensor x;
  const at::Tensor gates;
  const std::vector<at::Tensor> weights;
  const std::vector<at::Tensor> biases;
  const Slots& slots;
  at::Tensor dz;                     // [N, O] of x's type: dy itself, or dy * act'(z), then written for tokens with slots
  at::Tensor dx;                     // [N, I] of x's type
  at::Tensor dGates;                 // float32 [N, E], zeros
  std::vector<at::Tensor> dWeights;  // float32
  std::vector<at::Tensor> dBiases;   // float32
};

// The same in products of blocks, for bf16; see tiles.h. They fill the results that the caller allocated, and answer false,
// having done nothing, where the tokens go to too many different sets of experts.
// `packed` holds the weights where pack_panels packed them before.
bool dispatchedForwardTiles(DispatchedForward& call, at::TensorList packed = {});
bool dispatchedBackwardTiles(DispatchedBackward& call);

// The same for float32 without products of blocks, in plain loops; they answer false, having done nothing, for experts that are
// large or whose sides are no multiples of 16: there ATen's products are as good.
bool dispatchedForwardRows(DispatchedForward& call);
bool dispatchedBackwardRows(DispatchedBackward& call);

}  // namespace polygate

// The same for float32, whose blocks are slots of one expert; only where tiles::available says that there are such products.
#define POLYGATE_DISPATCHED_TILES                      \
  void dispatchedForwardSlots(DispatchedForward& call); \
  void dispatchedBackwardSlots(DispatchedBackward& call);
POLYGATE_EACH_LEVEL(POLYGATE_DISPATCHED_TILES)
