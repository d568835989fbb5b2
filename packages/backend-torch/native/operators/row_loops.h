// What surrounds a matrix product, one pass each over rows [N, O], float32 arithmetic; see activation.cc.
#pragma once

#include "vector_math.h"

namespace polygate {

// z += bias, in place.
void biasRows(const at::Tensor& z, const float* bias);
// z += bias in place (bias may be null), y = gelu(z) of the same type.
void biasGeluRows(const at::Tensor& z, const float* bias, const at::Tensor& y);
// dz = dy * gelu'(z) in the type of z, and its column sums in float32.
std::tuple<at::Tensor, at::Tensor> geluBackwardRows(const at::Tensor& dy, const at::Tensor& z);
// Sums of the columns in float32.
at::Tensor columnSumRows(const at::Tensor& x);

}  // namespace polygate
