// Logits of routers, float32 whatever the tokens are stored in. Twin: exactLinear of @polygate/tensor.
// N tokens · I width · O outputs
#include "lanes.h"

namespace polygate {
namespace {

constexpr int64_t kColumns = 2 * kLanes;  // that one pass over a row serves
constexpr int64_t kOutputs = 8;           // number of outputs that weights are filled up to a multiple of
constexpr int64_t kRows = 8;              // that are in work together
constexpr int64_t kSums = 4;              // pairs of vectors that fit the registers beside what they are made of

// One row at a time is widened to float32 in `row` [I], so that the loops behind it read it as it is.
#define POLYGATE_GATE_LOOPS(T)                                                                                          \
  POLYGATE_INLINE void widen(const T* x, float* row, int64_t width) {                                                   \
    _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] = load(x, d);                                        \
  }                                                                                                                     \
  /* Products of rows of x with up to 16 columns of `weights` [I, 16], zeros beyond `outputs`: a lane for each output, and \
     sixteen sums, each of every sixteenth element of a row, that are added up pairwise. */                             \
  POLYGATE_CLONES void logitRows(const T* x, const float* weights, float* row, float* y, int64_t count, int64_t width,  \
                                 int64_t outputs, int64_t stride) {                                                     \
    const int64_t whole = width / kColumns * kColumns;                                                                  \
    for (int64_t n = 0; n < count; ++n, x += width, y += stride) {                                                      \
      Lanes low[kColumns], high[kColumns];                                                                              \
      widen(x, row, width);                                                                                             \
      for (int64_t first = 0; first < kColumns; first += kSums) {                                                       \
        Lanes ownLow[kSums] = {}, ownHigh[kSums] = {};                                                                  \
        for (int64_t i = first; i < whole; i += kColumns) {                                                             \
          _Pragma("GCC unroll 4") for (int64_t k = 0; k < kSums; ++k) {                                                 \
            ownLow[k] += row[i + k] * lanesAt(weights + (i + k) * kColumns);                                            \
            ownHigh[k] += row[i + k] * lanesAt(weights + (i + k) * kColumns + kLanes);                                  \
          }                                                                                                             \
        }                                                                                                               \
        _Pragma("GCC unroll 4") for (int64_t k = 0; k < kSums; ++k) {                                                   \
          low[first + k] = ownLow[k];                                                                                   \
          high[first + k] = ownHigh[k];                                                                                 \
        }                                                                                                               \
      }                                                                                                                 \
      Lanes sums[2];                                                                                                    \
      for (Lanes* of : {low, high}) {                                                                                   \
        _Pragma("GCC unroll 8") for (int64_t k = 0; k < 8; ++k) of[k] += of[k + 8];                                     \
        _Pragma("GCC unroll 4") for (int64_t k = 0; k < 4; ++k) of[k] += of[k + 4];                                     \
        Lanes sum = (of[0] + of[2]) + (of[1] + of[3]);                                                                  \
        for (int64_t i = whole; i < width; ++i) sum += row[i] * lanesAt(weights + i * kColumns + (of == low ? 0 : kLanes)); \
        sums[of == low ? 0 : 1] = sum;                                                                                  \
      }                                                                                                                 \
      std::memcpy(y, sums, 4 * outputs);                                                                                \
    }                                                                                                                   \
  }                                                                                                                     \
  /* sums [O, I] += dy^T x: eight rows at a time; `gates` [8, O] and O a multiple of 8, zeros beyond dy's. */           \
  POLYGATE_CLONES void weightRows(const T* x, const float* dy, float* rows, float* gates, float* sums, int64_t count,   \
                                  int64_t width, int64_t outputs, int64_t padded) {                                     \
    for (int64_t n = 0; n < count; n += kRows, x += kRows * width, dy += kRows * outputs) {                             \
      const int64_t served = std::min(kRows, count - n);                                                                \
      widen(x, rows, served * width);                                                                                   \
      std::fill(rows + served * width, rows + kRows * width, 0.0f);                                                     \
      for (int64_t r = 0; r < kRows; ++r)                                                                               \
        for (int64_t o = 0; o < outputs; ++o) gates[r * padded + o] = r < served ? dy[r * outputs + o] : 0;             \
      for (int64_t first = 0; first < padded; first += kSums) {                                                         \
        float* own = sums + first * width;                                                                              \
        int64_t d = 0;                                                                                                  \
        for (; d + kColumns <= width; d += kColumns) {                                                                  \
          Lanes low[kSums], high[kSums];                                                                                \
          _Pragma("GCC unroll 4") for (int64_t o = 0; o < kSums; ++o) {                                                 \
            low[o] = lanesAt(own + o * width + d);                                                                      \
            high[o] = lanesAt(own + o * width + d + kLanes);                                                            \
          }                                                                                                             \
          for (int64_t r = 0; r < kRows; ++r) {                                                                         \
            const Lanes a = lanesAt(rows + r * width + d), b = lanesAt(rows + r * width + d + kLanes);                  \
            _Pragma("GCC unroll 4") for (int64_t o = 0; o < kSums; ++o) {                                               \
              low[o] += gates[r * padded + first + o] * a;                                                              \
              high[o] += gates[r * padded + first + o] * b;                                                             \
            }                                                                                                           \
          }                                                                                                             \
          _Pragma("GCC unroll 4") for (int64_t o = 0; o < kSums; ++o) {                                                 \
            putLanes(own + o * width + d, low[o]);                                                                      \
            putLanes(own + o * width + d + kLanes, high[o]);                                                            \
          }                                                                                                             \
        }                                                                                                               \
        for (; d < width; ++d)                                                                                          \
          for (int64_t o = 0; o < kSums; ++o)                                                                           \
            for (int64_t r = 0; r < kRows; ++r) own[o * width + d] += gates[r * padded + first + o] * rows[r * width + d]; \
      }                                                                                                                 \
    }                                                                                                                   \
  }                                                                                                                     \
  /* dx = beside + dy w, eight outputs at a time; `w` [O, I] and O a multiple of 8, zeros beyond dy's. */               \
  POLYGATE_CLONES void inputRows(const float* dy, const float* w, const T* beside, float* row, float* gates, T* dx, int64_t count, \
                                 int64_t width, int64_t outputs, int64_t padded) {                                      \
    std::fill(gates, gates + padded, 0.0f);                                                                             \
    for (int64_t n = 0; n < count; ++n, dy += outputs, dx += width) {                                                   \
      std::copy_n(dy, outputs, gates);                                                                                  \
      if (beside != nullptr)                                                                                            \
        widen(beside + n * width, row, width);                                                                          \
      else                                                                                                              \
        std::fill(row, row + width, 0.0f);                                                                              \
      for (int64_t first = 0; first < padded; first += kOutputs) {                                                      \
        const float* own = w + first * width;                                                                           \
        int64_t d = 0;                                                                                                  \
        for (; d + kLanes <= width; d += kLanes) {                                                                      \
          Lanes one = lanesAt(row + d), other = {};                                                                     \
          _Pragma("GCC unroll 4") for (int64_t o = 0; o < kOutputs; o += 2) {                                           \
            one += gates[first + o] * lanesAt(own + o * width + d);                                                     \
            other += gates[first + o + 1] * lanesAt(own + (o + 1) * width + d);                                         \
          }                                                                                                             \
          putLanes(row + d, one + other);                                                                               \
        }                                                                                                               \
        for (; d < width; ++d) {                                                                                        \
          float sum = row[d];                                                                                           \
          for (int64_t o = 0; o < kOutputs; ++o) sum += gates[first + o] * own[o * width + d];                          \
          row[d] = sum;                                                                                                 \
        }                                                                                                               \
      }                                                                                                                 \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(dx, d, row[d]);                                     \
    }                                                                                                                   \
  }
POLYGATE_GATE_LOOPS(float)
POLYGATE_GATE_LOOPS(Bits)

int64_t taskCount(int64_t count) { return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / 16)); }

