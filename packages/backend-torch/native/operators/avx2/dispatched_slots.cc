#define POLYGATE_AVX2
#include "../dispatched_slots.cc"
