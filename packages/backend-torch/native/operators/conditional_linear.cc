// A linear layer of merged experts in one call each way: merge the experts of every row, multiply every span by its
// row's weight; backward, share the gradient of each row's weight out to experts and gates. Twin: the composition of
// conditionalLinear in @polygate/tensor.
#include "experts.h"
#include "tile_factors.h"

namespace polygate {
namespace {

// x [B, L, I], experts' weights [O, I] and biases [O], gates [R, E] -> y [B, L, O], z before the activation where `keep`
// asks for it, and the merged weights of type `dtype`.
std::tuple<at::Tensor, at::Tensor, std::vector<at::Tensor>> conditionalLinear(
    const at::Tensor& x, at::TensorList weights, at::TensorList biases, const at::Tensor& gates, at::IntArrayRef used,
    at::IntArrayRef chosen, at::IntArrayRef ends, at::IntArrayRef spans, at::ScalarType dtype, bool gelu, bool keep) {
  const at::Tensor table = gates.contiguous();
  const std::vector<at::Tensor> merged = mergeExperts(weights, table, used, chosen, ends, dtype);
  const std::vector<at::Tensor> offsets = mergeExperts(biases, table, used, chosen, ends, at::kFloat);
  const auto [y, z] = spanLinear(x, merged, offsets, spans, gelu, keep);
  return {y, z, merged};
}

ExpertSharing sharingOf(at::TensorList experts, const at::Tensor& gates, const std::vector<ExpertUse>& uses,
                        const at::Tensor& dGates) {
  ExpertSharing sharing{contiguousFloats(experts), {}, uses, dGates};
  for (const at::Tensor& expert : sharing.experts) sharing.gradients.push_back(at::empty(expert.sizes(), expert.options()));
  return sharing;
}

// -> dx of the merged weights' type; the gates' gradient [R, E], the experts' weights' and biases', all float32.
std::tuple<at::Tensor, at::Tensor, std::vector<at::Tensor>, std::vector<at::Tensor>> conditionalLinearBackward(
    const at::Tensor& gradient, const at::Tensor& input, at::TensorList merged, const c10::optional<at::Tensor>& kept,
    at::TensorList weights, at::TensorList biases, const at::Tensor& gates, at::IntArrayRef used, at::IntArrayRef chosen,
    at::IntArrayRef ends, at::IntArrayRef spans) {
  TORCH_CHECK(!merged.empty() && input.dim() == 3, "conditional_linear_backward: expected x of rank 3 and merged weights");
  const at::ScalarType type = merged[0].scalar_type();
  const at::Tensor table = gates.contiguous(), x = input.to(type).contiguous(), dGates = at::zeros_like(table);
  const std::vector<ExpertUse> uses = expertUses(table, used, chosen, ends);
  const ExpertSharing sharing = sharingOf(weights, table, uses, dGates), offsets = sharingOf(biases, table, uses, dGates);
  const bool shares = tiles::available(type);
  const SpanRows rows = spanRows(spans, merged.size(), x.size(0), x.size(1));
  std::vector<at::Tensor> dense;
  for (const at::Tensor& w : merged) dense.push_back(w.contiguous());
  SpanBackward call{gradient.contiguous(), x, dense, kept.has_value() && kept->defined() ? kept->contiguous() : at::Tensor(), rows,
                    at::empty_like(x), {}, {}, shares ? &sharing : nullptr};
  const auto exact = x.options().dtype(at::kFloat);
  for (const at::Tensor& w : dense) {
    if (!shares) call.dWeights.push_back(at::zeros(w.sizes(), exact));
    call.dBiases.push_back(at::zeros({w.size(0)}, exact));
  }
  spanBackward(call);
  if (!shares) shareGradient(call.dWeights, sharing);
  shareGradient(call.dBiases, offsets);
  return {call.dx, dGates, sharing.gradients, offsets.gradients};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "conditional_linear(Tensor x, Tensor[] weights, Tensor[] biases, Tensor gates, int[] used, int[] chosen, int[] ends, "
      "int[] spans, ScalarType dtype, bool gelu, bool keep) -> (Tensor, Tensor, Tensor[])");
  m.def(
      "conditional_linear_backward(Tensor dy, Tensor x, Tensor[] merged, Tensor? z, Tensor[] weights, Tensor[] biases, "
      "Tensor gates, int[] used, int[] chosen, int[] ends, int[] spans) -> (Tensor, Tensor, Tensor[], Tensor[])");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("conditional_linear", conditionalLinear);
  m.impl("conditional_linear_backward", conditionalLinearBackward);
}

}  // namespace polygate