// [O, I] with rows of zeros up to a multiple of 8.
std::vector<float> padded(const at::Tensor& w) {
  std::vector<float> rows((w.size(0) + kOutputs - 1) / kOutputs * kOutputs * w.size(1), 0.0f);
  std::copy_n(pointer<float>(w), w.numel(), rows.begin());
  return rows;
}

// [O, I] as columns [I, 16] of 16 outputs after another, zeros beyond the last.
std::vector<float> columnsOf(const at::Tensor& w) {
  const int64_t outputs = w.size(0), width = w.size(1);
  std::vector<float> columns((outputs + kColumns - 1) / kColumns * kColumns * width, 0.0f);
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t d = 0; d < width; ++d)
      columns[o / kColumns * kColumns * width + d * kColumns + o % kColumns] = pointer<float>(w)[o * width + d];
  return columns;
}

// x [N, I], weight float32 [O, I] -> float32 [N, O].
at::Tensor exactLinear(const at::Tensor& input, const at::Tensor& weights) {
  const at::Tensor x = input.contiguous(), w = weights.contiguous();
  const int64_t count = x.size(0), width = x.size(1), outputs = w.size(0);
  at::Tensor y = at::empty({count, outputs}, w.options());
  const std::vector<float> columns = columnsOf(w);
  for (int64_t first = 0; first < outputs; first += kColumns) {
    withPointer(x, [&](auto* px) {
      float* py = pointer<float>(y) + first;
      at::parallel_for(0, count, grain(2 * width), [&](int64_t from, int64_t to) {
        std::vector<float> row(width);
        logitRows(px + from * width, columns.data() + first * width, row.data(), py + from * outputs, to - from, width,
                  std::min(kColumns, outputs - first), outputs);
      });
    });
  }
  return y;
}

