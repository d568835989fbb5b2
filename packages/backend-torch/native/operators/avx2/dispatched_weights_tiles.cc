// The loops of ../dispatched_weights_tiles.cc in registers of AVX2; see levels.h.
#define POLYGATE_AVX2
#include "../dispatched_weights_tiles.cc"
