// The loops of ../span_weights_tiles.cc in registers of AVX2; see levels.h.
#define POLYGATE_AVX2
#include "../span_weights_tiles.cc"
