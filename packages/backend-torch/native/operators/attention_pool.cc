// Attention pooling of whole sequences for routers on context, float32 whatever the tokens are stored in, one sample at
// a time and in one call each way: a sample's vectors stay in the cache, and so do the four matrices. Twin: attentionPool
// of @polygate/tensor, which says what is computed.
// B batch · T tokens of a sample · D width · H heads of D / H channels
#include "vector_math.h"

namespace polygate {
namespace {

constexpr int64_t kLanes = 16;

POLYGATE_INLINE float sumOf(const float* lanes) {
  float sum = 0;
  _Pragma("omp simd reduction(+ : sum)") for (int64_t k = 0; k < kLanes; ++k) sum += lanes[k];
  return sum;
}

// Products of one row with up to four others that lie `width` apart, `count` of them.
POLYGATE_INLINE void dotFour(const float* row, const float* others, int64_t width, int64_t count, float* out) {
  float sums[4][kLanes] = {};
  const float* own[4];
  for (int64_t k = 0; k < 4; ++k) own[k] = others + (k < count ? k : 0) * width;
  int64_t d = 0;
  for (; d + kLanes <= width; d += kLanes)
    for (int64_t k = 0; k < 4; ++k)
      _Pragma("omp simd") for (int64_t l = 0; l < kLanes; ++l) sums[k][l] += row[d + l] * own[k][d + l];
  for (; d < width; ++d)
    for (int64_t k = 0; k < 4; ++k) sums[k][0] += row[d] * own[k][d];
  for (int64_t k = 0; k < count; ++k) out[k] = sumOf(sums[k]);
}

// y[o] = <w[o], x> + bias[o], w [O, I].
POLYGATE_CLONES void project(const float* w, const float* bias, const float* x, float* y, int64_t outputs, int64_t inputs) {
  for (int64_t o = 0; o < outputs; o += 4) dotFour(x, w + o * inputs, inputs, std::min<int64_t>(4, outputs - o), y + o);
  if (bias != nullptr)
    _Pragma("omp simd") for (int64_t o = 0; o < outputs; ++o) y[o] += bias[o];
}

// y[i] += factor * sum_o x[o] w[o, i].
POLYGATE_CLONES void projectBack(const float* w, const float* x, float factor, float* y, int64_t outputs, int64_t inputs) {
  int64_t o = 0;
  for (; o + 4 <= outputs; o += 4) {
    const float *a = w + o * inputs, *b = a + inputs, *c = b + inputs, *e = c + inputs;
    const float ga = factor * x[o], gb = factor * x[o + 1], gc = factor * x[o + 2], ge = factor * x[o + 3];
    _Pragma("omp simd") for (int64_t i = 0; i < inputs; ++i) y[i] += (ga * a[i] + gb * b[i]) + (gc * c[i] + ge * e[i]);
  }
  for (; o < outputs; ++o) {
    const float g = factor * x[o];
    _Pragma("omp simd") for (int64_t i = 0; i < inputs; ++i) y[i] += g * w[o * inputs + i];
  }
}

// sums[o, i] += factor * dy[o] x[i].
POLYGATE_CLONES void outer(const float* dy, const float* x, float factor, float* sums, int64_t outputs, int64_t inputs) {
  for (int64_t o = 0; o < outputs; ++o) {
    const float g = factor * dy[o];
    float* own = sums + o * inputs;
    _Pragma("omp simd") for (int64_t i = 0; i < inputs; ++i) own[i] += g * x[i];
  }
}

POLYGATE_CLONES void addTo(float* sums, const float* x, int64_t count) {
  _Pragma("omp simd") for (int64_t i = 0; i < count; ++i) sums[i] += x[i];
}

// scores [T] -> softmax over the visible ones, zeros elsewhere.
POLYGATE_CLONES void softmax(float* scores, const float* visible, int64_t tokens) {
  float largest = -INFINITY;
  for (int64_t t = 0; t < tokens; ++t)
    if (visible == nullptr || visible[t] != 0) largest = std::max(largest, scores[t]);
  if (largest == -INFINITY) largest = 0;
  _Pragma("omp simd") for (int64_t t = 0; t < tokens; ++t) scores[t] = fastExp(std::min(scores[t] - largest, 0.0f));
  for (int64_t t = 0; visible != nullptr && t < tokens; ++t)
    if (visible[t] == 0) scores[t] = 0;
  float sum = 0;
  _Pragma("omp simd reduction(+ : sum)") for (int64_t t = 0; t < tokens; ++t) sum += scores[t];
  const float inverse = sum > 0 ? 1 / sum : 0;
  _Pragma("omp simd") for (int64_t t = 0; t < tokens; ++t) scores[t] *= inverse;
}

// One token at a time is widened to float32 in `row` [D], so that the loops behind it read it as it is.
#define POLYGATE_POOL_LOOPS(X)                                                                                          \
  POLYGATE_INLINE void widen(const X* x, float* row, int64_t width) {                                                   \
    _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] = load(x, d);                                        \
  }                                                                                                                     \
  /* scores[h, t] = <rows[h], x[t]>, 0 at tokens that do not count: what they hold is not looked at */                  \
  POLYGATE_CLONES void scoreTokens(const X* x, const float* visible, const float* rows, float* row, float* scores,      \
                                   int64_t tokens, int64_t width, int64_t heads) {                                      \
    for (int64_t t = 0; t < tokens; ++t, x += width) {                                                                  \
      if (visible != nullptr && visible[t] == 0) {                                                                      \
        for (int64_t h = 0; h < heads; ++h) scores[h * tokens + t] = 0;                                                 \
        continue;                                                                                                       \
      }                                                                                                                 \
      widen(x, row, width);                                                                                             \
      for (int64_t h = 0; h < heads; h += 4) {                                                                          \
        float own[4];                                                                                                   \
        const int64_t count = std::min<int64_t>(4, heads - h);                                                          \
        dotFour(row, rows + h * width, width, count, own);                                                              \
        for (int64_t k = 0; k < count; ++k) scores[(h + k) * tokens + t] = own[k];                                      \
      }                                                                                                                 \
    }                                                                                                                   \
  }                                                                                                                     \
  /* means[h] += sum_t weights[h, t] x[t] */                                                                            \
  /* Tokens that do not count are passed over, since 0 times NaN is NaN. */                                             \
  POLYGATE_CLONES void weighTokens(const X* x, const float* visible, const float* weights, float* row, float* means,    \
                                   int64_t tokens, int64_t width, int64_t heads) {                                      \
    for (int64_t t = 0; t < tokens; ++t, x += width) {                                                                  \
      if (visible != nullptr && visible[t] == 0) continue;                                                              \
      widen(x, row, width);                                                                                             \
      for (int64_t h = 0; h < heads; ++h) {                                                                             \
        const float a = weights[h * tokens + t];                                                                        \
        float* own = means + h * width;                                                                                 \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) own[d] += a * row[d];                                   \
      }                                                                                                                 \
    }                                                                                                                   \
  }                                                                                                                     \
  /* dx[t] = share[t] toMean + sum_h weights[h, t] toPooled[h] + toScores[h, t] queries[h] */                           \
  POLYGATE_CLONES void tokenGradients(const float* weights, const float* toScores, const float* toPooled,               \
                                      const float* queries, const float* toMean, const float* visible, float share,     \
                                      float* row, X* dx, int64_t tokens, int64_t width, int64_t heads) {                \
    for (int64_t t = 0; t < tokens; ++t, dx += width) {                                                                 \
      if (visible != nullptr && visible[t] == 0) {                                                                      \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(dx, d, 0.0f);                                     \
        continue;                                                                                                       \
      }                                                                                                                 \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] = share * toMean[d];                               \
      for (int64_t h = 0; h < heads; ++h) {                                                                             \
        const float a = weights[h * tokens + t], s = toScores[h * tokens + t];                                          \
        const float *g = toPooled + h * width, *q = queries + h * width;                                                \
        _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) row[d] += a * g[d] + s * q[d];                          \
      }                                                                                                                 \
      _Pragma("omp simd") for (int64_t d = 0; d < width; ++d) store(dx, d, row[d]);                                     \
    }                                                                                                                   \
  }
