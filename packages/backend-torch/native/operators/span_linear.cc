// The operators of span_linear.h: their checks, and the path over ATen's products for processors without products of
// blocks. Twin: linear, segmentLinear and conditionalLinear of @polygate/tensor.
#include "span_linear.h"

#include "row_loops.h"
#include "../wide_products.h"

namespace polygate {
namespace {

bool isWhole(const std::vector<int32_t>& rows, const at::Tensor& x) {
  return static_cast<int64_t>(rows.size()) == x.size(0) * x.size(1);
}

// Copies rows of [B, L, D] to a matrix of their own, or back.
void copyRows(const at::Tensor& from, const at::Tensor& to, const std::vector<int32_t>& rows, bool gather) {
  const int64_t bytes = from.size(-1) * from.element_size();
  const char* source = static_cast<const char*>(from.data_ptr());
  char* target = static_cast<char*>(to.data_ptr());
  at::parallel_for(0, static_cast<int64_t>(rows.size()), grain(from.size(-1)), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      std::memcpy(target + (gather ? i : rows[i]) * bytes, source + (gather ? rows[i] : i) * bytes, bytes);
  });
}

at::Tensor matrix(const at::Tensor& x) { return x.view({-1, x.size(-1)}); }

at::Tensor gathered(const at::Tensor& x, const std::vector<int32_t>& rows) {
  if (isWhole(rows, x)) return matrix(x);
  at::Tensor own = at::empty({static_cast<int64_t>(rows.size()), x.size(-1)}, x.options());
  copyRows(x, own, rows, true);
  return own;
}

void forwardProducts(SpanForward& call) {
  for (size_t w = 0; w < call.weights.size(); ++w) {
    const std::vector<int32_t>& rows = call.rows.of[w];
    if (rows.empty()) continue;
    const bool whole = isWhole(rows, call.x);
    const int64_t width = call.y.size(2), count = static_cast<int64_t>(rows.size());
    // With an activation the product is z: it needs a place of its own when it is kept.
    at::Tensor product = !whole                             ? at::empty({count, width}, call.y.options())
                         : call.gelu && call.z.defined() ? matrix(call.z)
                                                            : matrix(call.y);
    productInto(product, gathered(call.x, rows), call.weights[w].t());
    const float* bias = call.biases.empty() ? nullptr : pointer<float>(call.biases[w]);
    at::Tensor activated = !call.gelu ? product : whole ? matrix(call.y) : at::empty_like(product);
    if (call.gelu) biasGeluRows(product, bias, activated);
    else if (bias != nullptr) biasRows(product, bias);
    if (whole) continue;
    copyRows(activated, call.y, rows, false);
    if (call.gelu && call.z.defined()) copyRows(product, call.z, rows, false);
  }
}

void backwardProducts(SpanBackward& call) {
  const at::ScalarType type = call.weights[0].scalar_type();
  for (size_t w = 0; w < call.weights.size(); ++w) {
    const std::vector<int32_t>& rows = call.rows.of[w];
    if (rows.empty()) continue;
    at::Tensor dz, sums;
    if (call.z.defined()) std::tie(dz, sums) = geluBackwardRows(gathered(call.dy, rows), gathered(call.z, rows));
    else dz = gathered(call.dy, rows).to(type);
    if (isWhole(rows, call.x)) {
      at::Tensor out = matrix(call.dx);
      productInto(out, dz, call.weights[w]);
    } else {
      copyRows(product(dz, call.weights[w]), call.dx, rows, false);
    }
    if (!call.dWeights.empty()) {
      const at::Tensor x = gathered(call.x, rows);
      if (type == at::kFloat) productInto(call.dWeights[w], dz.t(), x);
      else call.dWeights[w].copy_(product(dz.t(), x));
    }
    if (!call.dBiases.empty()) call.dBiases[w].copy_(sums.defined() ? sums : columnSumRows(dz));
  }
}

}  // namespace

