// What routers of tokens decide, in one call: exploration noise, softmax, the K likeliest experts, their gates, and who
// gets a slot; and the gradients of that. Twin: the host code of @polygate/routers (normal-field, token-choice, capacity,
// balance-losses), whose order of choices and slots it keeps. Sums are in double precision, over blocks of tokens in
// order, so that they do not depend on the number of threads.
// N tokens · E experts · K chosen · M slots
#include "vector_math.h"

namespace polygate {
namespace {

constexpr int64_t kTokens = 512;    // of a block
constexpr int64_t kNumbers = 4096;  // of a block of noise

// Normal numbers of one block of a sample's field, from the sample's four words: xoshiro128** and the ziggurat method with 128
// layers.
class NormalBlock {
 public:
  NormalBlock(const int64_t* words, int64_t block) {
    for (int i = 0; i < 4; ++i) state_[i] = own(static_cast<uint32_t>(words[i]), static_cast<uint32_t>(block));
    state_[3] |= 1;
  }

  double next() {
    for (;;) {
      const uint32_t bits = word();
      const uint32_t layer = bits & (kLayers - 1);
      const double x = (bits >> 8) / 16777216.0 * layers_.edges[layer];
      if (x < layers_.edges[layer + 1]) return signedBy(bits, x);
      if (layer == 0) return signedBy(bits, tail());
      const double low = layers_.heights[layer];
      if (low + uniform() * (layers_.heights[layer + 1] - low) < density(x)) return signedBy(bits, x);
    }
  }

 private:
  static constexpr uint32_t kLayers = 128;
  // Where the lowest layer's tail begins, and the area of each layer.
  static constexpr double kTail = 3.442619855899, kArea = 9.91256303526217e-3;

  static uint32_t own(uint32_t word, uint32_t block) {
    uint32_t h = word + block * 0x9e3779b9u;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
  }
  static double density(double x) { return std::exp(-0.5 * x * x); }
  // x >= 0 with the sign that the bit above the layer's says: no branch, which would be foretold wrongly every other time.
  POLYGATE_INLINE static double signedBy(uint32_t bits, double x) {
    uint64_t pattern;
    __builtin_memcpy(&pattern, &x, 8);
    pattern |= static_cast<uint64_t>(bits & kLayers) << 56;
    __builtin_memcpy(&x, &pattern, 8);
    return x;
  }

  struct Layers {
    double edges[kLayers + 1], heights[kLayers + 1];
    Layers() {
      edges[0] = kArea / density(kTail);
      edges[1] = kTail;
      for (uint32_t i = 2; i < kLayers; ++i)
        edges[i] = std::sqrt(-2 * std::log(kArea / edges[i - 1] + density(edges[i - 1])));
      edges[kLayers] = 0;
      for (uint32_t i = 0; i <= kLayers; ++i) heights[i] = density(edges[i]);
    }
  };

  uint32_t word() {
    const uint32_t five = state_[1] * 5, result = ((five << 7) | (five >> 25)) * 9, t = state_[1] << 9;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = (state_[3] << 11) | (state_[3] >> 21);
    return result;
  }
  double uniform() { return (word() + 0.5) / 4294967296.0; }
  double tail() {
    for (;;) {
      const double x = -std::log(uniform()) / kTail;
      if (-2 * std::log(uniform()) >= x * x) return kTail + x;
    }
  }

  static const Layers& layers() {
    static const Layers all;
    return all;
  }

