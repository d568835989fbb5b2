#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace polygate {
namespace {

// A training step frees and asks for the same sizes again. Blocks from this size on are kept, because
// giving them back to the system costs a page fault per 4 KiB at the next step.
constexpr size_t kKeptFrom = 64 * 1024;
constexpr size_t kHugePage = 2 * 1024 * 1024;
// Cache-line alignment of the data; the header before it takes one line.
constexpr size_t kLine = 64;

// Blocks between `kKeptFrom` and this are cut from slabs of huge pages: a model of experts has thousands of weights,
// moments and gradients of a few hundred kilobytes, and an update walks through all of them.
constexpr size_t kCutBelow = 2 * kHugePage;
constexpr size_t kSlab = 16 * kHugePage;

struct Header {
  size_t asked;
  size_t capacity;
  bool cut;  // from a slab
};

struct State {
  std::mutex mutex;
  std::multimap<size_t, void*> kept;    // capacity -> base
  std::multimap<size_t, void*> vacant;  // the same, cut from slabs, whose memory the system got back
  char* slab = nullptr;                 // what is left of the last one
  size_t left = 0;
  size_t held = 0;
  size_t peak = 0;
  size_t cached = 0;
  size_t limit = 0;
  size_t cacheLimit = 0;
};

// Never destroyed: tensors may be released while the process ends.
State& state() {
  static State* const instance = [] {
    auto* created = new State();
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long size = sysconf(_SC_PAGE_SIZE);
    created->cacheLimit = pages > 0 && size > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(size) / 3
                                                : size_t{1} << 30;
    return created;
  }();
  return *instance;
}

/** Rounds up to an eighth of a power of two, so that nearly equal sizes share blocks. */
size_t capacityFor(size_t bytes) {
  if (bytes < kKeptFrom) return bytes;
  size_t step = kKeptFrom / 8;
  while (step * 16 <= bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

// Gives a block's memory back to the system; of one that was cut, the place stays for another.
void giveBackLocked(State& s, size_t capacity, void* base) {
  if (!static_cast<Header*>(base)->cut) {
    std::free(base);
    return;
  }
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  const size_t first = (reinterpret_cast<size_t>(base) + kLine + page - 1) / page * page;
  const size_t end = (reinterpret_cast<size_t>(base) + kLine + capacity) / page * page;
  if (end > first) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
  s.vacant.emplace(capacity, base);
}

void trimLocked(State& s) {
  for (const auto& block : s.kept) giveBackLocked(s, block.first, block.second);
  s.kept.clear();
  s.cached = 0;
}

// One of the smallest blocks that fit.
void* takeLocked(std::multimap<size_t, void*>& blocks, size_t capacity, size_t& actual) {
  const auto fitting = blocks.lower_bound(capacity);
  if (fitting == blocks.end() || fitting->first > capacity + capacity / 4) return nullptr;
  actual = fitting->first;
  void* base = fitting->second;
  blocks.erase(fitting);
  return base;
}

// A block of a slab; null where there are none, or no memory.
void* cutLocked(State& s, size_t capacity) {
#ifdef MADV_HUGEPAGE
  const size_t total = capacity + kLine;
  if (s.left < total) {
    void* memory = mmap(nullptr, kSlab + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    s.slab = reinterpret_cast<char*>((reinterpret_cast<size_t>(memory) + kHugePage - 1) / kHugePage * kHugePage);
    s.left = kSlab;
    madvise(s.slab, kSlab, MADV_HUGEPAGE);
  }
  void* base = s.slab;
  s.slab += total;
  s.left -= total;
  return base;
#else
  return nullptr;
#endif
}

void* freshBlock(size_t capacity) {
  void* base = nullptr;
  const size_t total = capacity + kLine;
  const bool huge = capacity >= kCutBelow;
  if (posix_memalign(&base, huge ? kHugePage : kLine, total) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (huge) madvise(base, total, MADV_HUGEPAGE);
#endif
  return base;
}

void release(void* data) {
  if (data == nullptr) return;
  void* base = static_cast<char*>(data) - kLine;
  const Header header = *static_cast<Header*>(base);
  State& s = state();
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    s.held -= header.asked;
    if (header.capacity >= kKeptFrom && s.cached + header.capacity <= s.cacheLimit) {
      s.kept.emplace(header.capacity, base);
      s.cached += header.capacity;
      return;
    }
    giveBackLocked(s, header.capacity, base);
  }
}

void* acquire(size_t bytes) {
  if (bytes == 0) return nullptr;
  State& s = state();
  const size_t capacity = capacityFor(bytes);
  void* base = nullptr;
  size_t actual = capacity;
  bool cut = false;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    TORCH_CHECK(
        bytes < (size_t{1} << 62) && (s.limit == 0 || s.held + bytes <= s.limit),
        "polygate-out-of-memory asked=", bytes, " held=", s.held, " limit=", s.limit);
    if (capacity >= kKeptFrom) {
      base = takeLocked(s.kept, capacity, actual);
      if (base != nullptr) s.cached -= actual;
      cut = base != nullptr && static_cast<Header*>(base)->cut;
    }
    if (base == nullptr && capacity >= kKeptFrom && capacity < kCutBelow) {
      base = takeLocked(s.vacant, capacity, actual);
      if (base == nullptr) base = cutLocked(s, capacity);
      cut = base != nullptr;
    }
    s.held += bytes;
    if (s.held > s.peak) s.peak = s.held;
  }
  if (base == nullptr) base = freshBlock(capacity);
  if (base == nullptr) {
    std::lock_guard<std::mutex> lock(s.mutex);
    trimLocked(s);
    base = freshBlock(capacity);
    if (base == nullptr) {
      s.held -= bytes;
      TORCH_CHECK(false, "polygate-out-of-memory asked=", bytes, " held=", s.held, " limit=", s.limit);
    }
  }
  *static_cast<Header*>(base) = Header{bytes, actual, cut};
  return static_cast<char*>(base) + kLine;
}

// LibTorch 1.13 declares allocate() const, later ones non-const, and later ones ask for copy_data():
// both forms are here, and whichever the base class declares is the one that overrides.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const { return make(bytes); }
  c10::DataPtr allocate(size_t bytes) { return make(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* destination, const void* source, size_t count) const {
    std::memcpy(destination, source, count);
  }

 private:
  static c10::DataPtr make(size_t bytes) {
    void* data = acquire(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

void installCpuAllocator() {
  static CountingAllocator* const allocator = [] {
    auto* created = new CountingAllocator();
    c10::SetCPUAllocator(created, 1);
    return created;
  }();
  (void)allocator;
}

CpuMemory cpuMemory() {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  return {s.held, s.peak, s.cached, s.limit};
}

void resetCpuPeak() {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.peak = s.held;
}

void limitCpuMemory(size_t limit, size_t cache) {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.limit = limit;
  if (cache != SIZE_MAX) s.cacheLimit = cache;
  if (s.cached > s.cacheLimit) trimLocked(s);
}

void trimCpuMemory() {
  State& s = state();
  std::lock_guard<std::mutex> lock(s.mutex);
  trimLocked(s);
}

}  // namespace polygate
