#include "library.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9)
#define POLYGATE_DEVICE_STATISTICS 1
#include <c10/core/CachingDeviceAllocator.h>
#endif

#include <cstring>

#include "allocator.h"

namespace polygate {
namespace {

/** Bytes that LibTorch holds on a CUDA device: now, at most, and in reserve; false where it does not tell. */
bool deviceMemory(const c10::Device& device, double (&bytes)[3]) {
#ifdef POLYGATE_DEVICE_STATISTICS
  if (!device.is_cuda()) return false;
  auto* allocator = c10::getDeviceAllocator(c10::DeviceType::CUDA);
  if (allocator == nullptr || !allocator->initialized()) return false;
  const auto stats = allocator->getDeviceStats(device.has_index() ? device.index() : 0);
  const auto& allocated = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  const auto& reserved = stats.reserved_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  bytes[0] = static_cast<double>(allocated.current);
  bytes[1] = static_cast<double>(allocated.peak);
  bytes[2] = static_cast<double>(reserved.current - allocated.current);
  return true;
#else
  (void)device;
  (void)bytes;
  return false;
#endif
}

/** memory(device) -> handles, bytes of their storages, and what the device's allocator holds */
Napi::Value memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Environment& e = environmentOf(info);
    const c10::Device device(info[0].As<Napi::String>().Utf8Value());
    const CpuMemory cpu = cpuMemory();
    const size_t tensors = e.handles.bytes();
    if (tensors > e.peak) e.peak = tensors;
    double bytes[3] = {static_cast<double>(tensors), static_cast<double>(e.peak), 0};
    if (device.is_cpu()) {
      bytes[0] = static_cast<double>(cpu.held);
      bytes[1] = static_cast<double>(cpu.peak);
      bytes[2] = static_cast<double>(cpu.cached);
    } else {
      deviceMemory(device, bytes);
    }
    auto report = Napi::Object::New(info.Env());
    report.Set("handles", static_cast<double>(e.handles.size()));
    report.Set("tensorBytes", static_cast<double>(tensors));
    report.Set("held", bytes[0]);
    report.Set("peak", bytes[1]);
    report.Set("cached", bytes[2]);
    report.Set("limit", static_cast<double>(cpu.limit));
    return report;
  });
}

void resetPeak(const Napi::CallbackInfo&) { resetCpuPeak(); }
void trim(const Napi::CallbackInfo&) { trimCpuMemory(); }

/** limitMemory(live bytes or 0, kept bytes or -1 to leave) */
void limitMemory(const Napi::CallbackInfo& info) {
  const double kept = info[1].As<Napi::Number>().DoubleValue();
  limitCpuMemory(
      static_cast<size_t>(info[0].As<Napi::Number>().DoubleValue()),
      kept < 0 ? SIZE_MAX : static_cast<size_t>(kept));
}

/**
 * OpenBLAS has threads of its own, of which LibTorch does not know. Where it is loaded it gets the same number;
 * the library is looked for among those loaded already, so that nothing depends on it.
 */
void setBlasThreads(int count) {
  for (const char* name : {"libopenblas.so.0", "libblas.so.3"}) {
    void* library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    if (library == nullptr) continue;
    const auto set = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
    if (set != nullptr) set(count);
    dlclose(library);
    if (set != nullptr) return;
  }
}

/** threads(count?) -> threads used inside an operator */
Napi::Value threads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (info.Length() > 0 && info[0].IsNumber()) {
      const int count = info[0].As<Napi::Number>().Int32Value();
      at::set_num_threads(count);
      setBlasThreads(count);
    }
    return Napi::Number::New(info.Env(), at::get_num_threads());
  });
}

void seed(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { at::manual_seed(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value())); });
}

void deterministic(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const bool on = info[0].As<Napi::Boolean>().Value();
    at::globalContext().setDeterministicAlgorithms(on, false);
    at::globalContext().setDeterministicCuDNN(on);
    at::globalContext().setBenchmarkCuDNN(false);
  });
}

/** allowTf32(on): whether CUDA may round the factors of float32 products to 10 bits. */
void allowTf32(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const bool on = info[0].As<Napi::Boolean>().Value();
    at::globalContext().setAllowTF32CuBLAS(on);
    at::globalContext().setAllowTF32CuDNN(on);
  });
}

/** oneDnn(on?) -> whether ATen's operators may use oneDNN from now on; where LibTorch was built without it they never do. */
Napi::Value oneDnn(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    at::Context& context = at::globalContext();
    if (info.Length() > 0 && info[0].IsBoolean()) context.setUserEnabledMkldnn(info[0].As<Napi::Boolean>().Value());
    return Napi::Boolean::New(info.Env(), at::hasMKLDNN() && context.userEnabledMkldnn());
  });
}

void synchronize(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const c10::Device device(info[0].As<Napi::String>().Utf8Value());
    if (device.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device.has_index() ? device.index() : 0);
  });
}

/** library() -> what this LibTorch is and has */
Napi::Value library(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const bool cuda = at::hasCUDA();
    auto report = Napi::Object::New(info.Env());
    report.Set("version", TORCH_VERSION);
    report.Set("configuration", at::show_config());
    report.Set("parallelism", at::get_parallel_info());
    report.Set("mkldnn", at::hasMKLDNN());
    report.Set("lapack", at::hasLAPACK());
    report.Set("cuda", cuda);
    report.Set("cudaDevices", cuda ? static_cast<double>(at::detail::getCUDAHooks().getNumGPUs()) : 0.0);
    return report;
  });
}

}  // namespace

void exportLibrary(Napi::Env env, Napi::Object exports) {
  exports.Set("memory", Napi::Function::New(env, memory));
  exports.Set("resetPeak", Napi::Function::New(env, resetPeak));
  exports.Set("trim", Napi::Function::New(env, trim));
  exports.Set("limitMemory", Napi::Function::New(env, limitMemory));
  exports.Set("threads", Napi::Function::New(env, threads));
  exports.Set("seed", Napi::Function::New(env, seed));
  exports.Set("deterministic", Napi::Function::New(env, deterministic));
  exports.Set("allowTf32", Napi::Function::New(env, allowTf32));
  exports.Set("oneDnn", Napi::Function::New(env, oneDnn));
  exports.Set("synchronize", Napi::Function::New(env, synchronize));
  exports.Set("library", Napi::Function::New(env, library));
}

}  // namespace polygate
