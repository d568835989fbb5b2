// The operators of dispatched_linear.h: their checks, and the path over ATen's products, expert by expert, for large experts on
// processors without products of blocks, and for bf16 where few tokens share a set of experts. Twin: dispatchedLinear of @polygate/tensor.
#include "dispatched_linear.h"

#include "row_loops.h"
#include "tiles.h"
#include "../wide_products.h"

namespace polygate {
namespace {

#define POLYGATE_SLOT_LOOPS(T)                                                                                        \
  POLYGATE_CLONES void addWeighted(const T* product, const float* bias, float gate, float* sum, int64_t width) {      \
    if (bias == nullptr) {                                                                                            \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) sum[d] += gate * load(product, d);                      \
    } else {                                                                                                          \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) sum[d] += gate * (load(product, d) + bias[d]);          \
    }                                                                                                                 \
  }                                                                                                                   \
  POLYGATE_CLONES float inner(const T* a, const T* b, int64_t width) {                                                \
    float sum = 0;                                                                                                    \
    _Pragma("omp simd reduction(+ : sum)") for (int64_t d = 0; d < width; ++d) sum += load(a, d) * load(b, d);        \
    return sum;                                                                                                       \
  }                                                                                                                   \
  POLYGATE_CLONES float innerWithBias(const T* a, const float* b, int64_t width) {                                    \
    float sum = 0;                                                                                                    \
    _Pragma("omp simd reduction(+ : sum)") for (int64_t d = 0; d < width; ++d) sum += load(a, d) * b[d];              \
    return sum;                                                                                                       \
  }                                                                                                                   \
  POLYGATE_CLONES void scale(T* row, float factor, int64_t width) {                                                   \
    _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(row, d, factor * load(row, d));                     \
  }
POLYGATE_SLOT_LOOPS(float)
POLYGATE_SLOT_LOOPS(Bits)

// The rows of an expert's tokens as a matrix of their own.
at::Tensor gathered(const at::Tensor& from, const Slots& slots, int64_t e) {
  at::Tensor own = at::empty({slots.size(e), from.size(1)}, from.options());
  const int64_t bytes = from.size(1) * from.element_size();
  const char* source = static_cast<const char*>(from.data_ptr());
  char* target = static_cast<char*>(own.data_ptr());
  const int32_t* tokens = slots.tokens + slots.starts[e];
  at::parallel_for(0, slots.size(e), grain(from.size(1)), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) std::memcpy(target + i * bytes, source + tokens[i] * bytes, bytes);
  });
  return own;
}

at::Tensor sumsLike(const at::Tensor& of) { return at::zeros(of.sizes(), of.options().dtype(at::kFloat)); }

// The weighted sum in float32 and then once in the type of z: float32 sums are z itself.
at::Tensor sumFor(at::Tensor& z) {
  if (z.scalar_type() != at::kFloat) return sumsLike(z);
  z.zero_();
  return z;
}

void forwardProducts(DispatchedForward& call) {
  const Slots& slots = call.slots;
  const int64_t outputs = call.y.size(1), columns = call.gates.size(1);
  at::Tensor z = call.gelu && !call.z.defined() ? at::empty_like(call.y) : call.gelu ? call.z : call.y;
  const at::Tensor sum = sumFor(z);
  for (int64_t e = 0; e < slots.experts(); ++e) {
    const at::Tensor partial = product(gathered(call.x, slots, e), call.weights[e].t());
    const int32_t* tokens = slots.tokens + slots.starts[e];
    withPointer(partial, [&](auto* p) {
      at::parallel_for(0, slots.size(e), grain(outputs), [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i)
          addWeighted(p + i * outputs, pointer<float>(call.biases[e]),
                      pointer<float>(call.gates)[tokens[i] * columns + slots.columns[e]],
                      pointer<float>(sum) + tokens[i] * outputs, outputs);
      });
    });
  }
  if (!sum.is_same(z)) z.copy_(sum);
  if (call.gelu) biasGeluRows(z, nullptr, call.y);
}

