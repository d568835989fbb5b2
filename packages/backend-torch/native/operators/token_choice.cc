// What routers of tokens decide, in one call: exploration noise, softmax, the K likeliest experts, their gates, and who
// gets a slot; and the gradients of that. Twin: the host code of @polygate/routers (normal-field, token-choice, capacity,
// auxiliary-losses, shazeer-losses), whose order of choices and slots it keeps. Sums are in double precision, over blocks of
// tokens in order, so that they do not depend on the number of threads.
// N tokens · E experts · K most chosen of one · M slots · T positions of a sequence
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
  int64_t divideFrom;       // least number of choices whose gates are divided by their sum
  at::IntArrayRef topKs;    // [T] choices of the token at each position, or none: topK for all
  int64_t wanted(int64_t token) const { return topKs.empty() ? topK : topKs[token % topKs.size()]; }
};

// What further losses are functions of: sums over tokens for each expert.
struct ExpertSums {
  bool gates;          // of the gates before any is dropped
  bool chances;        // of the chance to be among the chosen, were the noise of that expert drawn anew
  double noise;        // its standard deviation; 0: chances are counts
  const float* clean;  // [N, E] logits without noise
  float* rivals;       // [N, 2] noisy logits of the last chosen expert and of the first that is not
  int32_t* next;       // [N] that first one, -1 where all are chosen
  int64_t columns(int64_t experts) const { return experts * (gates + chances); }
};

constexpr double kMinimalSum = 1.0 / 8388608;  // least sum that kept probabilities are divided by

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

// The first of the largest logits of the experts that are `open`; loops without branches, which would be foretold wrongly.
POLYGATE_INLINE int64_t likeliest(const int64_t experts, const float* logits, const int32_t* open) {
  float largest = -INFINITY;
  _Pragma("omp simd reduction(max : largest)") for (int64_t e = 0; e < experts; ++e) {
    const float value = open[e] != 0 ? logits[e] : -INFINITY;
    largest = value > largest ? value : largest;
  }
  const int32_t none = static_cast<int32_t>(experts);
  int32_t first = none;
  _Pragma("omp simd reduction(min : first)") for (int32_t e = 0; e < none; ++e) {
    const int32_t place = open[e] != 0 && logits[e] == largest ? e : none;
    first = place < first ? place : first;
  }
  return std::min<int64_t>(first, experts - 1);  // no logit is equal to itself where all are NaN
}

// What one token's choice is made in: [E] exponentials, and whether an expert can still be chosen.
struct Room {
  double* powers;
  int32_t* open;
};

// Adds one token's chances to `sums` [E]; in `open` are the experts that it did not choose.
POLYGATE_INLINE void addChances(const int64_t experts, const ExpertSums& of, const float* noisy, const int32_t* open,
                                int64_t token, int64_t last, int64_t chosen, double* sums) {
  const int64_t next = chosen == experts ? -1 : likeliest(experts, noisy, open);
  of.next[token] = static_cast<int32_t>(next);
  const float ofLast = noisy[last], ofNext = next < 0 ? 0 : noisy[next];
  of.rivals[2 * token] = ofLast;
  of.rivals[2 * token + 1] = ofNext;
  if (of.noise == 0 || chosen == experts) {
    for (int64_t e = 0; e < experts; ++e) sums[e] += open[e] == 0;
    return;
  }
  const float* clean = of.clean + token * experts;
  const float scale = static_cast<float>(1 / of.noise);
  // In float32, whose rounding is less than the error of the formula.
  _Pragma("omp simd") for (int64_t e = 0; e < experts; ++e) {
    const float rival = open[e] == 0 ? ofNext : ofLast;
    float distribution, density;
    gaussian((clean[e] - rival) * scale, distribution, density);
    sums[e] += distribution;
  }
}

