// A sequence of operator calls that was recorded while a JavaScript function ran, to be run again without it.
//
// A recording knows tensors by slots. A slot is an input (given anew to each run), a tensor from before (a parameter:
// the same object in each run), a constant, or the result of a call. Arguments that are no tensors are constants.
// Numbers that an operator returned to JavaScript may have steered it: a run in which one differs ends there.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "handles.h"
#include "operators.h"

namespace polygate {

using Slot = int32_t;

/** What a run came to: results, or why the recording does not hold. */
struct Replayed {
  std::vector<at::Tensor> results;
  std::string lapsed;
};

class Recording {
 public:
  /**
   * Runs the calls again. Tensors are freed after their last use.
   * @param inputs of the types, sizes and strides of those recorded; throws c10::Error otherwise
   */
  Replayed run(std::vector<at::Tensor> inputs, const std::vector<Operator>& operators, const HandleTable& handles) const;

  size_t calls() const { return calls_.size(); }
  /** Handles of the tensors from before, which must stay theirs. */
  std::vector<Handle> captured() const;

 private:
  friend class Recorder;

  enum class Form { kTensor, kList, kOptionalList };
  /** Tensors of one argument. */
  struct Place {
    size_t argument;
    Form form;
    std::vector<Slot> slots;  // -1 is no tensor
  };
  /** One result: tensors, or a number that must be the same. */
  struct Result {
    bool isNumber;
    double number;
    std::vector<Slot> slots;
  };
  struct Call {
    size_t op;
    std::vector<c10::IValue> arguments;
    std::vector<Place> places;
    std::vector<Result> results;
    std::vector<Slot> done;  // slots without a later use
  };
  struct Layout {
    c10::ScalarType type;
    c10::Device device;
    std::vector<int64_t> sizes, strides;
  };
  struct Captured {
    Slot slot;
    Handle handle;  // 0: a constant, which nobody can change
    at::Tensor tensor;
  };

  std::vector<Call> calls_;
  std::vector<Layout> inputs_;  // input i is in slot inputSlots_[i]
  std::vector<Slot> inputSlots_;
  std::vector<Captured> captured_;
  std::vector<Slot> outputs_;
  size_t slots_ = 0;
};

/** Listens to the calls of a function while it runs. */
class Recorder {
 public:
  /** The next input: a tensor that each run is given anew. */
  void input(const at::Tensor& tensor);
  /** A tensor that no run changes. */
  void constant(const at::Tensor& tensor);

  /** Before an operator takes its arguments from the stack, and after it left its results there. */
  void begin(size_t op, const std::vector<c10::IValue>& stack);
  void end(const std::vector<c10::IValue>& stack);

  /**
   * The recording, or why there is none.
   * @param operators for their names
   */
  std::unique_ptr<Recording> finish(const std::vector<at::Tensor>& results, const HandleTable& handles,
                                    const std::vector<Operator>& operators, std::string& refusal);

 private:
  enum class Kind { kInput, kCaptured, kConstant, kMade };
  using Weak = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;

  Slot add(const at::Tensor& tensor, Kind kind);
  Slot used(const at::Tensor& tensor);
  Slot made(const at::Tensor& tensor);
  void findLastUses();

  std::unique_ptr<Recording> recording_ = std::make_unique<Recording>();
  std::unordered_map<const c10::TensorImpl*, Slot> slotOf_;
  std::vector<Kind> kinds_;
  std::vector<size_t> makers_;  // the call that made a slot, of those that a call made
  /** A tensor's address is not given to another one as long as somebody remembers it. */
  std::vector<Weak> remembered_;
  bool isPending_ = false;
  std::string failure_;
};

}  // namespace polygate
