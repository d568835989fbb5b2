#include "wide_products.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>

namespace polygate {
namespace {

std::atomic<bool> switchedOn{false};

// What ATen asks for before it gives bf16 products to oneDNN; everything else is a loop over single numbers.
bool processorMultipliesBf16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return true;
#endif
}

// Above 256 bf16 has no odd numbers: a sum of ones that is kept in it stays there.
bool librarySumsInBf16() {
  const auto ones = [](int64_t rows, int64_t columns) { return at::ones({rows, columns}, at::kBFloat16); };
  constexpr int64_t kTerms = 512;
  const at::Tensor straight = at::mm(ones(2, kTerms), ones(kTerms, 2));
  const at::Tensor across = at::mm(ones(kTerms, 2).t(), ones(kTerms, 2));
  return straight.select(0, 0).select(0, 0).item<float>() != kTerms || across.select(0, 0).select(0, 0).item<float>() != kTerms;
}

bool neededHere() {
  static const bool needed = !processorMultipliesBf16() || librarySumsInBf16();
  return needed;
}

bool isNarrow(const at::Tensor& tensor) {
  return tensor.defined() && tensor.scalar_type() == at::kBFloat16 && tensor.device().is_cpu();
}

at::Tensor wide(const at::Tensor& tensor) { return isNarrow(tensor) ? tensor.to(at::kFloat) : tensor; }

// Widens the tensors of a value, and says whether any was narrow.
bool widen(c10::IValue& value) {
  if (value.isTensor()) {
    if (!isNarrow(value.toTensor())) return false;
    value = wide(value.toTensor());
    return true;
  }
  if (!value.isTensorList()) return false;
  c10::List<at::Tensor> list;
  bool any = false;
  for (const at::Tensor& tensor : value.toTensorVector()) {
    any = any || isNarrow(tensor);
    list.push_back(wide(tensor));
  }
  if (any) value = list;
  return any;
}

// Switches products in float32 on for this process, or back to where they are needed; says whether they are from now on.
bool useWideProducts(bool on) {
  switchedOn.store(on);
  return wideProducts();
}

}  // namespace

bool wideProducts() { return switchedOn.load(std::memory_order_relaxed) || neededHere(); }

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!isNarrow(a) || !wideProducts()) return at::mm(a, b);
  return at::mm(wide(a), wide(b)).to(at::kBFloat16);
}

void productInto(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  if (!isNarrow(a) || !wideProducts()) at::mm_out(out, a, b);
  else out.copy_(at::mm(wide(a), wide(b)));
}

bool multiplies(const std::string& name) {
  constexpr std::array<std::string_view, 9> kProducts{"aten::mm",     "aten::bmm",    "aten::matmul",      "aten::addmm",
                                                      "aten::baddbmm", "aten::einsum", "aten::linear",      "aten::convolution",
                                                      "aten::convolution_backward"};
  return std::find(kProducts.begin(), kProducts.end(), name) != kProducts.end();
}

void callProduct(const c10::OperatorHandle& op, std::vector<c10::IValue>& stack) {
  bool any = false;
  if (wideProducts())
    for (c10::IValue& value : stack) any = widen(value) || any;
  op.callBoxed(&stack);
  if (!any) return;
  for (c10::IValue& value : stack)
    if (value.isTensor() && value.toTensor().defined()) value = value.toTensor().to(at::kBFloat16);
}

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("use_wide_products(bool on) -> bool", useWideProducts);
  m.def("has_wide_products() -> bool", wideProducts);
}

}  // namespace polygate