// One visible token; sums [E + 1] and those of `of` are added to.
POLYGATE_INLINE void chooseAmong(const int64_t experts, const float* logits, const Rule& rule, const ExpertSums& of,
                                 int64_t token, const Choices& out, const Room& room, double* sums) {
  const float* z = logits + token * experts;
  double* powers = room.powers;
  float largest = -INFINITY;
  _Pragma("omp simd reduction(max : largest)") for (int64_t e = 0; e < experts; ++e) largest = z[e] > largest ? z[e] : largest;
  double sum = 0;
  _Pragma("omp simd reduction(+ : sum)") for (int64_t e = 0; e < experts; ++e) {
    powers[e] = expOfMinus(static_cast<double>(largest) - z[e]);
    sum += powers[e];
  }
  const double logSum = largest + std::log(sum);
  out.logSums[token] = static_cast<float>(logSum);
  sums[experts] += logSum * logSum;
  const double inverse = 1 / sum;
  _Pragma("omp simd") for (int64_t e = 0; e < experts; ++e) {
    const double p = powers[e] * inverse;
    out.probabilities[token * experts + e] = static_cast<float>(p);
    sums[e] += p;
  }
  // The choice is by logits: exponentials of different ones may be equal, and far below the largest they are.
  std::fill_n(room.open, experts, 1);
  double kept = 0;
  float* weights = out.weights + token * rule.topK;
  const int64_t wanted = rule.wanted(token);
  for (int64_t k = 0; k < wanted; ++k) {
    const int64_t best = likeliest(experts, z, room.open);
    const double p = powers[best] * inverse;
    room.open[best] = 0;  // out of the next round
    out.ids[token * rule.topK + k] = static_cast<int32_t>(best);
    weights[k] = static_cast<float>(p);
    kept += p;
  }
  if (wanted >= rule.divideFrom) {
    const double divisor = std::max(kept, kMinimalSum);
    for (int64_t k = 0; k < wanted; ++k) weights[k] = static_cast<float>(weights[k] / divisor);
  }
  const int32_t* ids = out.ids + token * rule.topK;
  double* further = sums + experts + 1;
  if (of.gates) {
    for (int64_t k = 0; k < wanted; ++k) further[ids[k]] += weights[k];
    further += experts;
  }
  if (of.chances) addChances(experts, of, z, room.open, token, ids[wanted - 1], wanted, further);
}

// Loops of a length that the compiler knows unroll: eight and sixteen experts are what most models have.
POLYGATE_CLONES void choose(const float* logits, const Rule& rule, const ExpertSums& of, int64_t token, const Choices& out,
                            const Room& room, double* sums) {
  if (rule.experts == 8)
    chooseAmong(8, logits, rule, of, token, out, room, sums);
  else if (rule.experts == 16)
    chooseAmong(16, logits, rule, of, token, out, room, sums);
  else
    chooseAmong(rule.experts, logits, rule, of, token, out, room, sums);
}

// How many choices an expert serves, and who comes when: the i-th token is the one at (first + i * stride) mod N.
struct Service {
  int64_t capacity, first, stride;
};

// Rounds of choices: all first ones, then all second ones. -> tokens of the slots by expert, ascending; their weights
// become gates.
at::Tensor giveSlots(const Choices& choices, int64_t count, const Rule& rule, const Service& service, int32_t* wanted,
                     bool* kept, float* gates) {
  const int32_t* ids = choices.ids;
  const float* weights = choices.weights;
  const int32_t capacity = static_cast<int32_t>(std::min<int64_t>(service.capacity, INT32_MAX));
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
// [N, E], logSums [N], totals [2 E + 1] (of each expert's probabilities, of logSums squared, and of the choices that fell on
// each expert), tokens int32 [M], and for further losses: sums [E] of the gates and of the chances where they are asked for, as
// the two int32 halves of doubles, rivals [N, 2] and next int32 [N] (none without chances).
std::vector<at::Tensor> tokenChoice(const at::Tensor& given, const c10::optional<at::Tensor>& visible, int64_t topK,
                                    at::IntArrayRef topKs, int64_t divideFrom, int64_t capacity, int64_t first, int64_t stride,
                                    double noise, at::IntArrayRef words, bool sumGates, bool sumChances) {
  const at::Tensor clean = given.contiguous();
  const at::Tensor logits = noise > 0 ? clean.clone(at::MemoryFormat::Contiguous) : clean;
  const int64_t count = logits.size(0);
  TORCH_CHECK(first >= 0 && first < std::max<int64_t>(1, count) && stride >= 1 && stride <= std::max<int64_t>(1, count),
              "token_choice: expected an order of slots that starts inside the batch and moves by 1 to N, got ", first, " and ", stride);
  for (const int64_t k : topKs)
    TORCH_CHECK(k >= 1 && k <= topK, "token_choice: expected every token to choose 1 to ", topK, " experts, got ", k);
  const Rule rule{logits.size(1), topK, divideFrom, topKs};
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
  at::Tensor rivals = at::zeros({sumChances ? count : 0, 2}, exact), next = at::full({sumChances ? count : 0}, -1, whole);
  const ExpertSums of{sumGates, sumChances, noise, pointer<float>(clean), pointer<float>(rivals), pointer<int32_t>(next)};
  const int64_t further = of.columns(rule.experts), all = columns + further;
  std::vector<double> sums(parts * all, 0.0);
  at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    std::vector<double> powers(rule.experts);
    std::vector<int32_t> open(rule.experts);
    const Room room{powers.data(), open.data()};
    for (int64_t p = from; p < to; ++p)
      for (int64_t n = p * kTokens; n < std::min(count, (p + 1) * kTokens); ++n)
        if (mask == nullptr || mask[n] != 0) choose(z, rule, of, n, out, room, sums.data() + p * all);
  });
  at::Tensor expertSums = at::empty({2 * further}, whole);
  for (int64_t e = 0; e < all; ++e) {
    double sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += sums[p * all + e];
    if (e < columns) pointer<float>(totals)[e] = static_cast<float>(sum);
    else std::memcpy(pointer<int32_t>(expertSums) + 2 * (e - columns), &sum, sizeof sum);
  }
  at::Tensor tokens = giveSlots(out, count, rule, {capacity, first, stride}, pointer<int32_t>(wanted), pointer<bool>(kept),
                                pointer<float>(gates));
  // Counts below 2^24 are whole numbers in float32.
  for (int64_t e = 0; e < rule.experts; ++e) pointer<float>(totals)[columns + e] = static_cast<float>(pointer<int32_t>(wanted)[e]);
  return {gates, ids, weights, kept, probabilities, logSums, totals, tokens, expertSums, rivals, next};
}

