// Matrix products in blocks of 32 rows by 32 columns, sums in float32: bf16 on the tile unit of x86-64 processors (AMX)
// or, where there is none, by the pair products of AVX512-BF16; float32 in registers of AVX-512 or AVX2. tile_factors.h
// prepares the factors, the same for all ways of a type.
#pragma once

#include "tile_factors.h"

#if POLYGATE_TILES

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

// Every thread opens one before it multiplies. For bf16 it sets the shape of the tiles, if there are any, and gives them
// back, which spares the system their state; meanwhile numbers below 1e-38 are zero, as they are to the tile unit: vectors of them take a
// hundred times as long.
template <class T>
class SessionOf {
 public:
  SessionOf() {}
};

// Rows at equal distances, or anywhere: where those of one step begin.
template <class T>
struct EvenRows {
  const T* first;
  int64_t stride, step;
  POLYGATE_TILE_INLINE const T* at(int r) const { return first + r * stride; }
  POLYGATE_TILE_INLINE void advance() { first += step; }
};

template <class T, int kRows>
struct ApartRows {
  const T* rows[kRows];
  int64_t offset = 0;
  POLYGATE_TILE_INLINE explicit ApartRows(const T* const* from) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) rows[r] = from[r];
  }
  POLYGATE_TILE_INLINE const T* at(int r) const { return rows[r] + offset; }
  POLYGATE_TILE_INLINE void advance() { offset += kBlock; }
};

// c = or += rows times panel: kRows rows of a block, whose sums stay in registers.
template <bool kAdd, int kRows, class Rows>
POLYGATE_TILE_INLINE void multiplyRows(Rows rows, const float* panel, int64_t steps, float* c, int64_t columns);

// kRows rows from row `first` on.
template <bool kAdd, int kRows, class T>
POLYGATE_TILE_INLINE void multiplyFrom(int first, const LeftOf<T>& left, const T* panel, int64_t steps, float* c, int64_t columns) {
  const int64_t stride = left.stride / static_cast<int64_t>(sizeof(T));
  float* own = c + first * columns;
  if (left.apart != nullptr) multiplyRows<kAdd, kRows>(ApartRows<T, kRows>(left.apart + first), panel, steps, own, columns);
  else multiplyRows<kAdd, kRows>(EvenRows<T>{left.upper + first * stride, stride, left.step}, panel, steps, own, columns);
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#ifdef POLYGATE_AVX2
#include "products_avx2.h"
#else
#include "products_avx512.h"
#endif

namespace polygate {
namespace tiles {
inline namespace POLYGATE_LEVEL {

// Adds the columns' sums of one step of a packed right factor to sums [32].
POLYGATE_TILE_INLINE void addPackedColumns(const float* step, float* sums) {
  Vector a = loadVector(sums), b = loadVector(sums + 16);
  for (int64_t k = 0; k < kBlock; ++k, step += kBlock) {
    a = add(a, loadAligned(step));
    b = add(b, loadAligned(step + 16));
  }
  storeVector(sums, a);
  storeVector(sums + 16, b);
}

// The same of rows times their factors.
POLYGATE_TILE_INLINE void addWeightedColumns(const float* step, const float* factors, float* sums) {
  Vector a = loadVector(sums), b = loadVector(sums + 16);
  for (int64_t k = 0; k < kBlock; ++k, step += kBlock) {
    const Vector factor = repeat(factors[k]);
    a = fmadd(factor, loadAligned(step), a);
    b = fmadd(factor, loadAligned(step + 16), b);
  }
  storeVector(sums, a);
  storeVector(sums + 16, b);
}

// c [32, 32] = or += left times panel; `columns` are c's row length in elements.
template <bool kAdd>
POLYGATE_TILE_INLINE void multiply(const LeftOf<float>& left, const float* panel, int64_t steps, float* c, int64_t columns) {
  multiplyInRegisters<kAdd>(left, panel, steps, c, columns);
}

// As multiply, for the first `rows` of c [32, 32]; what it writes to the others is of no use.
POLYGATE_TILE_INLINE void multiplyFirst(const LeftOf<float>& left, const float* panel, int64_t steps, float* c, int64_t rows) {
  multiplyInRegisters<false>(left, panel, steps, c, kBlock, rows);
}

}  // namespace POLYGATE_LEVEL
}  // namespace tiles
}  // namespace polygate

#endif