POLYGATE_POOL_LOOPS(float)
POLYGATE_POOL_LOOPS(Bits)

struct Size {
  int64_t tokens, width, heads;
  int64_t channels() const { return width / heads; }
  float scale() const { return std::sqrt(static_cast<float>(heads) / static_cast<float>(width)); }
};

// Share of each visible token in the mean; 0 where none is.
float shareOf(const float* visible, int64_t tokens) {
  int64_t count = tokens;
  for (int64_t t = 0; visible != nullptr && t < tokens; ++t) count -= visible[t] == 0;
  return count > 0 ? 1.0f / static_cast<float>(count) : 0;
}

struct Weights {
  const float *query, *queryBias, *key, *value, *valueBias, *output, *outputBias;
};

// Where each sample's vectors lie: mean, query, values [D], absorbed queries and pooled tokens [H, D], weights [H, T].
struct Vectors {
  float *mean, *query, *values, *absorbed, *pooled, *weights;
  Vectors of(int64_t b, const Size& size) const {
    const int64_t own = b * size.width, all = own * size.heads;
    return {mean + own, query + own, values + own, absorbed + all, pooled + all, weights + b * size.heads * size.tokens};
  }
};

// Room in the order of `Vectors`.
std::vector<at::Tensor> makeVectors(int64_t batch, const Size& size, const at::TensorOptions& options) {
  const auto make = [&](at::IntArrayRef shape) { return at::zeros(shape, options); };
  const int64_t d = size.width, h = size.heads;
  return {make({batch, d}), make({batch, d}), make({batch, d}), make({batch, h, d}), make({batch, h, d}), make({batch, h, size.tokens})};
}

