// LibTorch as a whole: what it is and holds, and the switches that all operators share.
#pragma once

#include "environment.h"

namespace polygate {

/** Adds memory, threads, seeds, switches and facts of the library to the binding. */
void exportLibrary(Napi::Env env, Napi::Object exports);

}  // namespace polygate