// -> dx = beside + dy w, [N, I] of type `dtype`, dweight float32 [O, I]. The sums of the weight are by task, then over tasks in order.
std::tuple<at::Tensor, at::Tensor> exactLinearBackward(const at::Tensor& gradient, const at::Tensor& input,
                                                       const at::Tensor& weights, at::ScalarType dtype,
                                                       const c10::optional<at::Tensor>& given) {
  const at::Tensor dy = gradient.contiguous(), x = input.contiguous(), w = weights.contiguous();
  const int64_t count = x.size(0), width = x.size(1), outputs = w.size(0), tasks = taskCount(count);
  at::Tensor dx = at::empty(x.sizes(), x.options().dtype(dtype));
  const std::vector<float> own = padded(w);
  const int64_t rounded = static_cast<int64_t>(own.size()) / std::max<int64_t>(1, width);
  at::Tensor sums = at::zeros({tasks, rounded, width}, w.options());
  const float* g = pointer<float>(dy);
  const at::Tensor beside = given.has_value() && given->defined() ? given->to(dtype).contiguous() : at::Tensor();
  float* ps = pointer<float>(sums);
  withPointer(x, [&](auto* px) {
    withPointer(dx, [&](auto* pdx) {
      const auto* other = beside.defined() ? static_cast<decltype(pdx)>(beside.data_ptr()) : nullptr;
      at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        std::vector<float> rows(kRows * width), gates(kRows * rounded);
        for (int64_t t = first; t < last; ++t) {
          const int64_t from = count * t / tasks, served = count * (t + 1) / tasks - from;
          weightRows(px + from * width, g + from * outputs, rows.data(), gates.data(), ps + t * rounded * width, served, width, outputs,
                     rounded);
          inputRows(g + from * outputs, own.data(), other == nullptr ? nullptr : other + from * width, rows.data(), gates.data(), pdx + from * width, served, width, outputs, rounded);
        }
      });
    });
  });
  return {dx, (tasks == 1 ? sums[0] : sums.sum(0)).narrow(0, 0, outputs)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("exact_linear(Tensor x, Tensor weight) -> Tensor");
  m.def("exact_linear_backward(Tensor dy, Tensor x, Tensor weight, ScalarType dtype, Tensor? beside) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("exact_linear", exactLinear);
  m.impl("exact_linear_backward", exactLinearBackward);
}

}  // namespace polygate