Vectors pointersOf(at::TensorList all) {
  return {pointer<float>(all[0]), pointer<float>(all[1]), pointer<float>(all[2]),
          pointer<float>(all[3]), pointer<float>(all[4]), pointer<float>(all[5])};
}

Weights weightsOf(at::TensorList all) {
  return {pointer<float>(all[0]), pointer<float>(all[1]), pointer<float>(all[2]), pointer<float>(all[3]),
          pointer<float>(all[4]), pointer<float>(all[5]), pointer<float>(all[6])};
}

template <class X>
void poolSample(const X* x, const float* visible, const Weights& w, const Vectors& v, float* y, float* row, const Size& size) {
  const int64_t tokens = size.tokens, width = size.width, heads = size.heads, channels = size.channels();
  const float share = shareOf(visible, tokens);
  // The weights' place serves the mean first.
  for (int64_t t = 0; t < tokens; ++t) v.weights[t] = visible == nullptr || visible[t] != 0 ? share : 0;
  weighTokens(x, visible, v.weights, row, v.mean, tokens, width, 1);
  project(w.query, w.queryBias, v.mean, v.query, width, width);
  for (int64_t h = 0; h < heads; ++h)
    projectBack(w.key + h * channels * width, v.query + h * channels, size.scale(), v.absorbed + h * width, channels, width);
  scoreTokens(x, visible, v.absorbed, row, v.weights, tokens, width, heads);
  for (int64_t h = 0; h < heads; ++h) softmax(v.weights + h * tokens, visible, tokens);
  weighTokens(x, visible, v.weights, row, v.pooled, tokens, width, heads);
  for (int64_t h = 0; h < heads; ++h)
    project(w.value + h * channels * width, w.valueBias + h * channels, v.pooled + h * width, v.values + h * channels, channels, width);
  project(w.output, w.outputBias, v.values, y, width, width);
}

