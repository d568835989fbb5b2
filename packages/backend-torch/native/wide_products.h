// Products of bf16 factors in float32, rounded once to bf16: for libraries that sum bf16 products in bf16 (LibTorch 1.13
// where the processor lacks AVX-512: a sum of 4,096 ones is 256), and for processors whose bf16 products are one
// multiplication after the other.
#pragma once

#include "operators.h"

namespace polygate {

/** Whether bf16 factors in CPU memory are multiplied in float32: by what the processor and the library do, or switched on. */
bool wideProducts();

/** a b, as at::mm. */
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

/** out = a b, as at::mm_out. */
void productInto(at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/** Whether an operator of ATen is a product or a convolution, whose bf16 factors may have to be widened. */
bool multiplies(const std::string& name);

/** Calls such an operator on the arguments on the stack. */
void callProduct(const c10::OperatorHandle& op, std::vector<c10::IValue>& stack);

}  // namespace polygate
