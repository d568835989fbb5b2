// Slots of dispatched_linear.h in blocks of one expert, and by token: what the loops over float32 rows share.
#pragma once

#include "dispatched_linear.h"

namespace polygate {

// Neighbouring slots of one expert.
struct SlotBlock {
  int64_t expert, first, count;
};

inline std::vector<SlotBlock> blocksOf(const Slots& slots, int64_t most) {
  std::vector<SlotBlock> list;
  for (int64_t e = 0; e < slots.experts(); ++e)
    for (int64_t at = slots.starts[e]; at < slots.starts[e + 1]; at += most)
      list.push_back({e, at, std::min(most, slots.starts[e + 1] - at)});
  return list;
}

// The slots of each token, in the order of experts.
struct TokenSlots {
  std::vector<int32_t> starts;  // [N + 1]
  std::vector<int32_t> slots;   // [M]; none where no token has two
  bool single() const { return slots.empty(); }
};

inline TokenSlots tokenSlots(const Slots& slots, int64_t count) {
  TokenSlots of{std::vector<int32_t>(count + 1, 0), {}};
  const int64_t number = slots.starts.back();
  int32_t most = 0;
  for (int64_t i = 0; i < number; ++i) most = std::max(most, ++of.starts[slots.tokens[i] + 1]);
  for (int64_t n = 0; n < count; ++n) of.starts[n + 1] += of.starts[n];
  if (most < 2) return of;
  of.slots.resize(number);
  std::vector<int32_t> next(of.starts.begin(), of.starts.end() - 1);
  for (int64_t i = 0; i < number; ++i) of.slots[next[slots.tokens[i]]++] = static_cast<int32_t>(i);
  return of;
}

// Zeros for the tokens that no expert serves.
inline void clearUnserved(const TokenSlots& of, const at::Tensor& rows) {
  if (!rows.defined()) return;
  const int64_t width = rows.size(1);
  for (int64_t n = 0; n < rows.size(0); ++n)
    if (of.starts[n] == of.starts[n + 1]) std::fill_n(pointer<float>(rows) + n * width, width, 0.0f);
}

}  // namespace polygate