void check(const at::Tensor& x, at::TensorList weights, int64_t heads) {
  const int64_t width = x.size(2);
  TORCH_CHECK(weights.size() == 7 && heads > 0 && width % heads == 0,
              "attention_pool: expected 7 weights and a width that the heads divide, got ", weights.size(), ", ", width, " and ", heads);
  for (size_t k = 0; k < 7; ++k) {
    const bool matrix = k == 0 || k == 2 || k == 3 || k == 5;
    TORCH_CHECK(weights[k].numel() == (matrix ? width * width : width) && weights[k].scalar_type() == at::kFloat && weights[k].is_contiguous(),
                "attention_pool: expected float32 weights of width ", width, ", got ", weights[k].sizes());
  }
}

// x [B, T, D]; weights float32: query [D, D] and bias [D], key [D, D], value and bias, output and bias; visible float32
// [B, T] -> y float32 [B, D], then what the gradient needs, in the order of `Vectors`.
std::vector<at::Tensor> attentionPool(const at::Tensor& input, at::TensorList weights, const c10::optional<at::Tensor>& visible,
                                      int64_t heads) {
  check(input, weights, heads);
  const at::Tensor x = input.contiguous();
  const int64_t batch = x.size(0);
  const Size size{x.size(1), x.size(2), heads};
  const auto options = weights[0].options();
  at::Tensor y = at::empty({batch, size.width}, options);
  std::vector<at::Tensor> results = makeVectors(batch, size, options);
  const Vectors vectors = pointersOf(results);
  const Weights w = weightsOf(weights);
  const float* mask = floats(visible);
  float* py = pointer<float>(y);
  withPointer(x, [&](auto* px) {
    at::parallel_for(0, batch, 1, [&](int64_t from, int64_t to) {
      std::vector<float> row(size.width);
      for (int64_t b = from; b < to; ++b)
        poolSample(px + b * size.tokens * size.width, mask == nullptr ? nullptr : mask + b * size.tokens, w, vectors.of(b, size),
                   py + b * size.width, row.data(), size);
    });
  });
  results.insert(results.begin(), y);
  return results;
}

// Sums of one task for the weights, laid out one after the other in the order of the inputs.
struct Sums {
  float *query, *queryBias, *key, *value, *valueBias, *output, *outputBias;
};

Sums sumsAt(float* p, int64_t width) {
  const int64_t square = width * width;
  Sums s{};
  s.query = p;
  s.queryBias = s.query + square;
  s.key = s.queryBias + width;
  s.value = s.key + square;
  s.valueBias = s.value + square;
  s.output = s.valueBias + width;
  s.outputBias = s.output + square;
  return s;
}

template <class X, class G>
void poolSampleBackward(const float* dy, const X* x, const float* visible, const Weights& w, const Vectors& v, const Sums& sums,
                        const Vectors& room, float* row, G* dx, const Size& size) {
  const int64_t tokens = size.tokens, width = size.width, heads = size.heads, channels = size.channels();
  const float scale = size.scale();
  std::fill(room.mean, room.mean + width, 0.0f);
  std::fill(room.values, room.values + width, 0.0f);
  std::fill(room.absorbed, room.absorbed + heads * width, 0.0f);
  std::fill(room.pooled, room.pooled + heads * width, 0.0f);
  addTo(sums.outputBias, dy, width);
  outer(dy, v.values, 1, sums.output, width, width);
  projectBack(w.output, dy, 1, room.values, width, width);
  addTo(sums.valueBias, room.values, width);
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = h * channels;
    outer(room.values + first, v.pooled + h * width, 1, sums.value + first * width, channels, width);
    projectBack(w.value + first * width, room.values + first, 1, room.pooled + h * width, channels, width);
  }
  scoreTokens(x, visible, room.pooled, row, room.weights, tokens, width, heads);
  for (int64_t h = 0; h < heads; ++h) {
    const float* a = v.weights + h * tokens;
    float *s = room.weights + h * tokens, along = 0;
    for (int64_t t = 0; t < tokens; ++t) along += a[t] * s[t];
    for (int64_t t = 0; t < tokens; ++t) s[t] = a[t] * (s[t] - along);
  }
  weighTokens(x, visible, room.weights, row, room.absorbed, tokens, width, heads);
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t first = h * channels;
    outer(v.query + first, room.absorbed + h * width, scale, sums.key + first * width, channels, width);
    project(w.key + first * width, nullptr, room.absorbed + h * width, room.query + first, channels, width);
  }
  for (int64_t d = 0; d < width; ++d) room.query[d] *= scale;
  addTo(sums.queryBias, room.query, width);
  outer(room.query, v.mean, 1, sums.query, width, width);
  projectBack(w.query, room.query, 1, room.mean, width, width);
  tokenGradients(v.weights, room.weights, room.pooled, v.absorbed, room.mean, visible, shareOf(visible, tokens), row, dx, tokens, width,
                 heads);
}

