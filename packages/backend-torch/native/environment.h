// What an instance of the binding holds, and how C++ errors become JavaScript's.
#pragma once

#define NAPI_VERSION 8
#include <napi.h>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "handles.h"
#include "operators.h"
#include "recording.h"

namespace polygate {

struct Environment {
  HandleTable handles;
  std::vector<Operator> operators;
  std::vector<c10::IValue> stack;
  std::vector<std::string> strings;
  std::string error;
  /** Present while a function is recorded. */
  std::unique_ptr<Recorder> recorder;
  std::unordered_map<uint32_t, std::unique_ptr<Recording>> recordings;
  uint32_t lastRecording = 0;
  size_t peak = 0;
  Napi::Reference<Napi::Float64Array> blockReference;
  Napi::Reference<Napi::Float64Array> resultReference;
  Napi::Reference<Napi::Int32Array> arenaReference;
  double* block = nullptr;
  double* results = nullptr;
  size_t resultCapacity = 0;
  int32_t* arena = nullptr;
  size_t arenaCapacity = 0;
  c10::InferenceMode inference{true};

  Handle track(at::Tensor tensor) {
    if (!tensor.defined()) return 0;
    const size_t count = static_cast<size_t>(arena[0]);
    TORCH_CHECK(count + 1 < arenaCapacity, "a scope holds more than ", arenaCapacity, " tensors");
    const Handle handle = handles.add(std::move(tensor));
    arena[count + 1] = handle;
    arena[0] = static_cast<int32_t>(count + 1);
    return handle;
  }
};

inline Environment& environmentOf(const Napi::CallbackInfo& info) {
  return *info.Env().GetInstanceData<Environment>();
}

/** Runs `body`, turning C++ exceptions into JavaScript errors with ATen's own text. */
template <class Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const c10::Error& error) {
    throw Napi::Error::New(env, error.what_without_backtrace());
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

}  // namespace polygate