// One token's gradient from its gates to its logits. A dropped choice has no gate, but took part in the divisor, and its gate
// counts in losses: toGates [E] is what the sums of gates get, or null.
void chooseBackward(const float* dy, const double* toGates, const float* p, const int32_t* ids, const float* weights,
                    const bool* kept, const Rule& rule, float* out) {
  double sum = 0, shared = 0, mean = 0;
  const auto gradientOf = [&](int64_t k) {
    return (kept[k] ? static_cast<double>(dy[ids[k]]) : 0) + (toGates == nullptr ? 0 : toGates[ids[k]]);
  };
  int64_t chosen = 0;
  for (; chosen < rule.topK && ids[chosen] >= 0; ++chosen) {
    sum += p[ids[chosen]];
    shared += gradientOf(chosen) * weights[chosen];
  }
  const bool divided = chosen >= rule.divideFrom;
  // Below the clamp the divisor is a constant.
  if (!divided || sum <= kMinimalSum) shared = 0;
  const double divisor = divided ? std::max(sum, kMinimalSum) : 1;
  for (int64_t k = 0; k < chosen; ++k) {
    const double value = (gradientOf(k) - shared) / divisor;
    out[ids[k]] = static_cast<float>(value);
    mean += value * p[ids[k]];
  }
  for (int64_t e = 0; e < rule.experts; ++e) out[e] = static_cast<float>(p[e] * (out[e] - mean));
}

// Adds one token's gradient of its chances, whose sums get toChances [E]; room [E].
POLYGATE_INLINE void chancesBackwardAmong(const int64_t experts, const float* clean, const float* rivals, const int32_t* ids,
                                          int64_t next, double noise, const float* toChances, int64_t topK, float* room,
                                          float* out) {
  int64_t chosen = 0;
  for (; chosen < topK && ids[chosen] >= 0; ++chosen) {}
  if (noise == 0 || next < 0) return;  // counts
  for (int64_t e = 0; e < experts; ++e) room[e] = rivals[0];
  for (int64_t k = 0; k < chosen; ++k) room[ids[k]] = rivals[1];
  const float scale = static_cast<float>(1 / noise), factor = 0.39894228f * scale;
  float all = 0, ofChosen = 0;
  _Pragma("omp simd reduction(+ : all)") for (int64_t e = 0; e < experts; ++e) {
    const float x = (clean[e] - room[e]) * scale;
    const float slope = toChances[e] * fastExp(-0.5f * x * x) * factor;
    room[e] = slope;
    all += slope;
    out[e] += slope;
  }
  // A chosen expert must beat the first that is not, every other one the last of the chosen.
  for (int64_t k = 0; k < chosen; ++k) ofChosen += room[ids[k]];
  out[next] -= ofChosen;
  out[ids[chosen - 1]] -= all - ofChosen;
}

POLYGATE_CLONES void chancesBackward(const float* clean, const float* rivals, const int32_t* ids, int64_t next, double noise,
                                     const float* toChances, const Rule& rule, float* room, float* out) {
  if (rule.experts == 16)
    chancesBackwardAmong(16, clean, rivals, ids, next, noise, toChances, rule.topK, room, out);
  else
    chancesBackwardAmong(rule.experts, clean, rivals, ids, next, noise, toChances, rule.topK, room, out);
}

// Adds one token's gradient of toBalance * balance + toZ * z, the losses of auxiliary-losses.ts; shares [E] of choices.
POLYGATE_CLONES void lossBackward(const float* p, float logSum, const double* shares, double balance, double z, int64_t experts,
                                  float* out) {
  double mean = 0;
  _Pragma("omp simd reduction(+ : mean)") for (int64_t e = 0; e < experts; ++e) mean += p[e] * shares[e];
  const double shift = z * logSum - balance * mean;
  _Pragma("omp simd") for (int64_t e = 0; e < experts; ++e) out[e] += static_cast<float>(p[e] * (balance * shares[e] + shift));
}

