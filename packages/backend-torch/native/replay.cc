#include "replay.h"

namespace polygate {
namespace {

std::vector<at::Tensor> tensorsOf(const Napi::CallbackInfo& info, const Napi::Value& value) {
  const Environment& e = environmentOf(info);
  const auto list = value.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < list.Length(); ++i)
    tensors.push_back(e.handles.get(list.Get(i).As<Napi::Number>().Int32Value()));
  return tensors;
}

Napi::Array handlesOf(Napi::Env env, const std::vector<Handle>& handles) {
  auto list = Napi::Array::New(env, handles.size());
  for (uint32_t i = 0; i < handles.size(); ++i) list.Set(i, handles[i]);
  return list;
}

/** startRecording(inputs) */
void startRecording(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    auto recorder = std::make_unique<Recorder>();
    for (const at::Tensor& tensor : tensorsOf(info, info[0])) recorder->input(tensor);
    environmentOf(info).recorder = std::move(recorder);
  });
}

/** recordGiven(handle, isInput): a tensor of host values that was made meanwhile is an input, or a constant. */
void recordGiven(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    Environment& e = environmentOf(info);
    const at::Tensor& tensor = e.handles.get(info[0].As<Napi::Number>().Int32Value());
    if (info[1].As<Napi::Boolean>()) e.recorder->input(tensor);
    else e.recorder->constant(tensor);
  });
}

/** stopRecording(results?) -> {id, calls, captured}, or why there is no recording; without results it is given up. */
Napi::Value stopRecording(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Environment& e = environmentOf(info);
    const std::unique_ptr<Recorder> recorder = std::move(e.recorder);
    if (!info[0].IsArray()) return info.Env().Undefined();
    std::string refusal;
    auto recording = recorder->finish(tensorsOf(info, info[0]), e.handles, e.operators, refusal);
    if (!recording) return Napi::String::New(info.Env(), refusal);
    auto made = Napi::Object::New(info.Env());
    made.Set("id", static_cast<double>(++e.lastRecording));
    made.Set("calls", static_cast<double>(recording->calls()));
    made.Set("captured", handlesOf(info.Env(), recording->captured()));
    e.recordings[e.lastRecording] = std::move(recording);
    return made;
  });
}

/** replay(id, inputs) -> handles of the results, owned by the scope; or why the recording does not hold. */
Napi::Value replay(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Environment& e = environmentOf(info);
    const Recording& recording = *e.recordings.at(info[0].As<Napi::Number>().Uint32Value());
    Replayed replayed = recording.run(tensorsOf(info, info[1]), e.operators, e.handles);
    if (!replayed.lapsed.empty()) return Napi::String::New(info.Env(), replayed.lapsed);
    std::vector<Handle> handles;
    for (at::Tensor& tensor : replayed.results) handles.push_back(e.track(std::move(tensor)));
    return handlesOf(info.Env(), handles);
  });
}

/** forgetRecording(id) */
void forgetRecording(const Napi::CallbackInfo& info) {
  environmentOf(info).recordings.erase(info[0].As<Napi::Number>().Uint32Value());
}

}  // namespace

void exportReplay(Napi::Env env, Napi::Object exports) {
  exports.Set("startRecording", Napi::Function::New(env, startRecording));
  exports.Set("recordGiven", Napi::Function::New(env, recordGiven));
  exports.Set("stopRecording", Napi::Function::New(env, stopRecording));
  exports.Set("replay", Napi::Function::New(env, replay));
  exports.Set("forgetRecording", Napi::Function::New(env, forgetRecording));
}

}  // namespace polygate
