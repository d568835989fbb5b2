// The Node-API surface: one dispatcher call for everything that computes, and the life of tensors around it
// (create, read, release). Nothing here is specific to an operator.
//
// Calls go through three blocks of memory shared with JavaScript, so that a call crosses the boundary
// with two integers: `block` (arguments, doubles), `results` (doubles) and `arena` (handles created
// since the outermost scope began; arena[0] is their count).
#include <cstring>

#include "allocator.h"
#include "environment.h"
#include "library.h"
#include "replay.h"

namespace polygate {
namespace {

// ---- the call -------------------------------------------------------------------------------------

/** Writes results as their number, then a type and a value for each; a list is its length and handles. */
class ResultWriter {
 public:
  explicit ResultWriter(Environment& e) : e_(e) {}

  void writeAll(const std::vector<c10::IValue>& values) {
    raw(static_cast<double>(values.size()));
    for (const c10::IValue& value : values) write(value);
  }

 private:
  void write(const c10::IValue& value) {
    if (value.isTensor()) {
      put(0, e_.track(value.toTensor()));
    } else if (value.isTensorList()) {
      const auto list = value.toTensorVector();
      put(4, static_cast<double>(list.size()));
      for (const at::Tensor& tensor : list) raw(e_.track(tensor));
    } else if (value.isNone()) {
      put(3, 0);
    } else if (value.isInt()) {
      put(1, static_cast<double>(value.toInt()));
    } else if (value.isDouble()) {
      put(1, value.toDouble());
    } else if (value.isBool()) {
      put(2, value.toBool() ? 1 : 0);
    } else {
      TORCH_CHECK(false, "a result of type ", value.tagKind(), " can't be passed to JavaScript");
    }
  }
  void put(int type, double value) {
    raw(type);
    raw(value);
  }
  void raw(double value) {
    TORCH_CHECK(at_ < e_.resultCapacity, "an operator returned more than ", e_.resultCapacity, " values");
    e_.results[at_++] = value;
  }
  Environment& e_;
  size_t at_ = 0;
};

/**
 * call(operator, strings?) -> the handle of a single tensor result; 0 when the results are in `results`;
 * -1 after an error, whose text lastError() gives. Written against the C interface: the one hot function.
 */
napi_value call(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  Environment& e = *static_cast<Environment*>(data);
  uint32_t id = 0;
  napi_get_value_uint32(env, arguments[0], &id);
  int32_t answer = -1;
  try {
    e.strings.clear();
    if (count > 1) {
      const Napi::Array list = Napi::Value(env, arguments[1]).As<Napi::Array>();
      for (uint32_t i = 0; i < list.Length(); ++i) {
        e.strings.push_back(list.Get(i).As<Napi::String>().Utf8Value());
      }
    }
    e.stack.clear();
    const Operator& op = e.operators.at(id);
    readArguments(op, e.block, e.strings, e.handles, e.stack);
    if (e.recorder) e.recorder->begin(id, e.stack);
    runOperator(op, e.stack);
    if (e.recorder) e.recorder->end(e.stack);
    if (e.stack.size() == 1 && e.stack[0].isTensor() && e.stack[0].toTensor().defined()) {
      answer = e.track(std::move(e.stack[0]).toTensor());
    } else {
      ResultWriter(e).writeAll(e.stack);
      answer = 0;
    }
  } catch (const c10::Error& error) {
    e.error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    e.error = error.what();
  }
  e.stack.clear();
  napi_value result;
  napi_create_int32(env, answer, &result);
  return result;
}

/** release(mark): ends a scope, freeing every handle that the arena still lists from `mark` on. */
napi_value release(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  Environment& e = *static_cast<Environment*>(data);
  int32_t mark = 0;
  napi_get_value_int32(env, argument, &mark);
  for (int32_t i = e.arena[0]; i > mark; --i) e.handles.remove(e.arena[i]);
  if (mark < e.arena[0]) e.arena[0] = mark;
  return nullptr;
}

/** drop(handle): frees one handle that no scope lists any more. */
napi_value drop(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  int32_t handle = 0;
  napi_get_value_int32(env, argument, &handle);
  static_cast<Environment*>(data)->handles.remove(handle);
  return nullptr;
}

/**
 * traits(handle, rank) -> element type in the low byte, 256 when contiguous, 512 when the sizes are those
 * that the block holds from its start, 1024 when no other tensor shares the storage; -1 for a handle that is not alive.
 */
napi_value traits(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  const Environment& e = *static_cast<Environment*>(data);
  int32_t handle = 0;
  int32_t rank = 0;
  napi_get_value_int32(env, arguments[0], &handle);
  napi_get_value_int32(env, arguments[1], &rank);
  int32_t answer = -1;
  const at::Tensor* tensor = e.handles.find(handle);
  if (tensor != nullptr) {
    bool same = tensor->dim() == rank;
    for (int32_t i = 0; same && i < rank; ++i) same = static_cast<double>(tensor->size(i)) == e.block[i];
    answer = static_cast<int32_t>(tensor->scalar_type()) | (tensor->is_contiguous() ? 256 : 0) | (same ? 512 : 0) |
             (tensor->storage().use_count() == 1 ? 1024 : 0);
  }
  napi_value result;
  napi_create_int32(env, answer, &result);
  return result;
}

// ---- everything else ------------------------------------------------------------------------------

void attach(const Napi::CallbackInfo& info) {
  Environment& e = environmentOf(info);
  auto block = info[0].As<Napi::Float64Array>();
  auto results = info[1].As<Napi::Float64Array>();
  auto arena = info[2].As<Napi::Int32Array>();
  e.blockReference = Napi::Reference<Napi::Float64Array>::New(block, 1);
  e.resultReference = Napi::Reference<Napi::Float64Array>::New(results, 1);
  e.arenaReference = Napi::Reference<Napi::Int32Array>::New(arena, 1);
  e.block = block.Data();
  e.results = results.Data();
  e.resultCapacity = results.ElementLength();
  e.arena = arena.Data();
  e.arenaCapacity = arena.ElementLength();
}

/** find(name, overload) -> {id, arguments: [{name, kind}]} */
Napi::Value find(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Environment& e = environmentOf(info);
    e.operators.push_back(
        findOperator(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value()));
    const Operator& op = e.operators.back();
    auto arguments = Napi::Array::New(env, op.arguments.size());
    for (uint32_t i = 0; i < op.arguments.size(); ++i) {
      auto argument = Napi::Object::New(env);
      argument.Set("name", op.arguments[i].name);
      argument.Set("kind", static_cast<int>(op.arguments[i].kind));
      arguments.Set(i, argument);
    }
    auto found = Napi::Object::New(env);
    found.Set("id", static_cast<double>(e.operators.size() - 1));
    found.Set("arguments", arguments);
    return found;
  });
}