// One expert's part of the gradients to tokens, gates and its own weights.
void backwardExpert(DispatchedBackward& call, int64_t e, const at::Tensor& sum) {
  const Slots& slots = call.slots;
  const int64_t outputs = call.dz.size(1), inputs = call.x.size(1), columns = call.gates.size(1);
  const int32_t* tokens = slots.tokens + slots.starts[e];
  const at::Tensor g = gathered(call.dz, slots, e), x = gathered(call.x, slots, e);
  const at::Tensor u = product(g, call.weights[e]);
  withPointer(u, [&](auto* pu) {
    using T = std::remove_pointer_t<decltype(pu)>;
    at::parallel_for(0, slots.size(e), grain(inputs + outputs), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t place = tokens[i] * columns + slots.columns[e];
        const float gate = pointer<float>(call.gates)[place];
        T* row = pointer<T>(g) + i * outputs;
        pointer<float>(call.dGates)[place] = inner(pu + i * inputs, pointer<T>(x) + i * inputs, inputs) +
                                             innerWithBias(row, pointer<float>(call.biases[e]), outputs);
        addWeighted(pu + i * inputs, nullptr, gate, pointer<float>(sum) + tokens[i] * inputs, inputs);
        scale(row, gate, outputs);
      }
    });
  });
  call.dWeights[e].copy_(product(g.t(), x));
  call.dBiases[e].copy_(columnSumRows(g));
}

void backwardProducts(DispatchedBackward& call) {
  if (call.z.defined()) call.dz = std::get<0>(geluBackwardRows(call.dy, call.z));
  else call.dz = call.dy.to(call.x.scalar_type());
  const at::Tensor sum = sumFor(call.dx);
  for (int64_t e = 0; e < call.slots.experts(); ++e) backwardExpert(call, e, sum);
  if (!sum.is_same(call.dx)) call.dx.copy_(sum);
}

Slots slotsOf(const at::Tensor& tokens, at::IntArrayRef starts, at::IntArrayRef used) {
  TORCH_CHECK(tokens.scalar_type() == at::kInt && tokens.is_contiguous() && starts.size() == used.size() + 1 &&
                  starts.back() == tokens.numel(),
              "dispatched_linear: expected int32 tokens of all slots and the starts of the used experts");
  return {pointer<int32_t>(tokens), starts.vec(), used.vec(), tokens.storage()};
}

std::vector<at::Tensor> contiguous(at::TensorList tensors) {
  std::vector<at::Tensor> dense;
  for (const at::Tensor& t : tensors) dense.push_back(t.contiguous());
  return dense;
}

// [..., D] as rows [N, D] of a type, in order.
at::Tensor rowsOf(const at::Tensor& t, at::ScalarType type) { return t.to(type).reshape({-1, t.size(-1)}).contiguous(); }

// Rows [N, D] with the leading axes of another tensor.
at::Tensor shapedLike(const at::Tensor& rows, const at::Tensor& other) {
  if (!rows.defined() || other.dim() == 2) return rows;
  std::vector<int64_t> shape = other.sizes().vec();
  shape.back() = rows.size(1);
  return rows.view(shape);
}

// x [..., I] of N tokens, gates float32 [N, E], weights [O, I] and float32 biases [O] of the experts with slots -> y
// [..., O] of the weights' type, and z before the activation when `keep` asks for it.
std::tuple<at::Tensor, at::Tensor> dispatchedLinear(const at::Tensor& input, const at::Tensor& gates, at::TensorList weights,
                                                    at::TensorList biases, const at::Tensor& tokens, at::IntArrayRef starts,
                                                    at::IntArrayRef used, bool gelu, bool keep) {
  TORCH_CHECK(!weights.empty() && weights.size() == used.size() && biases.size() == used.size() && input.dim() >= 2,
              "dispatched_linear: expected x of rank 2 or more, and a weight and a bias for each expert with slots");
  const at::ScalarType type = weights[0].scalar_type();
  const Slots slots = slotsOf(tokens, starts, used);
  const at::Tensor x = rowsOf(input, type);
  DispatchedForward call{x, gates.contiguous(), contiguous(weights), contiguous(biases), slots, gelu, {}, {}};
  call.y = at::empty({x.size(0), call.weights[0].size(0)}, x.options());
  if (gelu && keep) call.z = at::empty_like(call.y);
  if (type == at::kFloat && tiles::available(type)) POLYGATE_AT_LEVEL(dispatchedForwardSlots, call);
  else if (!(type == at::kBFloat16 ? tiles::available() && dispatchedForwardTiles(call) : dispatchedForwardRows(call)))
    forwardProducts(call);
  return {shapedLike(call.y, input), shapedLike(call.z, input)};
}

