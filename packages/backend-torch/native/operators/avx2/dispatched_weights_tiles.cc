#define POLYGATE_AVX2
#include "../dispatched_weights_tiles.cc"
