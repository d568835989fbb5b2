// Factors of products in blocks of 32 rows by 32 columns (tiles.h). The left factor is read from rows in
// memory, the right factor from panels: a panel holds 32 columns, step by step of 32 along the sum. A step of float32
// is 32 rows of the sum; one of bf16 two tiles of 16 columns with neighbouring pairs of the sum side by side.
#pragma once

#include "vectors.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

constexpr int64_t kBlock = 32;
// Elements of one step of a panel: 32 of the sum by 32 columns.
constexpr int64_t kStep = kBlock * kBlock;

inline int64_t blocks(int64_t size) { return (size + kBlock - 1) / kBlock; }

// Steps of 32 rows whose packed factors are held at once for the gradient of a weight: few stay in the caches, many spare
// loads and stores of sums, which the tile unit's quick products feel.
template <class T = Bits>
inline int64_t chunkSteps() {
  return sizeof(T) == sizeof(Bits) && hasTileUnit ? 16 : 8;
}

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

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#ifdef POLYGATE_AVX2
#include "factors_avx2.h"
#else
#include "factors_avx512.h"
#endif

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

// One step of a panel from a right factor stored [sum, column]: `columns` <= 32 from `first` on.
POLYGATE_TILE_INLINE void packRows(const RowsOf<float>& rows, int64_t first, int64_t columns, float* out) {
  const Mask low = firstWords(columns), high = firstWords(columns - 16);
  for (int i = 0; i < kBlock; ++i, out += kBlock) {
    const float* row = rows.at[i];
    storeAligned(out, row == nullptr ? zeros() : loadVector(row + first, low));
    storeAligned(out + 16, row == nullptr ? zeros() : loadVector(row + first + 16, high));
  }
}

// One step of a left factor stored [sum, row]: 32 of its rows, 32 elements apart.
POLYGATE_TILE_INLINE void packColumns(const RowsOf<float>& rows, int64_t first, int64_t columns, float* out) {
  packTransposed(rows, first, columns, out);
}

// One step of a factor stored [sum, column], left or right.
template <class T>
POLYGATE_TILE_INLINE void packFactor(const RowsOf<T>& rows, int64_t first, int64_t columns, T* out, bool left) {
  if (left) packColumns(rows, first, columns, out);
  else packRows(rows, first, columns, out);
}

POLYGATE_TILE_INLINE void copyStep(const float* row, int64_t left, float* out) {
  for (int half = 0; half < kBlock; half += 16)
    storeAligned(out + half, row == nullptr ? zeros() : loadVector(row + half, firstWords(left - half)));
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

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
