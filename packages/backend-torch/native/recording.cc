#include "recording.h"

#include <algorithm>
#include <sstream>

namespace polygate {
namespace {

double numberOf(const c10::IValue& value) {
  if (value.isInt()) return static_cast<double>(value.toInt());
  if (value.isBool()) return value.toBool() ? 1 : 0;
  return value.toDouble();
}

bool isNumber(const c10::IValue& value) { return value.isInt() || value.isBool() || value.isDouble(); }

bool isOptionalTensorList(const c10::IValue& value) {
  if (!value.isList()) return false;
  const c10::TypePtr element = value.toListRef().empty() ? nullptr : value.toList().elementType();
  return element != nullptr && element->kind() == c10::TypeKind::OptionalType;
}

}  // namespace

// ---- running --------------------------------------------------------------------------------------

std::vector<Handle> Recording::captured() const {
  std::vector<Handle> list;
  for (const Captured& each : captured_)
    if (each.handle != 0) list.push_back(each.handle);
  return list;
}

Replayed Recording::run(std::vector<at::Tensor> inputs, const std::vector<Operator>& operators,
                        const HandleTable& handles) const {
  TORCH_CHECK(inputs.size() == inputs_.size(), "expected ", inputs_.size(), " inputs, got ", inputs.size());
  std::vector<at::Tensor> slots(slots_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor& given = inputs[i];
    const Layout& wanted = inputs_[i];
    TORCH_CHECK(given.defined() && given.scalar_type() == wanted.type && given.device() == wanted.device &&
                    given.sizes() == at::IntArrayRef(wanted.sizes) && given.strides() == at::IntArrayRef(wanted.strides),
                "input ", i, ": expected ", wanted.type, " ", at::IntArrayRef(wanted.sizes), " with strides ",
                at::IntArrayRef(wanted.strides), ", got ", given.scalar_type(), " ", given.sizes(), " with strides ",
                given.strides());
    slots[inputSlots_[i]] = std::move(given);
  }
  Replayed replayed;
  for (const Captured& each : captured_) {
    if (each.handle != 0) {
      const at::Tensor* present = handles.find(each.handle);
      if (present == nullptr || present->unsafeGetTensorImpl() != each.tensor.unsafeGetTensorImpl()) {
        std::ostringstream text;
        text << "a tensor of sizes " << each.tensor.sizes() << " from before it was replaced or freed";
        replayed.lapsed = text.str();
        return replayed;
      }
    }
    slots[each.slot] = each.tensor;
  }
  std::vector<c10::IValue> stack;
  const auto tensorAt = [&](Slot slot) { return slot < 0 ? at::Tensor() : slots[slot]; };
  for (const Call& call : calls_) {
    stack = call.arguments;
    for (const Place& place : call.places) {
      c10::IValue& argument = stack[place.argument];
      if (place.form == Form::kTensor) {
        argument = tensorAt(place.slots[0]);
      } else if (place.form == Form::kList) {
        c10::List<at::Tensor> list;
        list.reserve(place.slots.size());
        for (const Slot slot : place.slots) list.push_back(tensorAt(slot));
        argument = std::move(list);
      } else {
        c10::List<c10::optional<at::Tensor>> list;
        list.reserve(place.slots.size());
        for (const Slot slot : place.slots)
          list.push_back(slot < 0 ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(slots[slot]));
        argument = std::move(list);
      }
    }
    runOperator(operators[call.op], stack);
    for (size_t i = 0; i < call.results.size(); ++i) {
      const Result& result = call.results[i];
      if (result.isNumber) {
        const double number = numberOf(stack[i]);
        if (number == result.number) continue;
        std::ostringstream text;
        text << operators[call.op].handle.operator_name() << " gave " << number << " in place of " << result.number;
        replayed.lapsed = text.str();
        return replayed;
      }
      if (stack[i].isTensor()) {
        if (result.slots[0] >= 0) slots[result.slots[0]] = std::move(stack[i]).toTensor();
      } else if (stack[i].isTensorList()) {
        const auto list = stack[i].toTensorVector();
        for (size_t at = 0; at < list.size(); ++at)
          if (result.slots[at] >= 0) slots[result.slots[at]] = list[at];
      }
    }
    stack.clear();
    for (const Slot slot : call.done) slots[slot].reset();
  }
  for (const Slot slot : outputs_) replayed.results.push_back(slots[slot]);
  return replayed;
}

// ---- recording ------------------------------------------------------------------------------------

Slot Recorder::add(const at::Tensor& tensor, Kind kind) {
  const Slot slot = static_cast<Slot>(kinds_.size());
  slotOf_[tensor.unsafeGetTensorImpl()] = slot;
  kinds_.push_back(kind);
  makers_.push_back(recording_->calls_.size() - 1);
  remembered_.emplace_back(tensor.getIntrusivePtr());
  if (kind == Kind::kCaptured || kind == Kind::kConstant) recording_->captured_.push_back({slot, 0, tensor});
  return slot;
}

Slot Recorder::used(const at::Tensor& tensor) {
  if (!tensor.defined()) return -1;
  const auto found = slotOf_.find(tensor.unsafeGetTensorImpl());
  return found == slotOf_.end() ? add(tensor, Kind::kCaptured) : found->second;
}

Slot Recorder::made(const at::Tensor& tensor) {
  if (!tensor.defined()) return -1;
  // An operator that writes in place returns what it was given.
  const auto found = slotOf_.find(tensor.unsafeGetTensorImpl());
  return found == slotOf_.end() ? add(tensor, Kind::kMade) : found->second;
}

void Recorder::input(const at::Tensor& tensor) {
  TORCH_CHECK(slotOf_.find(tensor.unsafeGetTensorImpl()) == slotOf_.end(), "an input was given twice");
  recording_->inputSlots_.push_back(add(tensor, Kind::kInput));
  recording_->inputs_.push_back(
      {tensor.scalar_type(), tensor.device(), tensor.sizes().vec(), tensor.strides().vec()});
}

void Recorder::constant(const at::Tensor& tensor) { add(tensor, Kind::kConstant); }

void Recorder::begin(size_t op, const std::vector<c10::IValue>& stack) {
  if (isPending_) failure_ = "an operator failed";
  isPending_ = true;
  Recording::Call call{op, {}, {}, {}, {}};
  call.arguments.reserve(stack.size());
  for (size_t i = 0; i < stack.size(); ++i) {
    const c10::IValue& value = stack[i];
    Recording::Place place{i, Recording::Form::kTensor, {}};
    if (value.isTensor()) {
      place.slots.push_back(used(value.toTensor()));
    } else if (value.isTensorList()) {
      place.form = Recording::Form::kList;
      for (const at::Tensor& tensor : value.toTensorVector()) place.slots.push_back(used(tensor));
    } else if (isOptionalTensorList(value)) {
      place.form = Recording::Form::kOptionalList;
      for (const c10::IValue& each : value.toListRef())
        place.slots.push_back(each.isNone() ? -1 : used(each.toTensor()));
    } else {
      call.arguments.push_back(value);
      continue;
    }
    call.arguments.emplace_back();
    call.places.push_back(std::move(place));
  }
  recording_->calls_.push_back(std::move(call));
}

void Recorder::end(const std::vector<c10::IValue>& stack) {
  Recording::Call& call = recording_->calls_.back();
  for (const c10::IValue& value : stack) {
    Recording::Result result{isNumber(value), 0, {}};
    if (result.isNumber) result.number = numberOf(value);
    else if (value.isTensor()) result.slots.push_back(made(value.toTensor()));
    else if (value.isTensorList())
      for (const at::Tensor& tensor : value.toTensorVector()) result.slots.push_back(made(tensor));
    call.results.push_back(std::move(result));
  }
  isPending_ = false;
}

void Recorder::findLastUses() {
  std::vector<bool> isKept(kinds_.size(), false);
  for (const Slot slot : recording_->outputs_) isKept[slot] = true;
  for (const auto& each : recording_->captured_) isKept[each.slot] = true;
  auto& calls = recording_->calls_;
  for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
    const auto see = [&](const std::vector<Slot>& slots) {
      for (const Slot slot : slots) {
        if (slot < 0 || isKept[slot]) continue;
        isKept[slot] = true;
        call->done.push_back(slot);
      }
    };
    for (const auto& result : call->results) see(result.slots);
    for (const auto& place : call->places) see(place.slots);
  }
}

