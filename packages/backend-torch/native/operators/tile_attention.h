// The tensors of attention in products of blocks (attention_tiles.h), and what each level does with them.
// B batch · h heads · L queries · P prompts in front of the keys · K = P + L keys · d width of a head
#pragma once

#include "levels.h"

namespace polygate {

struct AttentionShape {
  int64_t batch, heads, length, prompts, head;
  int64_t keys() const { return prompts + length; }
  int64_t width() const { return heads * head; }
};

template <class T>
struct AttentionInputs {
  AttentionShape shape;
  float scale;
  const T* qkv;                        // [B, L, 3 h d]
  const T *promptKeys, *promptValues;  // [B or 1, P, h d], or null
  int64_t promptStride;                // elements from one sample's prompts to the next; 0 when shared
  const float* mask;                   // [B or 1, 1, L or 1, L], or null
  int64_t maskSample, maskQuery;       // elements from one sample's and one query's row to the next
};

// The tensors of a call, contiguous, those that may be absent undefined.
struct AttentionTensors {
  at::Tensor qkv, mask, promptKeys, promptValues;
  int64_t heads;

  AttentionTensors(const at::Tensor& fused, const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& keys,
                   const c10::optional<at::Tensor>& values, int64_t headCount)
      : qkv(fused.contiguous()), mask(given(bias)), promptKeys(given(keys)), promptValues(given(values)), heads(headCount) {
    TORCH_CHECK(qkv.dim() == 3 && qkv.size(2) % (3 * heads) == 0,
                "tile_attention: expected queries, keys and values [B, L, 3 h d]");
    TORCH_CHECK(tiles::available(qkv.scalar_type()), "tile_attention: this processor multiplies no blocks of ", qkv.scalar_type());
    for (const at::Tensor* prompt : {&promptKeys, &promptValues})
      TORCH_CHECK(!prompt->defined() || prompt->scalar_type() == qkv.scalar_type(), "tile_attention: expected prompts of qkv's type");
  }

  AttentionShape shape() const {
    const int64_t width = qkv.size(2) / 3;
    return {qkv.size(0), heads, qkv.size(1), promptKeys.defined() ? promptKeys.size(-2) : 0, width / heads};
  }

  template <class T>
  AttentionInputs<T> inputs() const {
    const AttentionShape own = shape();
    AttentionInputs<T> in{own, static_cast<float>(1.0 / std::sqrt(static_cast<double>(own.head))), pointer<T>(qkv), nullptr,
                          nullptr, 0, nullptr, 0, 0};
    if (promptKeys.defined()) {
      in.promptKeys = pointer<T>(promptKeys);
      in.promptValues = pointer<T>(promptValues);
      in.promptStride = promptKeys.dim() == 3 ? own.prompts * own.width() : 0;
    }
    if (mask.defined()) {
      in.mask = pointer<float>(mask);
      in.maskQuery = mask.size(2) == 1 ? 0 : mask.size(3);
      in.maskSample = mask.size(0) == 1 ? 0 : mask.size(2) * mask.size(3);
    }
    return in;
  }

 private:
  static at::Tensor given(const c10::optional<at::Tensor>& t) {
    return t.has_value() && t->defined() ? t->contiguous() : at::Tensor();
  }
};

}  // namespace polygate

// y [B, L, h d] and of each query its largest score and one over the sum of its softmax; backward dqkv, and the gradients
// of prompts, undefined without any.
#define POLYGATE_ATTENTION_TILES                                                                                          \
  void attentionForward(const AttentionTensors& tensors, const at::Tensor& y, const at::Tensor& softmax);                \
  void attentionBackward(const AttentionTensors& tensors, const at::Tensor& dy, const at::Tensor& softmax,               \
                         const at::Tensor& dqkv, const at::Tensor& dKeys, const at::Tensor& dValues);
POLYGATE_EACH_LEVEL(POLYGATE_ATTENTION_TILES)
