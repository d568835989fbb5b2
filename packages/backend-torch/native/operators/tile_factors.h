// Factors of products in blocks of 32 rows by 32 columns (tiles.h). The left factor is read from rows in
// memory, the right factor from panels: a panel holds 32 columns, step by step of 32 along the sum. A step of float32
// is 32 rows of the sum; one of bf16 two tiles of 16 columns with neighbouring pairs of the sum side by side.
#pragma once

#include "vector_math.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 12)
#define POLYGATE_TILES 1
#include <immintrin.h>
// One target for both types: only functions for bf16 use its instructions and those of tiles.
#define POLYGATE_TILE_TARGET \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#define POLYGATE_TILE_INLINE POLYGATE_TILE_TARGET inline __attribute__((always_inline))
#else
#define POLYGATE_TILES 0
#endif

namespace polygate {
namespace tiles {

constexpr int64_t kBlock = 32;
// Elements of one step of a panel: 32 of the sum by 32 columns.
constexpr int64_t kStep = kBlock * kBlock;

inline int64_t blocks(int64_t size) { return (size + kBlock - 1) / kBlock; }

// Whether the processor and the system can multiply blocks of this type, and nobody switched that off.
bool available(at::ScalarType type = at::kBFloat16);

// Whether bf16 blocks are multiplied on the tile unit. Changes between operators only.
extern bool hasTileUnit;

// Steps of 32 rows whose packed factors are held at once for the gradient of a weight: few stay in the caches, many spare
// loads and stores of sums, which the tile unit's quick products feel.
template <class T = Bits>
inline int64_t chunkSteps() {
  return sizeof(T) == sizeof(Bits) && hasTileUnit ? 16 : 8;
}

// Memory of the calling thread, at least `bytes` long, aligned to cache lines; the next call may reuse it.
void* scratch(size_t bytes);

// Rows a multiple of 2 KiB apart fall into the same few sets of the first-level cache.
template <class T>
inline bool collides(int64_t stride) {
  return stride * static_cast<int64_t>(sizeof(T)) % 2048 == 0;
}

// Elements from row to row of a copy of rows of `width` elements.
template <class T = Bits>
inline int64_t paddedWidth(int64_t width) {
  const int64_t whole = blocks(width) * kBlock;
  return collides<T>(whole) ? whole + kBlock : whole;
}

// 32 rows in memory, null beyond the last one.
template <class T>
struct RowsOf {
  const T* at[kBlock];
};
using Rows = RowsOf<Bits>;

// Where a block's left factor lies: its first and its seventeenth row, the bytes between rows, the elements between
// steps. Or, where products are in registers, 32 rows of whole steps anywhere.
template <class T>
struct LeftOf {
  const T *upper, *lower;
  int64_t stride, step;
  const T* const* apart = nullptr;
};
using Left = LeftOf<Bits>;

#if POLYGATE_TILES

POLYGATE_TILE_INLINE __mmask32 firstHalves(int64_t n) {
  return n >= 32 ? 0xffffffffu : (n <= 0 ? 0u : (1u << n) - 1u);
}
POLYGATE_TILE_INLINE __mmask16 firstWords(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : (n <= 0 ? 0u : (1u << n) - 1u));
}

// 16 by 16 words, in place: rows to columns.
POLYGATE_TILE_INLINE void transpose(__m512i* r) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i low = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x44), high = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xee);
    const __m512i low2 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x44);
    const __m512i high2 = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xee);
    r[c] = _mm512_shuffle_i32x4(low, low2, 0x88);
    r[4 + c] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    r[8 + c] = _mm512_shuffle_i32x4(high, high2, 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
}

// 32 by 32 numbers in place, rows `columns` apart: rows to columns.
POLYGATE_TILE_INLINE void turnBlock(float* c, int64_t columns) {
  for (int quarter = 0; quarter < 3; ++quarter) {
    // The two on the diagonal, then the two beside it in exchange.
    float* a = c + (quarter == 1 ? 16 * columns + 16 : quarter == 2 ? 16 : 0);
    float* b = quarter == 2 ? c + 16 * columns : a;
    __m512i r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(a + i * columns);
    transpose(r);
    if (a != b) {
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) t[i] = _mm512_loadu_si512(b + i * columns);
      transpose(t);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm512_storeu_si512(a + i * columns, t[i]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(b + i * columns, r[i]);
  }
}

// One step of a panel from a right factor stored [column, sum]: `rows` are its columns, `length` <= 32 that of the sum
// from element `first` on.
POLYGATE_TILE_INLINE void packTransposed(const Rows& rows, int64_t first, int64_t length, Bits* out) {
  const __mmask32 mask = firstHalves(length);
  for (int half = 0; half < 2; ++half) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const Bits* row = rows.at[half * 16 + i];
      r[i] = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, row + first);
    }
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + half * 512 + i * 32, r[i]);
  }
}

POLYGATE_TILE_INLINE void packTransposed(const RowsOf<float>& rows, int64_t first, int64_t length, float* out) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    const int column = quarter % 2 * 16, sum = quarter / 2 * 16;
    const __mmask16 mask = firstWords(length - sum);
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const float* row = rows.at[column + i];
      r[i] = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi32(mask, row + first + sum);
    }
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + (sum + i) * kBlock + column, r[i]);
  }
}