// kept: what the forward gave behind y -> dx [B, T, D] of type `dtype`, then the gradients of the seven weights. Their
// sums are by task, then over tasks in order.
std::vector<at::Tensor> attentionPoolBackward(const at::Tensor& gradient, const at::Tensor& input, at::TensorList weights,
                                              const c10::optional<at::Tensor>& visible, at::TensorList kept, int64_t heads,
                                              at::ScalarType dtype) {
  check(input, weights, heads);
  TORCH_CHECK(kept.size() == 6, "attention_pool: expected the six tensors of its forward, got ", kept.size());
  const at::Tensor dy = gradient.contiguous(), x = input.contiguous();
  const int64_t batch = x.size(0);
  const Size size{x.size(1), x.size(2), heads};
  const int64_t tasks = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), batch));
  const int64_t width = size.width, square = width * width, numbers = 4 * square + 3 * width;
  at::Tensor dx = at::empty(x.sizes(), x.options().dtype(dtype));
  at::Tensor sums = at::zeros({tasks, numbers}, weights[0].options());
  const Vectors vectors = pointersOf(kept);
  const Weights w = weightsOf(weights);
  const float *mask = floats(visible), *g = pointer<float>(dy);
  float* ps = pointer<float>(sums);
  withPointer(x, [&](auto* px) {
    withPointer(dx, [&](auto* pdx) {
      at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        std::vector<float> row(width);
        const std::vector<at::Tensor> room = makeVectors(1, size, sums.options());
        for (int64_t t = first; t < last; ++t)
          for (int64_t b = batch * t / tasks; b < batch * (t + 1) / tasks; ++b) {
            const int64_t rows = b * size.tokens * width;
            poolSampleBackward(g + b * width, px + rows, mask == nullptr ? nullptr : mask + b * size.tokens, w, vectors.of(b, size),
                               sumsAt(ps + t * numbers, width), pointersOf(room), row.data(), pdx + rows, size);
          }
      });
    });
  });
  const at::Tensor all = tasks == 1 ? sums[0] : sums.sum(0);
  std::vector<at::Tensor> results = {dx};
  int64_t at = 0;
  for (size_t k = 0; k < 7; ++k) {
    const int64_t own = weights[k].numel();
    results.push_back(all.narrow(0, at, own).view(weights[k].sizes()));
    at += own;
  }
  return results;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def("attention_pool(Tensor x, Tensor[] weights, Tensor? visible, int heads) -> Tensor[]");
  m.def(
      "attention_pool_backward(Tensor dy, Tensor x, Tensor[] weights, Tensor? visible, Tensor[] kept, int heads, ScalarType "
      "dtype) -> Tensor[]");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("attention_pool", attentionPool);
  m.impl("attention_pool_backward", attentionPoolBackward);
}

}  // namespace polygate