  uint32_t state_[4];
  const Layers& layers_ = layers();
};

struct Rule {
  int64_t experts, topK;
  bool renormalize;
};

constexpr double kMinimalSum = 1.0 / 8388608;  // least sum that kept probabilities are divided by
constexpr double kLowest = -1e300;             // below every float32, above what is out of the next round

struct Choices {
  float *probabilities, *logSums, *weights;
  int32_t* ids;
};

// exp(-x) for x in [0, 700] to 1e-15 relative, as loops that the compiler vectorises; beyond it what is 0 in float32.
POLYGATE_INLINE double expOfMinus(double x) {
  const double held = x > 700 ? 700 : x;  // NaN stays NaN
  const double shifted = held * -1.4426950408889634 + 6755399441055744.0;  // 1.5 * 2^52: the low bits are the exponent
  const double whole = shifted - 6755399441055744.0;
  const double r = (-held - whole * 0.6931471803691238) - whole * 1.9082149292705877e-10;
  double p = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t bits;
  __builtin_memcpy(&bits, &shifted, 8);
  bits = (bits + 1023) << 52;
  double power;
  __builtin_memcpy(&power, &bits, 8);
  return p * power;
}

// One visible token; `room` [E] keeps its exponentials, then its logits; sums [E + 1] are added to.
POLYGATE_INLINE void chooseAmong(const int64_t experts, const float* logits, const Rule& rule, int64_t token, const Choices& out,
                                 double* room, double* sums) {
  const float* z = logits + token * experts;
  float largest = -INFINITY;
  for (int64_t e = 0; e < experts; ++e) largest = std::max(largest, z[e]);
  _Pragma("omp simd") for (int64_t e = 0; e < experts; ++e) room[e] = expOfMinus(static_cast<double>(largest) - z[e]);
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) sum += room[e];
  const double logSum = largest + std::log(sum);
  out.logSums[token] = static_cast<float>(logSum);
  sums[experts] += logSum * logSum;
  const double inverse = 1 / sum;
  for (int64_t e = 0; e < experts; ++e) {
    const double p = room[e] * inverse;
    out.probabilities[token * experts + e] = static_cast<float>(p);
    sums[e] += p;
  }
  // The choice is by logits: exponentials of different ones may be equal, and far below the largest they are.
  for (int64_t e = 0; e < experts; ++e) room[e] = std::max(static_cast<double>(z[e]), kLowest);
  double kept = 0;
  float* weights = out.weights + token * rule.topK;
  for (int64_t k = 0; k < rule.topK; ++k) {
    int64_t best = 0;
    for (int64_t e = 1; e < experts; ++e)
      if (room[e] > room[best]) best = e;
    const double p = expOfMinus(static_cast<double>(largest) - room[best]) * inverse;
    room[best] = -INFINITY;  // out of the next round
    out.ids[token * rule.topK + k] = static_cast<int32_t>(best);
    weights[k] = static_cast<float>(p);
    kept += p;
  }
  const double divisor = rule.renormalize ? std::max(kept, kMinimalSum) : 1;
  for (int64_t k = 0; k < rule.topK; ++k) weights[k] = static_cast<float>(weights[k] / divisor);
}

// Loops of a length that the compiler knows unroll: eight experts are what most models have.
POLYGATE_CLONES void choose(const float* logits, const Rule& rule, int64_t token, const Choices& out, double* room, double* sums) {
  if (rule.experts == 8)
    chooseAmong(8, logits, rule, token, out, room, sums);
  else
    chooseAmong(rule.experts, logits, rule, token, out, room, sums);
}

// How many choices an expert serves, as a multiple of an even load (below 0: all), and who comes when: the i-th token is
// the one at (first + i * stride) mod N.
struct Service {
  double factor;
  int64_t first, stride;
};

// Rounds of choices: all first ones, then all second ones. -> tokens of the slots by expert, ascending; their weights
// become gates.
at::Tensor giveSlots(const Choices& choices, int64_t count, const Rule& rule, const Service& service, int32_t* wanted,
                     bool* kept, float* gates) {
  const int32_t* ids = choices.ids;
  const float* weights = choices.weights;
  int64_t counted = 0;
  for (int64_t n = 0; n < count; ++n) counted += ids[n * rule.topK] >= 0;
  const double limit = service.factor < 0 ? counted : std::ceil(service.factor * rule.topK * counted / rule.experts);
  const int32_t capacity = static_cast<int32_t>(std::min<double>(limit, INT32_MAX));
  int64_t token = service.first;
  for (int64_t k = 0; k < rule.topK; ++k)
    for (int64_t n = 0; n < count; ++n) {
      const int64_t i = token * rule.topK + k;
      if (ids[i] >= 0) kept[i] = wanted[ids[i]]++ < capacity;
      token += service.stride;
      if (token >= count) token -= count;
    }
  std::vector<int64_t> next(rule.experts + 1, 0);
  for (int64_t e = 0; e < rule.experts; ++e)
    next[e + 1] = next[e] + std::min(wanted[e], capacity);
  at::Tensor tokens = at::empty({next[rule.experts]}, at::kInt);
  int32_t* own = pointer<int32_t>(tokens);
  for (int64_t n = 0, i = 0; n < count; ++n)
    for (int64_t k = 0; k < rule.topK; ++k, ++i) {
      if (!kept[i]) continue;
      own[next[ids[i]]++] = static_cast<int32_t>(n);
      gates[n * rule.experts + ids[i]] = weights[i];
    }
  return tokens;
}

// logits float32 [N, E], visible float32 [N] -> gates [N, E], ids int32 and weights and kept bool [N, K], probabilities
// [N, E], logSums [N], sums [2 E + 1] (of each expert's probabilities, of logSums squared, and of the choices that fell on
// each expert), tokens int32 [M]. A capacity factor below 0 serves all.
std::vector<at::Tensor> tokenChoice(const at::Tensor& given, const c10::optional<at::Tensor>& visible, int64_t topK,
                                    bool renormalize, double capacityFactor, int64_t first, int64_t stride, double noise,
                                    at::IntArrayRef words) {
  const at::Tensor logits = noise > 0 ? given.clone(at::MemoryFormat::Contiguous) : given.contiguous();
  const int64_t count = logits.size(0);
  TORCH_CHECK(first >= 0 && first < std::max<int64_t>(1, count) && stride >= 1 && stride <= std::max<int64_t>(1, count),
              "token_choice: expected an order of slots that starts inside the batch and moves by 1 to N, got ", first, " and ", stride);
  const Rule rule{logits.size(1), topK, renormalize};
  float* z = pointer<float>(logits);
  if (noise > 0) {
    const int64_t samples = static_cast<int64_t>(words.size()) / 4;
    TORCH_CHECK(samples > 0 && words.size() % 4 == 0 && count % samples == 0,
                "token_choice: expected four words of a random stream for each sample of equally many tokens, got ", words.size(),
                " for ", count, " tokens");
    const int64_t each = count / samples * rule.experts, blocks = (each + kNumbers - 1) / kNumbers;
    const auto lengthOf = [&](int64_t at) { return std::min(kNumbers, each - at % blocks * kNumbers); };
    const auto streamOf = [&](int64_t at) { return NormalBlock(words.data() + at / blocks * 4, at % blocks); };
    const auto numbersOf = [&](int64_t at) { return z + at / blocks * each + at % blocks * kNumbers; };
    at::parallel_for(0, samples * blocks, 1, [&](int64_t from, int64_t to) {
      int64_t b = from;
      // Two blocks of one length side by side: each number of a stream waits for the one before.
      for (; b + 2 <= to; b += 2) {
        const int64_t length = lengthOf(b);
        if (lengthOf(b + 1) != length) break;
        NormalBlock block = streamOf(b), other = streamOf(b + 1);
        float *own = numbersOf(b), *next = numbersOf(b + 1);
        for (int64_t i = 0; i < length; ++i) {
          own[i] += static_cast<float>(noise * block.next());
          next[i] += static_cast<float>(noise * other.next());
        }
      }
      for (; b < to; ++b) {
        NormalBlock block = streamOf(b);
        float* own = numbersOf(b);
        for (int64_t i = 0, length = lengthOf(b); i < length; ++i) own[i] += static_cast<float>(noise * block.next());
      }
    });
  }
  const float* mask = floats(visible);
  const auto exact = logits.options(), whole = exact.dtype(at::kInt);
  at::Tensor probabilities = at::zeros(logits.sizes(), exact), logSums = at::zeros({count}, exact);
  at::Tensor ids = at::full({count, topK}, -1, whole), weights = at::zeros({count, topK}, exact);
  at::Tensor gates = at::zeros(logits.sizes(), exact), totals = at::empty({2 * rule.experts + 1}, exact);
  at::Tensor wanted = at::zeros({rule.experts}, whole), kept = at::zeros({count, topK}, exact.dtype(at::kBool));
  const Choices out{pointer<float>(probabilities), pointer<float>(logSums), pointer<float>(weights), pointer<int32_t>(ids)};
  const int64_t parts = (count + kTokens - 1) / kTokens;
  const int64_t columns = rule.experts + 1;
  std::vector<double> sums(parts * columns, 0.0);
  at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    std::vector<double> room(rule.experts);
    for (int64_t p = from; p < to; ++p)
      for (int64_t n = p * kTokens; n < std::min(count, (p + 1) * kTokens); ++n)
        if (mask == nullptr || mask[n] != 0) choose(z, rule, n, out, room.data(), sums.data() + p * columns);
  });
  for (int64_t e = 0; e < columns; ++e) {
    double sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += sums[p * columns + e];
    pointer<float>(totals)[e] = static_cast<float>(sum);
  }
  at::Tensor tokens = giveSlots(out, count, rule, {capacityFactor, first, stride}, pointer<int32_t>(wanted), pointer<bool>(kept),
                                pointer<float>(gates));
  // Counts below 2^24 are whole numbers in float32.
  for (int64_t e = 0; e < rule.experts; ++e) pointer<float>(totals)[columns + e] = static_cast<float>(pointer<int32_t>(wanted)[e]);
  return {gates, ids, weights, kept, probabilities, logSums, totals, tokens};
}

