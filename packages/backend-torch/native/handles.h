// Handle table: every tensor that JavaScript knows is an integer into it.
//
// A handle packs a slot (22 bits) and the slot's generation (9 bits), so a handle that outlived its
// tensor is refused instead of reaching a stranger's. Zero is "no tensor". The table belongs to the
// thread that created it: one table per Node environment.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace polygate {

using Handle = int32_t;

class HandleTable {
 public:
  Handle add(at::Tensor tensor) {
    if (!tensor.defined()) return 0;
    uint32_t slot;
    if (free_.empty()) {
      TORCH_CHECK(entries_.size() < kSlots, "more than ", kSlots, " tensors are alive; dispose of some");
      slot = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    Entry& entry = entries_[slot];
    entry.tensor = std::move(tensor);
    return static_cast<Handle>(slot | (entry.generation << kSlotBits));
  }

  /** The tensor of a handle; null for 0 and for a handle that was released. */
  const at::Tensor* find(Handle handle) const {
    const uint32_t slot = static_cast<uint32_t>(handle) & (kSlots - 1);
    const uint32_t generation = static_cast<uint32_t>(handle) >> kSlotBits;
    const bool alive = handle > 0 && slot < entries_.size() && entries_[slot].generation == generation &&
                       entries_[slot].tensor.defined();
    return alive ? &entries_[slot].tensor : nullptr;
  }

  /** Like find; throws when there is none. */
  const at::Tensor& get(Handle handle) const {
    const at::Tensor* tensor = find(handle);
    TORCH_CHECK(tensor != nullptr, "tensor handle ", handle, " is not alive; it was released or never existed");
    return *tensor;
  }

  /** Frees the handle's tensor now; a handle that is gone is ignored so that clean-up can't throw. */
  void remove(Handle handle) {
    const uint32_t slot = static_cast<uint32_t>(handle) & (kSlots - 1);
    const uint32_t generation = static_cast<uint32_t>(handle) >> kSlotBits;
    if (handle <= 0 || slot >= entries_.size()) return;
    Entry& entry = entries_[slot];
    if (entry.generation != generation || !entry.tensor.defined()) return;
    entry.tensor.reset();
    entry.generation = (entry.generation + 1) & kGenerationMask;
    free_.push_back(slot);
  }

  /** Calls `visit` with every handle alive and its tensor. */
  template <class Visit>
  void each(Visit visit) const {
    for (size_t slot = 1; slot < entries_.size(); ++slot) {
      const Entry& entry = entries_[slot];
      if (entry.tensor.defined())
        visit(static_cast<Handle>(slot | (entry.generation << kSlotBits)), entry.tensor);
    }
  }

  /** Handles alive. */
  size_t size() const { return entries_.size() - 1 - free_.size(); }

  /** Bytes of the distinct storages behind all live handles. */
  size_t bytes() const {
    std::unordered_map<const void*, size_t> storages;
    for (const Entry& entry : entries_) {
      if (!entry.tensor.defined() || !entry.tensor.has_storage()) continue;
      const auto& storage = entry.tensor.storage();
      storages.emplace(storage.unsafeGetStorageImpl(), storage.nbytes());
    }
    size_t total = 0;
    for (const auto& storage : storages) total += storage.second;
    return total;
  }

 private:
  static constexpr uint32_t kSlotBits = 22;
  static constexpr uint32_t kSlots = 1u << kSlotBits;
  static constexpr uint32_t kGenerationMask = (1u << 9) - 1;

  struct Entry {
    at::Tensor tensor;
    uint32_t generation = 0;
  };

  std::vector<Entry> entries_ = std::vector<Entry>(1);
  std::vector<uint32_t> free_;
};

}  // namespace polygate
