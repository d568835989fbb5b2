// The part of the binding's surface that records functions and runs recordings: recording.h.
#pragma once

#include "environment.h"

namespace polygate {

void exportReplay(Napi::Env env, Napi::Object exports);

}  // namespace polygate
