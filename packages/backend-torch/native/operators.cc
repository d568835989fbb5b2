#include "operators.h"

#include "wide_products.h"

namespace polygate {
namespace {

using c10::IValue;
using c10::TypeKind;

Kind kindOf(const c10::TypePtr& type);

Kind listKindOf(const c10::TypePtr& element) {
  switch (element->kind()) {
    case TypeKind::TensorType:
      return Kind::kTensorList;
    case TypeKind::IntType:
    case TypeKind::SymIntType:
      return Kind::kIntList;
    case TypeKind::FloatType:
      return Kind::kFloatList;
    case TypeKind::BoolType:
      return Kind::kBoolList;
    case TypeKind::NumberType:
      return Kind::kScalarList;
    case TypeKind::OptionalType:
      return kindOf(element) == Kind::kTensor ? Kind::kOptionalTensorList : Kind::kUnsupported;
    default:
      return Kind::kUnsupported;
  }
}

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case TypeKind::OptionalType:
      return kindOf(type->castRaw<c10::OptionalType>()->getElementType());
    case TypeKind::TensorType:
      return Kind::kTensor;
    case TypeKind::IntType:
    case TypeKind::SymIntType:
      return Kind::kInt;
    case TypeKind::FloatType:
      return Kind::kFloat;
    case TypeKind::BoolType:
      return Kind::kBool;
    case TypeKind::NumberType:
      return Kind::kScalar;
    case TypeKind::StringType:
      return Kind::kString;
    case TypeKind::DeviceObjType:
      return Kind::kDevice;
    case TypeKind::ListType:
      return listKindOf(type->castRaw<c10::ListType>()->getElementType());
    default:
      return Kind::kUnsupported;
  }
}

at::Scalar readScalar(const double*& cursor) {
  const int type = static_cast<int>(*cursor++);
  const double value = *cursor++;
  if (type == 0) return at::Scalar(static_cast<int64_t>(value));
  if (type == 2) return at::Scalar(value != 0);
  return at::Scalar(value);
}

IValue readValue(
    Kind kind,
    const double*& cursor,
    const std::vector<std::string>& strings,
    const HandleTable& handles) {
  const auto tensorAt = [&](double handle) {
    return handle == 0 ? at::Tensor() : handles.get(static_cast<Handle>(handle));
  };
  switch (kind) {
    case Kind::kTensor:
      return tensorAt(*cursor++);
    case Kind::kInt:
      return static_cast<int64_t>(*cursor++);
    case Kind::kFloat:
      return *cursor++;
    case Kind::kBool:
      return *cursor++ != 0;
    case Kind::kScalar:
      return readScalar(cursor);
    case Kind::kString:
      return strings.at(static_cast<size_t>(*cursor++));
    case Kind::kDevice:
      return c10::Device(strings.at(static_cast<size_t>(*cursor++)));
    default:
      break;
  }
  const size_t length = static_cast<size_t>(*cursor++);
  switch (kind) {
    case Kind::kTensorList: {
      c10::List<at::Tensor> list;
      list.reserve(length);
      for (size_t i = 0; i < length; ++i) list.push_back(tensorAt(*cursor++));
      return list;
    }
    case Kind::kOptionalTensorList: {
      c10::List<c10::optional<at::Tensor>> list;
      list.reserve(length);
      for (size_t i = 0; i < length; ++i) {
        const double handle = *cursor++;
        list.push_back(handle == 0 ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(tensorAt(handle)));
      }
      return list;
    }
    case Kind::kIntList: {
      c10::List<int64_t> list;
      list.reserve(length);
      for (size_t i = 0; i < length; ++i) list.push_back(static_cast<int64_t>(*cursor++));
      return list;
    }
    case Kind::kFloatList: {
      c10::List<double> list;
      list.reserve(length);
      for (size_t i = 0; i < length; ++i) list.push_back(*cursor++);
      return list;
    }
    case Kind::kBoolList: {
      c10::List<bool> list;
      list.reserve(length);
      for (size_t i = 0; i < length; ++i) list.push_back(*cursor++ != 0);
      return list;
    }
    case Kind::kScalarList: {
      c10::impl::GenericList list(c10::NumberType::get());
      for (size_t i = 0; i < length; ++i) list.push_back(readScalar(cursor));
      return list;
    }
    default:
      TORCH_CHECK(false, "an argument's type can't be passed from JavaScript");
  }
}

}  // namespace

Operator findOperator(const std::string& name, const std::string& overload) {
  Operator op{c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overload.c_str()), {}, multiplies(name)};
  for (const c10::Argument& argument : op.handle.schema().arguments()) {
    const bool optional = argument.type()->kind() == TypeKind::OptionalType;
    const bool hasDefault = argument.default_value().has_value();
    op.arguments.push_back(
        {argument.name(),
         kindOf(argument.type()),
         hasDefault ? *argument.default_value() : IValue(),
         !optional && !hasDefault});
  }
  return op;
}

void readArguments(
    const Operator& op,
    const double* block,
    const std::vector<std::string>& strings,
    const HandleTable& handles,
    std::vector<c10::IValue>& stack) {
  const double* cursor = block;
  const size_t given = static_cast<size_t>(*cursor++);
  TORCH_CHECK(
      given <= op.arguments.size(),
      "expected at most ", op.arguments.size(), " arguments, got ", given);
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); ++i) {
    const Argument& argument = op.arguments[i];
    const int tag = i < given ? static_cast<int>(*cursor++) : 0;
    if (tag == 2) {
      stack.push_back(readValue(argument.kind, cursor, strings, handles));
    } else if (tag == 1) {
      stack.emplace_back();
    } else {
      TORCH_CHECK(!argument.required, "argument '", argument.name, "' is missing");
      stack.push_back(argument.absent);
    }
  }
}

void runOperator(const Operator& op, std::vector<c10::IValue>& stack) {
  if (op.isProduct) callProduct(op.handle, stack);
  else op.handle.callBoxed(&stack);
}

}  // namespace polygate