// One token's gradient from its gates to its logits. A dropped choice has no gate, but took part in the divisor.
void chooseBackward(const float* dy, const float* p, const int32_t* ids, const float* weights, const bool* kept,
                    const Rule& rule, float* out) {
  double sum = 0, shared = 0, mean = 0;
  for (int64_t k = 0; k < rule.topK; ++k) {
    sum += p[ids[k]];
    if (kept[k]) shared += static_cast<double>(dy[ids[k]]) * weights[k];
  }
  // Below the clamp the divisor is a constant.
  if (!rule.renormalize || sum <= kMinimalSum) shared = 0;
  const double divisor = rule.renormalize ? std::max(sum, kMinimalSum) : 1;
  for (int64_t k = 0; k < rule.topK; ++k) {
    const double value = ((kept[k] ? dy[ids[k]] : 0.0f) - shared) / divisor;
    out[ids[k]] = static_cast<float>(value);
    mean += value * p[ids[k]];
  }
  for (int64_t e = 0; e < rule.experts; ++e) out[e] = static_cast<float>(p[e] * (out[e] - mean));
}

// Adds one token's gradient of toBalance * balance + toZ * z, the losses of balance-losses.ts; shares [E] of choices.
void lossBackward(const float* p, float logSum, const double* shares, double balance, double z, int64_t experts, float* out) {
  double mean = 0;
  for (int64_t e = 0; e < experts; ++e) mean += p[e] * shares[e];
  const double shift = z * logSum - balance * mean;
  for (int64_t e = 0; e < experts; ++e) out[e] += static_cast<float>(p[e] * (balance * shares[e] + shift));
}

