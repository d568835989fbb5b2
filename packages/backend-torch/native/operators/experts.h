// Merging experts and sharing a merged weight's gradient out to them, each in one pass over the weights. Experts are
// passed flat: lists hold the used experts, gates are a float32 matrix [R, E], and the choices of all rows follow each
// other in `chosen` (numbers of used experts) with `ends[r]` where row r's end.
#pragma once

#include "span_linear.h"

namespace polygate {

// @throws when one is not float32
std::vector<at::Tensor> contiguousFloats(at::TensorList tensors);

// One merged tensor of type `dtype` for each row that chose experts, in the order of the rows.
std::vector<at::Tensor> mergeExperts(at::TensorList experts, const at::Tensor& gates, at::IntArrayRef used,
                                     at::IntArrayRef chosen, at::IntArrayRef ends, at::ScalarType dtype);

// Who uses whom, rows counted among those that chose; gates contiguous.
std::vector<ExpertUse> expertUses(const at::Tensor& gates, at::IntArrayRef used, at::IntArrayRef chosen, at::IntArrayRef ends);

// Gradients of merged rows, contiguous float32, to experts and gates.
void shareGradient(at::TensorList rows, const ExpertSharing& sharing);

}  // namespace polygate
