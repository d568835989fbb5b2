#define POLYGATE_AVX2
#include "../span_weights_tiles.cc"