// One step of a panel from a right factor stored [sum, column]: `columns` <= 32 from `first` on.
POLYGATE_TILE_INLINE void packPairs(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  const __mmask32 mask = firstHalves(columns);
  alignas(64) static constexpr Bits kLow[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kLow), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int i = 0; i < 16; ++i) {
    const Bits *even = rows.at[2 * i], *odd = rows.at[2 * i + 1];
    const __m512i a = even == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, even + first);
    const __m512i b = odd == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, odd + first);
    _mm512_store_si512(out + i * 32, _mm512_permutex2var_epi16(a, low, b));
    _mm512_store_si512(out + 512 + i * 32, _mm512_permutex2var_epi16(a, high, b));
  }
}

POLYGATE_TILE_INLINE void packRows(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  packPairs(rows, first, columns, out);
}

POLYGATE_TILE_INLINE void packRows(const RowsOf<float>& rows, int64_t first, int64_t columns, float* out) {
  const __mmask16 low = firstWords(columns), high = firstWords(columns - 16);
  for (int i = 0; i < kBlock; ++i, out += kBlock) {
    const float* row = rows.at[i];
    _mm512_store_ps(out, row == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(low, row + first));
    _mm512_store_ps(out + 16, row == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(high, row + first + 16));
  }
}

// One step of a left factor stored [sum, row]: 32 of its rows, 32 elements apart.
POLYGATE_TILE_INLINE void packColumns(const Rows& rows, int64_t first, int64_t columns, Bits* out) {
  packPairs(rows, first, columns, out);
  for (int half = 0; half < 2; ++half) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(out + half * 512 + i * 32);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + half * 512 + i * 32, r[i]);
  }
}

POLYGATE_TILE_INLINE void packColumns(const RowsOf<float>& rows, int64_t first, int64_t columns, float* out) {
  packTransposed(rows, first, columns, out);
}

// One step of a factor stored [sum, column], left or right.
template <class T>
POLYGATE_TILE_INLINE void packFactor(const RowsOf<T>& rows, int64_t first, int64_t columns, T* out, bool left) {
  if (left) packColumns(rows, first, columns, out);
  else packRows(rows, first, columns, out);
}

POLYGATE_TILE_INLINE void copyStep(const Bits* row, int64_t left, Bits* out) {
  const __m512i part = row == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(firstHalves(left), row);
  _mm512_store_si512(out, part);
}

POLYGATE_TILE_INLINE void copyStep(const float* row, int64_t left, float* out) {
  for (int half = 0; half < kBlock; half += 16)
    _mm512_store_ps(out + half, row == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(firstWords(left - half), row + half));
}

// A left factor of rows that lie apart, end with a part of a step, or are fewer than 32: copied, zeros around it.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> copyRows(const RowsOf<T>& rows, int64_t width, T* room) {
  const int64_t padded = paddedWidth<T>(width);
  for (int64_t i = 0; i < kBlock; ++i)
    for (int64_t k = 0; k < width; k += kBlock)
      copyStep(rows.at[i] == nullptr ? nullptr : rows.at[i] + k, width - k, room + i * padded + k);
  return {room, room + 16 * padded, padded * static_cast<int64_t>(sizeof(T)), kBlock};
}

// Rows that lie apart begin where no prefetcher of the processor expects them.
template <class T>
POLYGATE_TILE_INLINE void prefetchRow(const T* row, int64_t width) {
  constexpr int64_t kLines = 12;  // what follows in the row is expected
  const int64_t bytes = std::min<int64_t>(width * sizeof(T), kLines * 64);
  for (int64_t b = 0; b < bytes; b += 64) _mm_prefetch(reinterpret_cast<const char*>(row) + b, _MM_HINT_T0);
}

// The lines of one panel's columns that are read or, prefetched alike, written while it is finished.
template <class T>
POLYGATE_TILE_INLINE void prefetchPanel(const T* rows, int64_t width, const int32_t* tokens, int64_t count) {
  for (int64_t r = 0; r < count; ++r) _mm_prefetch(reinterpret_cast<const char*>(rows + tokens[r] * width), _MM_HINT_T0);
}

// A left factor that is read where it lies: whole steps, rows `stride` elements apart.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> inPlace(const T* rows, int64_t stride) {
  return {rows, rows + 16 * stride, stride * static_cast<int64_t>(sizeof(T)), kBlock};
}

// Whether rows that lie apart can be read where they are: the tile unit wants equal distances, and whole steps.
template <class T>
inline bool readsApart(int64_t width) {
  return (sizeof(T) == sizeof(float) || !hasTileUnit) && width % kBlock == 0;
}

// Rows read where they lie; beyond the last one the first stands, for sums that nobody uses.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> apart(RowsOf<T>& rows) {
  for (int64_t i = 1; i < kBlock; ++i)
    if (rows.at[i] == nullptr) rows.at[i] = rows.at[0];
  return {nullptr, nullptr, 0, kBlock, rows.at};
}

// Steps of packColumns.
template <class T>
POLYGATE_TILE_INLINE LeftOf<T> packed(const T* steps) {
  return {steps, steps + 16 * kBlock, kBlock * static_cast<int64_t>(sizeof(T)), kStep};
}

#endif

}  // namespace tiles
}  // namespace polygate