SpanRows spanRows(at::IntArrayRef spans, size_t weights, int64_t batch, int64_t length) {
  TORCH_CHECK(spans.size() % 3 == 0, "span_linear: expected spans as triples of weight, start and length");
  SpanRows rows;
  rows.of.resize(weights);
  for (int64_t b = 0; b < batch; ++b)
    for (size_t s = 0; s < spans.size(); s += 3) {
      const int64_t weight = spans[s], start = spans[s + 1], count = spans[s + 2];
      TORCH_CHECK(weight >= 0 && weight < static_cast<int64_t>(weights) && start >= 0 && count >= 0 && start + count <= length,
                  "span_linear: expected spans inside the sequence that name a weight");
      for (int64_t l = start; l < start + count; ++l) rows.of[weight].push_back(static_cast<int32_t>(b * length + l));
    }
  size_t covered = 0;
  for (const auto& own : rows.of) covered += own.size();
  TORCH_CHECK(static_cast<int64_t>(covered) == batch * length, "span_linear: expected spans that cover the sequence");
  return rows;
}

// x [B, L, I], weights [O, I] of x's type, biases float32 [O] or none -> y [B, L, O], and z before the activation
// when `keep` asks for it.
std::tuple<at::Tensor, at::Tensor> spanLinear(const at::Tensor& input, at::TensorList weights, at::TensorList biases,
                                              at::IntArrayRef spans, bool gelu, bool keep) {
  TORCH_CHECK(!weights.empty() && input.dim() == 3, "span_linear: expected x of rank 3 and at least one weight");
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "span_linear: expected a bias for each weight or none");
  const at::ScalarType type = weights[0].scalar_type();
  const at::Tensor x = input.to(type).contiguous();
  const SpanRows rows = spanRows(spans, weights.size(), x.size(0), x.size(1));
  std::vector<at::Tensor> dense, offsets;
  for (const at::Tensor& w : weights) dense.push_back(w.contiguous());
  for (const at::Tensor& b : biases) offsets.push_back(b.contiguous());
  SpanForward call{x, dense, offsets, rows, gelu, at::empty({x.size(0), x.size(1), dense[0].size(0)}, x.options()), {}};
  if (gelu && keep) call.z = at::empty_like(call.y);
  if (tiles::available(type)) POLYGATE_AT_LEVEL(spanForwardTiles, call, at::TensorList());
  else forwardProducts(call);
  return {call.y, call.z};
}

namespace {

// spanLinear with weights [outputs, I] that pack_panels packed.
std::tuple<at::Tensor, at::Tensor> spanLinearPacked(const at::Tensor& input, at::TensorList packed, int64_t outputs,
                                                    at::TensorList biases, at::IntArrayRef spans, bool gelu, bool keep) {
  TORCH_CHECK(!packed.empty() && input.dim() == 3 && (biases.empty() || biases.size() == packed.size()),
              "span_linear_packed: expected x of rank 3, at least one weight, and a bias for each or none");
  const at::ScalarType type = packed[0].scalar_type();
  TORCH_CHECK(tiles::available(type), "span_linear_packed: this processor multiplies no blocks of ", type);
  const at::Tensor x = input.to(type).contiguous();
  const SpanRows rows = spanRows(spans, packed.size(), x.size(0), x.size(1));
  std::vector<at::Tensor> offsets;
  for (const at::Tensor& b : biases) offsets.push_back(b.contiguous());
  SpanForward call{x, {}, offsets, rows, gelu, at::empty({x.size(0), x.size(1), outputs}, x.options()), {}};
  if (gelu && keep) call.z = at::empty_like(call.y);
  POLYGATE_AT_LEVEL(spanForwardTiles, call, packed);
  return {call.y, call.z};
}

// dx [B, L, inputs] by weights [O, inputs] that pack_gradient_panels packed.
at::Tensor spanLinearInputGradient(const at::Tensor& gradient, at::TensorList packed, int64_t inputs,
                                   const c10::optional<at::Tensor>& kept, at::IntArrayRef spans) {
  TORCH_CHECK(!packed.empty() && gradient.dim() == 3, "span_linear_input_gradient: expected dy of rank 3 and at least one weight");
  const at::ScalarType type = packed[0].scalar_type();
  TORCH_CHECK(tiles::available(type), "span_linear_input_gradient: this processor multiplies no blocks of ", type);
  const at::Tensor dy = gradient.contiguous();
  const SpanRows rows = spanRows(spans, packed.size(), dy.size(0), dy.size(1));
  const at::Tensor dx = at::empty({dy.size(0), dy.size(1), inputs}, dy.options().dtype(type));
  const bool active = kept.has_value() && kept->defined();
  SpanBackward call{dy, dx, {}, active ? kept->contiguous() : at::Tensor(), rows, dx, {}, {}, nullptr};
  POLYGATE_AT_LEVEL(spanInputGradientTiles, call, packed);
  return dx;
}

}  // namespace

