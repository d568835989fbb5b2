// Calls operators of the ATen dispatcher boxed, with arguments decoded from one shared block of doubles.
//
// JavaScript writes the arguments of a call into the block, in the order of the operator's schema, and
// passes only the operator's number. Nothing here knows any operator.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

#include "handles.h"

namespace polygate {

/** What an argument looks like in the block. The numbers are shared with src/native/encoding.ts. */
enum class Kind : int {
  kTensor = 0,
  kInt = 1,
  kFloat = 2,
  kBool = 3,
  kScalar = 4,
  kString = 5,
  kDevice = 6,
  kTensorList = 7,
  kIntList = 8,
  kFloatList = 9,
  kBoolList = 10,
  kOptionalTensorList = 11,
  kScalarList = 12,
  kUnsupported = 13,
};

struct Argument {
  std::string name;
  Kind kind;
  c10::IValue absent;  // the schema's default, or None
  bool required;
};

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Argument> arguments;
  bool isProduct;  // its bf16 factors may have to be widened: wide_products.h
};

/** Finds an operator by name ("aten::add") and overload ("Tensor"); throws c10::Error when there is none. */
Operator findOperator(const std::string& name, const std::string& overload);

/**
 * Puts an operator's arguments in `block` on `stack`.
 * The block holds the number of arguments given, then each argument: a tag (0 absent, 1 None, 2 value)
 * and, for a value, its content by kind. Lists are a length and their elements.
 */
void readArguments(
    const Operator& op,
    const double* block,
    const std::vector<std::string>& strings,
    const HandleTable& handles,
    std::vector<c10::IValue>& stack);

/** Runs an operator on the arguments on `stack` and leaves its results there. */
void runOperator(const Operator& op, std::vector<c10::IValue>& stack);

}  // namespace polygate
