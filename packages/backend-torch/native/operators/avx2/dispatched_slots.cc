// The loops of ../dispatched_slots.cc in registers of AVX2; see levels.h.
#define POLYGATE_AVX2
#include "../dispatched_slots.cc"
