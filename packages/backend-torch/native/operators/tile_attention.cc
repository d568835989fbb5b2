// Attention in products of blocks; see attention_tiles.h. Twins: PgAttention and PgAttentionGrad composed of ATen's operators.
#include "tile_attention.h"

namespace polygate {
namespace {

// qkv [B, L, 3 h d], mask float32, prompts of qkv's type -> y [B, L, h d] of that type, and of each query its largest
// score and one over the sum of its softmax, [B h, L, 2] in float32.
std::tuple<at::Tensor, at::Tensor> tileAttention(const at::Tensor& qkv, const c10::optional<at::Tensor>& mask,
                                                  const c10::optional<at::Tensor>& promptKeys,
                                                  const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  const AttentionTensors tensors(qkv, mask, promptKeys, promptValues, heads);
  const AttentionShape shape = tensors.shape();
  at::Tensor y = at::empty({shape.batch, shape.length, shape.width()}, qkv.options());
  at::Tensor softmax = at::empty({shape.batch * heads, shape.length, 2}, qkv.options().dtype(at::kFloat));
  POLYGATE_AT_LEVEL(attentionForward, tensors, y, softmax);
  return {y, softmax};
}

// -> dqkv of qkv's type, and the gradients of prompt keys and values [B, P, h d] in float32 where there are prompts.
std::tuple<at::Tensor, at::Tensor, at::Tensor> tileAttentionBackward(
    const at::Tensor& gradient, const at::Tensor& qkv, const at::Tensor& softmax, const c10::optional<at::Tensor>& mask,
    const c10::optional<at::Tensor>& promptKeys, const c10::optional<at::Tensor>& promptValues, int64_t heads) {
  const AttentionTensors tensors(qkv, mask, promptKeys, promptValues, heads);
  const AttentionShape shape = tensors.shape();
  const at::Tensor dy = gradient.to(qkv.scalar_type()).contiguous(), kept = softmax.contiguous();
  at::Tensor dqkv = at::empty_like(tensors.qkv), dKeys, dValues;
  if (shape.prompts > 0) {
    dKeys = at::zeros({shape.batch, shape.prompts, shape.width()}, qkv.options().dtype(at::kFloat));
    dValues = at::zeros_like(dKeys);
  }
  POLYGATE_AT_LEVEL(attentionBackward, tensors, dy, kept, dqkv, dKeys, dValues);
  return {dqkv, dKeys, dValues};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "tile_attention(Tensor qkv, Tensor? mask, Tensor? prompt_keys, Tensor? prompt_values, int heads) -> (Tensor, "
      "Tensor)");
  m.def(
      "tile_attention_backward(Tensor dy, Tensor qkv, Tensor softmax, Tensor? mask, Tensor? prompt_keys, Tensor? "
      "prompt_values, int heads) -> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("tile_attention", tileAttention);
  m.impl("tile_attention_backward", tileAttentionBackward);
}

}  // namespace polygate