// Gradients [E] of losses [2 + ...] to sums over tokens: slopes has a row for each of the losses behind the first two.
std::vector<double> toSums(const at::Tensor& losses, at::ArrayRef<double> slopes, at::IntArrayRef rows, int64_t experts) {
  std::vector<double> result;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    result.resize(experts, 0.0);
    for (int64_t e = 0; e < experts; ++e) result[e] += pointer<float>(losses)[2 + row] * slopes[row * experts + e];
  }
  return result;
}

// dy [N, E] to the gates and losses [2 + R] to balance, z and R further ones; logits, probabilities [N, E], log_sums [N], ids,
// weights, kept [N, K], shares [E] of choices, `counted` tokens; of the further losses their slopes [R, E] and of which sums of
// each expert they are functions: of_gates [R] or of_chances [R] says 1 -> dlogits [N, E].
at::Tensor tokenChoiceBackward(const at::Tensor& gradient, const at::Tensor& losses, const at::Tensor& logits,
                               const at::Tensor& probabilities, const at::Tensor& logSums, const at::Tensor& ids,
                               const at::Tensor& weights, const at::Tensor& kept, const at::Tensor& rivals, const at::Tensor& next,
                               int64_t divideFrom, at::ArrayRef<double> shares, int64_t counted, double noise,
                               at::ArrayRef<double> slopes, at::IntArrayRef ofGates, at::IntArrayRef ofChances) {
  const at::Tensor dy = gradient.contiguous();
  const int64_t count = dy.size(0);
  const Rule rule{dy.size(1), ids.size(1), divideFrom, {}};
  TORCH_CHECK(losses.numel() == 2 + static_cast<int64_t>(ofGates.size()) && ofGates.size() == ofChances.size() &&
                  static_cast<int64_t>(shares.size()) == rule.experts && slopes.size() == ofGates.size() * shares.size(),
              "token_choice_backward: expected gradients of two losses and of those with slopes, and a share for each expert, got ",
              losses.numel(), " for ", ofGates.size(), " with slopes, and ", shares.size());
  const double tokens = std::max<int64_t>(1, counted);
  const double balance = pointer<float>(losses)[0] * rule.experts / tokens, z = 2.0 * pointer<float>(losses)[1] / tokens;
  const std::vector<double> toGates = toSums(losses, slopes, ofGates, rule.experts);
  const std::vector<double> exactToChances = toSums(losses, slopes, ofChances, rule.experts);
  const std::vector<float> toChances(exactToChances.begin(), exactToChances.end());
  TORCH_CHECK(toChances.empty() || (next.numel() == count && rivals.numel() == 2 * count),
              "token_choice_backward: expected the rivals of ", count, " tokens, got ", next.numel());
  at::Tensor dz = at::zeros(dy.sizes(), dy.options());
  const float *g = pointer<float>(dy), *p = pointer<float>(probabilities), *w = pointer<float>(weights), *l = pointer<float>(logSums);
  const float *clean = pointer<float>(logits), *rival = pointer<float>(rivals);
  const int32_t *chosen = pointer<int32_t>(ids), *following = pointer<int32_t>(next);
  const bool* served = pointer<bool>(kept);
  float* out = pointer<float>(dz);
  at::parallel_for(0, count, grain(rule.experts), [&](int64_t from, int64_t to) {
    std::vector<float> room(rule.experts);
    for (int64_t n = from; n < to; ++n) {
      const int64_t at = n * rule.experts, own = n * rule.topK;
      if (chosen[own] < 0) continue;
      chooseBackward(g + at, toGates.empty() ? nullptr : toGates.data(), p + at, chosen + own, w + own, served + own, rule, out + at);
      if (balance != 0 || z != 0) lossBackward(p + at, l[n], shares.data(), balance, z, rule.experts, out + at);
      if (!toChances.empty())
        chancesBackward(clean + at, rival + 2 * n, chosen + own, following[n], noise, toChances.data(), rule, room.data(), out + at);
    }
  });
  return dz;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(polygate, m) {
  m.def(
      "token_choice(Tensor logits, Tensor? visible, int topk, int[] topks, int divide_from, int capacity, int first, "
      "int stride, float noise, int[] words, bool sum_gates, bool sum_chances) -> Tensor[]");
  m.def(
      "token_choice_backward(Tensor dy, Tensor losses, Tensor logits, Tensor probabilities, Tensor log_sums, Tensor ids, "
      "Tensor weights, Tensor kept, Tensor rivals, Tensor next, int divide_from, float[] shares, int counted, float noise, "
      "float[] slopes, int[] of_gates, int[] of_chances) -> Tensor");
}
TORCH_LIBRARY_IMPL(polygate, CPU, m) {
  m.impl("token_choice", tokenChoice);
  m.impl("token_choice_backward", tokenChoiceBackward);
}

}  // namespace polygate
