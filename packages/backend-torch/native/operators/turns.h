// Loops over tasks of uneven size: a thread takes the next one when it is done with its last.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

namespace polygate {

// Calls body(i) once for each task; every thread opens a Session first. What a task computes must not depend on who does it.
template <class Session, class Body>
void takeTurns(int64_t count, const Body& body) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    const Session session;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i);
  });
}

}  // namespace polygate
