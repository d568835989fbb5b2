#define POLYGATE_AVX2
#include "../attention_tiles.cc"
