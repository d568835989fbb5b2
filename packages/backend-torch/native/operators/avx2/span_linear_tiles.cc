#define POLYGATE_AVX2
#include "../span_linear_tiles.cc"
