// The loops of ../attention_tiles_backward.cc in registers of AVX2; see levels.h.
#define POLYGATE_AVX2
#include "../attention_tiles_backward.cc"