void spanBackward(SpanBackward& call) {
  if (tiles::available(call.x.scalar_type())) POLYGATE_AT_LEVEL(spanBackwardTiles, call);
  else backwardProducts(call);
}

namespace {

// -> dx [B, L, I] of the weights' type, then for each weight dW [O, I] and db [O] in float32 where they are wanted.
std::tuple<at::Tensor, std::vector<at::Tensor>, std::vector<at::Tensor>> spanLinearBackward(
    const at::Tensor& gradient, const at::Tensor& input, at::TensorList weights, const c10::optional<at::Tensor>& kept,
    at::IntArrayRef spans, bool wantsWeights, bool wantsBiases) {
  TORCH_CHECK(!weights.empty() && input.dim() == 3, "span_linear_backward: expected x of rank 3 and at least one weight");
  const at::ScalarType type = weights[0].scalar_type();
  const at::Tensor x = input.to(type).contiguous();
  const bool active = kept.has_value() && kept->defined();
  const SpanRows rows = spanRows(spans, weights.size(), x.size(0), x.size(1));
  std::vector<at::Tensor> dense;
  for (const at::Tensor& w : weights) dense.push_back(w.contiguous());
  SpanBackward call{gradient.contiguous(), x, dense, active ? kept->contiguous() : at::Tensor(), rows, at::empty_like(x), {}, {}, nullptr};
  const auto exact = x.options().dtype(at::kFloat);
  for (size_t w = 0; w < weights.size(); ++w) {
    // A weight that no span names has no tokens: its gradient is zero.
    const bool used = !rows.of[w].empty();
    if (wantsWeights) call.dWeights.push_back(used ? at::empty(dense[w].sizes(), exact) : at::zeros(dense[w].sizes(), exact));
    if (wantsBiases) call.dBiases.push_back(used ? at::empty({dense[w].size(0)}, exact) : at::zeros({dense[w].size(0)}, exact));
  }
  spanBackward(call);
  return {call.dx, call.dWeights, call.dBiases};
}

}  // namespace

namespace {

at::Tensor packed(const at::Tensor& given, bool transposed) {
  const at::Tensor weight = given.contiguous();
  TORCH_CHECK(weight.dim() == 2 && tiles::available(weight.scalar_type()),
              "pack_panels: expected a matrix of a type that has products of blocks");
  return POLYGATE_AT_LEVEL(packTiles, weight, transposed);
}

at::Tensor packPanels(const at::Tensor& weight) { return packed(weight, true); }
at::Tensor packGradientPanels(const at::Tensor& weight) { return packed(weight, false); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("pack_panels(Tensor weight) -> Tensor");
  m.def("pack_gradient_panels(Tensor weight) -> Tensor");
  m.def("span_linear(Tensor x, Tensor[] weights, Tensor[] biases, int[] spans, bool gelu, bool keep) -> (Tensor, Tensor)");
  m.def("span_linear_packed(Tensor x, Tensor[] panels, int outputs, Tensor[] biases, int[] spans, bool gelu, bool keep) -> (Tensor, Tensor)");
  m.def("span_linear_input_gradient(Tensor dy, Tensor[] panels, int inputs, Tensor? z, int[] spans) -> Tensor");
  m.def(
      "span_linear_backward(Tensor dy, Tensor x, Tensor[] weights, Tensor? z, int[] spans, bool wants_weights, bool "
      "wants_biases) -> (Tensor, Tensor[], Tensor[])");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("pack_panels", packPanels);
  m.impl("pack_gradient_panels", packGradientPanels);
  m.impl("span_linear", spanLinear);
  m.impl("span_linear_packed", spanLinearPacked);
  m.impl("span_linear_input_gradient", spanLinearInputGradient);
  m.impl("span_linear_backward", spanLinearBackward);
}

}  // namespace polygate