std::unique_ptr<Recording> Recorder::finish(const std::vector<at::Tensor>& results, const HandleTable& handles,
                                            const std::vector<Operator>& operators, std::string& refusal) {
  refusal = isPending_ ? "an operator failed" : failure_;
  if (!refusal.empty()) return nullptr;
  for (const at::Tensor& tensor : results) recording_->outputs_.push_back(used(tensor));
  std::unordered_map<Slot, Handle> handleOf;
  handles.each([&](Handle handle, const at::Tensor& tensor) {
    const auto found = slotOf_.find(tensor.unsafeGetTensorImpl());
    if (found == slotOf_.end() || !refusal.empty()) return;
    const Slot slot = found->second;
    handleOf.emplace(slot, handle);
    const auto& outputs = recording_->outputs_;
    if (kinds_[slot] != Kind::kMade || std::find(outputs.begin(), outputs.end(), slot) != outputs.end()) return;
    std::ostringstream text;
    text << "the result of " << operators[recording_->calls_[makers_[slot]].op].handle.operator_name()
         << ", of sizes " << tensor.sizes() << ", is kept without being a result";
    refusal = text.str();
  });
  for (auto& each : recording_->captured_) {
    if (kinds_[each.slot] == Kind::kConstant) continue;
    const auto found = handleOf.find(each.slot);
    if (found == handleOf.end()) refusal = "a tensor from before was freed";
    else each.handle = found->second;
  }
  if (!refusal.empty()) return nullptr;
  recording_->slots_ = kinds_.size();
  findLastUses();
  return std::move(recording_);
}

}  // namespace polygate