// dy [N, E] to the gates and losses [2] to balance and z; probabilities [N, E], log_sums [N], ids, weights, kept [N, K],
// shares [E] of choices, `counted` tokens -> dlogits [N, E].
at::Tensor tokenChoiceBackward(const at::Tensor& gradient, const at::Tensor& losses, const at::Tensor& probabilities,
                               const at::Tensor& logSums, const at::Tensor& ids, const at::Tensor& weights, const at::Tensor& kept,
                               bool renormalize, at::ArrayRef<double> shares, int64_t counted) {
  const at::Tensor dy = gradient.contiguous();
  const int64_t count = dy.size(0);
  const Rule rule{dy.size(1), ids.size(1), renormalize};
  TORCH_CHECK(losses.numel() == 2 && static_cast<int64_t>(shares.size()) == rule.experts,
              "token_choice_backward: expected gradients of two losses and a share for each expert, got ", losses.numel(), " and ", shares.size());
  const double tokens = std::max<int64_t>(1, counted);
  const double balance = pointer<float>(losses)[0] * rule.experts / tokens, z = 2.0 * pointer<float>(losses)[1] / tokens;
  at::Tensor dz = at::zeros(dy.sizes(), dy.options());
  const float *g = pointer<float>(dy), *p = pointer<float>(probabilities), *w = pointer<float>(weights), *l = pointer<float>(logSums);
  const int32_t* chosen = pointer<int32_t>(ids);
  const bool* served = pointer<bool>(kept);
  float* out = pointer<float>(dz);
  at::parallel_for(0, count, grain(rule.experts), [&](int64_t from, int64_t to) {
    for (int64_t n = from; n < to; ++n) {
      const int64_t at = n * rule.experts, own = n * rule.topK;
      if (chosen[own] < 0) continue;
      chooseBackward(g + at, p + at, chosen + own, w + own, served + own, rule, out + at);
      if (balance != 0 || z != 0) lossBackward(p + at, l[n], shares.data(), balance, z, rule.experts, out + at);
    }
  });
  return dz;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "token_choice(Tensor logits, Tensor? visible, int topk, bool renormalize, float capacity_factor, int first, "
      "int stride, float noise, int[] words) -> Tensor[]");
  m.def(
      "token_choice_backward(Tensor dy, Tensor losses, Tensor probabilities, Tensor log_sums, Tensor ids, Tensor weights, "
      "Tensor kept, bool renormalize, float[] shares, int counted) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("token_choice", tokenChoice);
  m.impl("token_choice_backward", tokenChoiceBackward);
}

}  // namespace polygate