// dispatchedLinear with weights [outputs, I] that pack_panels packed, for forwards without a gradient -> y [..., outputs], or
// nothing where the tokens go to too many different sets of experts: then dispatchedLinear has another way.
std::vector<at::Tensor> dispatchedLinearPacked(const at::Tensor& input, const at::Tensor& gates, at::TensorList packed,
                                               int64_t outputs, at::TensorList biases, const at::Tensor& tokens,
                                               at::IntArrayRef starts, at::IntArrayRef used, bool gelu) {
  TORCH_CHECK(!packed.empty() && packed.size() == used.size() && biases.size() == used.size() && input.dim() >= 2,
              "dispatched_linear_packed: expected x of rank 2 or more, and a weight and a bias for each expert with slots");
  if (!isHalf(packed[0]) || !tiles::available()) return {};
  const Slots slots = slotsOf(tokens, starts, used);
  const at::Tensor x = rowsOf(input, at::kBFloat16);
  DispatchedForward call{x, gates.contiguous(), {}, contiguous(biases), slots, gelu, at::empty({x.size(0), outputs}, x.options()), {}};
  if (!dispatchedForwardTiles(call, packed)) return {};
  return {shapedLike(call.y, input)};
}

// -> dx [..., I] of the weights' type, dgates float32 [N, E], then dW [O, I] and db [O] of each expert, float32.
std::tuple<at::Tensor, at::Tensor, std::vector<at::Tensor>, std::vector<at::Tensor>> dispatchedLinearBackward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& gates, at::TensorList weights,
    at::TensorList biases, const c10::optional<at::Tensor>& kept, const at::Tensor& tokens, at::IntArrayRef starts,
    at::IntArrayRef used) {
  const at::ScalarType type = weights[0].scalar_type();
  const Slots slots = slotsOf(tokens, starts, used);
  const at::Tensor x = rowsOf(input, type);
  const bool active = kept.has_value() && kept->defined();
  DispatchedBackward call{rowsOf(gradient, gradient.scalar_type()), active ? rowsOf(*kept, kept->scalar_type()) : at::Tensor(), x, gates.contiguous(),
                          contiguous(weights), contiguous(biases), slots, {}, {}, {}, {}, {}};
  call.dx = at::empty_like(x);
  call.dGates = at::zeros_like(call.gates);
  const auto exact = x.options().dtype(at::kFloat);
  for (const at::Tensor& w : call.weights) {
    call.dWeights.push_back(at::empty(w.sizes(), exact));
    call.dBiases.push_back(at::empty({w.size(0)}, exact));
  }
  if (type == at::kFloat && tiles::available(type)) POLYGATE_AT_LEVEL(dispatchedBackwardSlots, call);
  else if (!(type == at::kBFloat16 ? tiles::available() && dispatchedBackwardTiles(call) : dispatchedBackwardRows(call)))
    backwardProducts(call);
  return {shapedLike(call.dx, input), call.dGates, call.dWeights, call.dBiases};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "dispatched_linear(Tensor x, Tensor gates, Tensor[] weights, Tensor[] biases, Tensor tokens, int[] starts, int[] "
      "used, bool gelu, bool keep) -> (Tensor, Tensor)");
  m.def(
      "dispatched_linear_packed(Tensor x, Tensor gates, Tensor[] panels, int outputs, Tensor[] biases, Tensor tokens, int[] "
      "starts, int[] used, bool gelu) -> Tensor[]");
  m.def(
      "dispatched_linear_backward(Tensor dy, Tensor x, Tensor gates, Tensor[] weights, Tensor[] biases, Tensor? z, Tensor "
      "tokens, int[] starts, int[] used) -> (Tensor, Tensor, Tensor[], Tensor[])");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("dispatched_linear", dispatchedLinear);
  m.impl("dispatched_linear_packed", dispatchedLinearPacked);
  m.impl("dispatched_linear_backward", dispatchedLinearBackward);
}

}  // namespace polygate
