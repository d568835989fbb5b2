// Matrix products of bf16 on the tile unit of x86-64 processors (AMX): blocks of 32 rows by 32 columns, sums in
// float32. The left factor is read from rows in memory, the right factor from panels that the functions here pack:
// a panel holds 32 columns, step by step of 32 along the sum, as two tiles of 16 columns with neighbouring pairs of
// the sum side by side.
#pragma once

#include "vector_math.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 12)
#define POLYGATE_TILES 1
#include <immintrin.h>
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

inline int64_t blocks(int64_t count) { return (count + kBlock - 1) / kBlock; }

// Whether the processor and the system have tiles, and nobody switched them off.
bool available();

// Memory of the calling thread, at least `bytes` long, aligned to cache lines; the next call may reuse it.
void* scratch(size_t bytes);

// Space to the left of a factor that would have to be copied: rows of `width` elements, in elements.
inline int64_t paddedWidth(int64_t width) {
  const int64_t whole = blocks(width) * kBlock;
  // Rows a multiple of 2 KiB apart fall into the same few sets of the first-level cache.
  return whole % 1024 == 0 ? whole + kBlock : whole;
}

#if POLYGATE_TILES

// Eight tiles of 16 rows of 64 bytes. Static: GCC's intrinsic names only the first bytes of it as its input.
struct alignas(64) Shape {
  uint8_t palette, start, reserved[14];
  uint16_t rowBytes[16];
  uint8_t rows[16];
};
alignas(64) static constexpr Shape kShape{
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// Every thread sets the tiles' shape before it multiplies and gives them back, which spares the system their state.
// Meanwhile numbers below 1e-38 are zero, as they are to the tile unit: vectors of them take a hundred times as long.
class Session {
 public:
  POLYGATE_TILE_TARGET Session() : control_(_mm_getcsr()) {
    constexpr unsigned kFlushResults = 0x8000, kIgnoreInputs = 0x0040;
    _mm_setcsr(control_ | kFlushResults | kIgnoreInputs);
    _tile_loadconfig(&kShape);
  }
  POLYGATE_TILE_TARGET ~Session() {
    _tile_release();
    _mm_setcsr(control_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  const unsigned control_;
};

// 32 rows in memory, null beyond the last one.
struct Rows {
  const Bits* at[kBlock];
};

POLYGATE_TILE_INLINE __mmask32 firstHalves(int64_t count) {
  return count >= 32 ? 0xffffffffu : (count <= 0 ? 0u : (1u << count) - 1u);
}
POLYGATE_TILE_INLINE __mmask16 firstWords(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffffu : (count <= 0 ? 0u : (1u << count) - 1u));
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

// One step of a panel from a right factor stored [column, sum]: `rows` are its columns, `count` <= 32 the length of the
// sum from element `first` on.
POLYGATE_TILE_INLINE void packTransposed(const Rows& rows, int64_t first, int64_t count, Bits* out) {
  const __mmask32 mask = firstHalves(count);
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

// One step of a panel from a right factor stored [sum, column]: `count` <= 32 columns from `first` on.
POLYGATE_TILE_INLINE void packPairs(const Rows& rows, int64_t first, int64_t count, Bits* out) {
  const __mmask32 mask = firstHalves(count);
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

// One step of a left factor stored [sum, row]: two tiles of 16 of its rows, to be read with a stride of 64 bytes.
POLYGATE_TILE_INLINE void packColumns(const Rows& rows, int64_t first, int64_t count, Bits* out) {
  packPairs(rows, first, count, out);
  for (int half = 0; half < 2; ++half) {
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(out + half * 512 + i * 32);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + half * 512 + i * 32, r[i]);
  }
}

// Where a block's left factor lies: its first and its seventeenth row, the bytes between rows, the elements between steps.
struct Left {
  const Bits *upper, *lower;
  int64_t stride, step;
};

// c [32, 32] = or += left times panel; `columns` are c's row length in elements.
template <bool kAdd>
POLYGATE_TILE_INLINE void multiply(const Left& left, const Bits* panel, int64_t steps, float* c, int64_t columns) {
  const int64_t bytes = columns * 4;
  float* below = c + 16 * columns;
  // Tile loads are opaque to the compiler: what was packed must be in memory by now.
  __asm__ volatile("" ::: "memory");
  if (kAdd) {
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + 16, bytes);
    _tile_loadd(2, below, bytes);
    _tile_loadd(3, below + 16, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const Bits *upper = left.upper, *lower = left.lower;
  for (int64_t s = 0; s < steps; ++s) {
    _tile_loadd(4, upper, left.stride);
    _tile_loadd(6, panel, 64);
    _tile_loadd(7, panel + 512, 64);
    _tile_loadd(5, lower, left.stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    upper += left.step;
    lower += left.step;
    panel += kStep;
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + 16, bytes);
  _tile_stored(2, below, bytes);
  _tile_stored(3, below + 16, bytes);
}

// A left factor of rows that lie apart, end with a part of a step, or are fewer than 32: copied, zeros around it.
POLYGATE_TILE_INLINE Left copyRows(const Rows& rows, int64_t width, Bits* room) {
  const int64_t padded = paddedWidth(width);
  for (int64_t i = 0; i < kBlock; ++i) {
    Bits* out = room + i * padded;
    for (int64_t k = 0; k < width; k += kBlock) {
      const __m512i part = rows.at[i] == nullptr ? _mm512_setzero_si512()
                                                 : _mm512_maskz_loadu_epi16(firstHalves(width - k), rows.at[i] + k);
      _mm512_store_si512(out + k, part);
    }
  }
  return {room, room + 16 * padded, padded * 2, kBlock};
}

// A left factor that is read where it lies: whole steps, rows `stride` elements apart.
POLYGATE_TILE_INLINE Left inPlace(const Bits* rows, int64_t stride) {
  return {rows, rows + 16 * stride, stride * 2, kBlock};
}

#endif

}  // namespace tiles
}  // namespace polygate