Napi::Value lastError(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), environmentOf(info).error);
}

c10::ScalarType typeOf(const Napi::TypedArray& array, Napi::Env env) {
  switch (array.TypedArrayType()) {
    case napi_float32_array:
      return c10::ScalarType::Float;
    case napi_float64_array:
      return c10::ScalarType::Double;
    case napi_int32_array:
      return c10::ScalarType::Int;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return c10::ScalarType::Byte;
    case napi_int8_array:
      return c10::ScalarType::Char;
    case napi_int16_array:
      return c10::ScalarType::Short;
    case napi_bigint64_array:
      return c10::ScalarType::Long;
    default:
      throw Napi::TypeError::New(env, "expected a Float32/Float64/Int32/Uint8/Int8/Int16/BigInt64Array");
  }
}

void* dataOf(const Napi::TypedArray& array) {
  return static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}

/** create(array, dtype, shape, device) -> handle of a copy of the array, converted to dtype. */
Napi::Value create(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto array = info[0].As<Napi::TypedArray>();
    const auto dtype = static_cast<c10::ScalarType>(info[1].As<Napi::Number>().Int32Value());
    const auto sizes = info[2].As<Napi::Array>();
    std::vector<int64_t> shape(sizes.Length());
    int64_t count = 1;
    for (uint32_t i = 0; i < sizes.Length(); ++i) {
      shape[i] = sizes.Get(i).As<Napi::Number>().Int64Value();
      count *= shape[i];
    }
    const c10::ScalarType given = typeOf(array, info.Env());
    const auto elements = static_cast<int64_t>(array.ElementLength());
    // A complex tensor is given as interleaved floats.
    const bool complex = dtype == c10::ScalarType::ComplexFloat;
    TORCH_CHECK(
        elements == (complex ? 2 * count : count),
        "the array has ", elements, " elements, the shape ", at::IntArrayRef(shape), " needs ",
        complex ? 2 * count : count);
    const c10::Device device(info[3].As<Napi::String>().Utf8Value());
    at::Tensor source;
    if (count == 0) {
      source = at::empty(shape, at::TensorOptions().dtype(complex ? dtype : given));
    } else {
      source = at::from_blob(dataOf(array), shape, at::TensorOptions().dtype(complex ? dtype : given));
    }
    const at::Tensor copy = source.to(at::TensorOptions().dtype(dtype).device(device), false, true);
    return Napi::Number::New(info.Env(), environmentOf(info).track(copy));
  });
}

/** The tensor as contiguous CPU memory of the array's type, checked to fill the array exactly. */
at::Tensor staged(const at::Tensor& tensor, c10::ScalarType type, size_t length) {
  at::Tensor source = tensor;
  if (source.is_complex()) source = at::view_as_real(source.resolve_conj());
  source = source.to(at::TensorOptions().dtype(type).device(c10::Device(c10::DeviceType::CPU)), false, false);
  source = source.contiguous();
  TORCH_CHECK(
      static_cast<size_t>(source.numel()) == length,
      "the array has ", length, " elements, the tensor ", source.numel());
  return source;
}

/** read(handle, array): copies the tensor into the array, converting to the array's type. */
void read(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto array = info[1].As<Napi::TypedArray>();
    const at::Tensor& tensor = environmentOf(info).handles.get(info[0].As<Napi::Number>().Int32Value());
    const at::Tensor source = staged(tensor, typeOf(array, info.Env()), array.ElementLength());
    if (source.numel() > 0) std::memcpy(dataOf(array), source.data_ptr(), source.nbytes());
  });
}

/** Waits for a device's copy on a worker thread, so that the event loop goes on meanwhile. */
class ReadWorker final : public Napi::AsyncWorker {
 public:
  ReadWorker(const Napi::CallbackInfo& info, at::Tensor tensor, const Napi::TypedArray& array)
      : Napi::AsyncWorker(info.Env()),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        array_(Napi::Persistent(array.As<Napi::Object>())),
        tensor_(std::move(tensor)),
        type_(typeOf(array, info.Env())),
        length_(array.ElementLength()),
        target_(dataOf(array)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      const c10::InferenceMode inference(true);
      const at::Tensor source = staged(tensor_, type_, length_);
      if (source.numel() > 0) std::memcpy(target_, source.data_ptr(), source.nbytes());
    } catch (const c10::Error& error) {
      SetError(error.what_without_backtrace());
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }
  void OnOK() override {
    tensor_.reset();
    deferred_.Resolve(array_.Value());
  }
  void OnError(const Napi::Error& error) override {
    tensor_.reset();
    deferred_.Reject(error.Value());
  }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference array_;
  at::Tensor tensor_;
  c10::ScalarType type_;
  size_t length_;
  void* target_;
};

Napi::Value readAsync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor& tensor = environmentOf(info).handles.get(info[0].As<Napi::Number>().Int32Value());
    auto* worker = new ReadWorker(info, tensor, info[1].As<Napi::TypedArray>());
    worker->Queue();
    return worker->promise();
  });
}

/** alias(handle) -> a second handle of the same tensor, to be released on its own. */
Napi::Value alias(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Environment& e = environmentOf(info);
    return Napi::Number::New(
        info.Env(), e.track(e.handles.get(info[0].As<Napi::Number>().Int32Value())));
  });
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const at::Tensor& tensor = environmentOf(info).handles.get(info[0].As<Napi::Number>().Int32Value());
    const Napi::Env env = info.Env();
    auto shape = Napi::Array::New(env, tensor.dim());
    auto strides = Napi::Array::New(env, tensor.dim());
    for (int64_t i = 0; i < tensor.dim(); ++i) {
      shape.Set(static_cast<uint32_t>(i), static_cast<double>(tensor.size(i)));
      strides.Set(static_cast<uint32_t>(i), static_cast<double>(tensor.stride(i)));
    }
    auto described = Napi::Object::New(env);
    described.Set("shape", shape);
    described.Set("strides", strides);
    described.Set("dtype", static_cast<int>(tensor.scalar_type()));
    described.Set("device", tensor.device().str());
    described.Set("bytes", static_cast<double>(tensor.nbytes()));
    described.Set("storageBytes", static_cast<double>(tensor.storage().nbytes()));
    described.Set("contiguous", tensor.is_contiguous());
    described.Set("storageUses", static_cast<double>(tensor.storage().use_count()));
    return described;
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  installCpuAllocator();
  env.SetInstanceData(new Environment());
  const auto raw = [&](const char* name, napi_callback function) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  };
  raw("call", call);
  raw("release", release);
  raw("drop", drop);
  raw("traits", traits);
  exports.Set("attach", Napi::Function::New(env, attach));
  exports.Set("find", Napi::Function::New(env, find));
  exports.Set("lastError", Napi::Function::New(env, lastError));
  exports.Set("create", Napi::Function::New(env, create));
  exports.Set("read", Napi::Function::New(env, read));
  exports.Set("readAsync", Napi::Function::New(env, readAsync));
  exports.Set("alias", Napi::Function::New(env, alias));
  exports.Set("describe", Napi::Function::New(env, describe));
  exportLibrary(env, exports);
  exportReplay(env, exports);
  return exports;
}

}  // namespace
}  // namespace polygate

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  return polygate::initialize(env, exports);
}

NODE_API_MODULE(polygate_torch, initialize)
