// c10d for JavaScript: a TCPStore by which processes find each other, and a group of ranks that computes collectives. No
// protocol of our own: a PyTorch process may be any of the ranks. Each object has a thread on which its calls wait.
#include <chrono>
#include <cstdlib>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "worker.h"

namespace polygate {
namespace {

using Milliseconds = std::chrono::milliseconds;

std::string textOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}
int64_t numberOf(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Number>().Int64Value();
}

/** Where the processes of a group find each other. */
struct Address {
  std::string host;
  uint16_t port = 0;
  bool isServer = false;
  std::string prefix;
  Milliseconds timeout{0};

  explicit Address(const Napi::Object& options)
      : host(textOf(options, "host")),
        port(static_cast<uint16_t>(numberOf(options, "port"))),
        isServer(options.Get("isServer").ToBoolean().Value()),
        prefix(textOf(options, "prefix")),
        timeout(numberOf(options, "timeoutMs")) {}

  c10::intrusive_ptr<c10d::TCPStore> connect(bool asServer) const {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = asServer;
    // Who is missing is for the caller to tell, by name.
    options.waitWorkers = false;
    options.timeout = timeout;
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    store->setTimeout(timeout);
    return store;
  }
};

at::ScalarType scalarType(const Napi::TypedArray& array) {
  switch (array.TypedArrayType()) {
    case napi_float32_array:
      return at::kFloat;
    case napi_float64_array:
      return at::kDouble;
    case napi_int32_array:
      return at::kInt;
    case napi_uint8_array:
      return at::kByte;
    default:
      throw Napi::TypeError::New(array.Env(), "expected an array of f32, f64, i32 or u8");
  }
}

/** The memory of a typed array as a tensor, which lives no longer than the array. */
at::Tensor view(const Napi::TypedArray& array) {
  // The engine lets this thread make inference tensors, which Gloo's threads may not write to.
  const c10::InferenceMode normal(false);
  char* start = static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return at::from_blob(start, {static_cast<int64_t>(array.ElementLength())}, scalarType(array));
}

/** `new Store({host, port, isServer, prefix, timeoutMs})`: keys and values that all processes see. */
class Store : public Napi::ObjectWrap<Store> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Store",
        {
            InstanceMethod<&Store::connect>("connect"),
            InstanceMethod<&Store::set>("set"),
            InstanceMethod<&Store::get>("get"),
            InstanceMethod<&Store::check>("check"),
            InstanceMethod<&Store::close>("close"),
            InstanceMethod<&Store::abandon>("abandon"),
        });
  }

  explicit Store(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Store>(info), address_(info[0].As<Napi::Object>()), worker_(info.Env()) {}

 private:
  struct Connection {
    c10::intrusive_ptr<c10d::TCPStore> tcp;
    c10::intrusive_ptr<c10d::Store> store;
  };

  /** connect() -> the port, which the system chose where 0 was asked for */
  Napi::Value connect(const Napi::CallbackInfo& info) {
    return worker_.add(info.Env(), [connection = connection_, address = address_] {
      connection->tcp = address.connect(address.isServer);
      connection->store = c10::make_intrusive<c10d::PrefixStore>(address.prefix, connection->tcp);
      return Outcome{Outcome::Kind::number, {}, static_cast<double>(connection->tcp->getPort())};
    }, {Value()});
  }

  Napi::Value set(const Napi::CallbackInfo& info) {
    const std::string key = info[0].As<Napi::String>().Utf8Value();
    const std::string value = info[1].As<Napi::String>().Utf8Value();
    return worker_.add(info.Env(), [connection = connection_, key, value] {
      opened(*connection).set(key, std::vector<uint8_t>(value.begin(), value.end()));
      return Outcome{};
    }, {Value()});
  }

  /** get(key) -> its value, waited for as long as the time-out says */
  Napi::Value get(const Napi::CallbackInfo& info) {
    const std::string key = info[0].As<Napi::String>().Utf8Value();
    return worker_.add(info.Env(), [connection = connection_, key] {
      const std::vector<uint8_t> value = opened(*connection).get(key);
      return Outcome{Outcome::Kind::text, std::string(value.begin(), value.end()), 0};
    }, {Value()});
  }

  /** check(key) -> 1 where it is set; does not wait */
  Napi::Value check(const Napi::CallbackInfo& info) {
    const std::string key = info[0].As<Napi::String>().Utf8Value();
    return worker_.add(info.Env(), [connection = connection_, key] {
      return Outcome{Outcome::Kind::number, {}, opened(*connection).check({key}) ? 1.0 : 0.0};
    }, {Value()});
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return worker_.add(info.Env(), [connection = connection_] {
      connection->store.reset();
      connection->tcp.reset();
      return Outcome{};
    }, {Value()});
  }

  void abandon(const Napi::CallbackInfo& info) { worker_.abandon(info.Env()); }

  static c10d::Store& opened(Connection& connection) {
    TORCH_CHECK(connection.store, "the store is not connected");
    return *connection.store;
  }

  Address address_;
  std::shared_ptr<Connection> connection_ = std::make_shared<Connection>();
  Worker worker_;
};

/** `new Group({host, port, prefix, timeoutMs, rank, size, hostname, interface})`: collectives of Gloo. */
class Group : public Napi::ObjectWrap<Group> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Group",
        {
            InstanceMethod<&Group::connect>("connect"),
            InstanceMethod<&Group::allReduce>("allReduce"),
            InstanceMethod<&Group::broadcast>("broadcast"),
            InstanceMethod<&Group::allGather>("allGather"),
            InstanceMethod<&Group::barrier>("barrier"),
            InstanceMethod<&Group::close>("close"),
            InstanceMethod<&Group::abandon>("abandon"),
        });
  }

  explicit Group(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Group>(info),
        address_(info[0].As<Napi::Object>()),
        rank_(static_cast<int>(numberOf(info[0].As<Napi::Object>(), "rank"))),
        size_(static_cast<int>(numberOf(info[0].As<Napi::Object>(), "size"))),
        hostname_(textOf(info[0].As<Napi::Object>(), "hostname")),
        interface_(textOf(info[0].As<Napi::Object>(), "interface")),
        worker_(info.Env()) {}

 private:
  using Gloo = c10d::ProcessGroupGloo;
  struct Connection {
    c10::intrusive_ptr<Gloo> group;
  };

  Napi::Value connect(const Napi::CallbackInfo& info) {
    return worker_.add(
        info.Env(), [connection = connection_, address = address_, rank = rank_, size = size_,
                     hostname = hostname_, interface = interface_] {
          auto store = c10::make_intrusive<c10d::PrefixStore>(address.prefix, address.connect(false));
          auto options = Gloo::Options::create(address.timeout);
          options->devices.push_back(
              !interface.empty()  ? Gloo::createDeviceForInterface(interface)
              : !hostname.empty() ? Gloo::createDeviceForHostname(hostname)
                                  : Gloo::createDefaultDevice());
          options->threads = 1;
          connection->group = c10::make_intrusive<Gloo>(store, rank, size, options);
          return Outcome{};
        },
        {Value()});
  }

  /** allReduce(array, operation): in place */
  Napi::Value allReduce(const Napi::CallbackInfo& info) {
    const auto array = info[0].As<Napi::TypedArray>();
    const bool isMaximum = info[1].As<Napi::String>().Utf8Value() == "max";
    return collective(info, array, [tensor = view(array), isMaximum](Gloo& group) {
      c10d::AllreduceOptions options;
      options.reduceOp = isMaximum ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
      std::vector<at::Tensor> tensors{tensor};
      return group.allreduce(tensors, options);
    });
  }

  /** broadcast(array, root): in place */
  Napi::Value broadcast(const Napi::CallbackInfo& info) {
    const auto array = info[0].As<Napi::TypedArray>();
    const int64_t root = info[1].As<Napi::Number>().Int64Value();
    return collective(info, array, [tensor = view(array), root](Gloo& group) {
      c10d::BroadcastOptions options;
      options.rootRank = root;
      std::vector<at::Tensor> tensors{tensor};
      return group.broadcast(tensors, options);
    });
  }

  /** allGather(part, whole): `whole` gets the parts of all ranks, one after another */
  Napi::Value allGather(const Napi::CallbackInfo& info) {
    const auto part = info[0].As<Napi::TypedArray>();
    const auto whole = info[1].As<Napi::TypedArray>();
    const c10::InferenceMode normal(false);
    std::vector<at::Tensor> outputs = view(whole).chunk(size_);
    return worker_.add(
        info.Env(),
        [connection = connection_, tensor = view(part), outputs = std::move(outputs)] {
          std::vector<at::Tensor> inputs{tensor};
          std::vector<std::vector<at::Tensor>> lists{outputs};
          opened(*connection).allgather(lists, inputs)->wait();
          return Outcome{};
        },
        {Value(), part, whole});
  }

  Napi::Value barrier(const Napi::CallbackInfo& info) {
    return worker_.add(info.Env(), [connection = connection_] {
      opened(*connection).barrier()->wait();
      return Outcome{};
    }, {Value()});
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return worker_.add(info.Env(), [connection = connection_] {
      connection->group.reset();
      return Outcome{};
    }, {Value()});
  }

  void abandon(const Napi::CallbackInfo& info) { worker_.abandon(info.Env()); }

  template <class Start>
  Napi::Value collective(const Napi::CallbackInfo& info, const Napi::TypedArray& array, Start start) {
    return worker_.add(
        info.Env(),
        [connection = connection_, start = std::move(start)] {
          start(opened(*connection))->wait();
          return Outcome{};
        },
        {Value(), array});
  }

  static Gloo& opened(Connection& connection) {
    TORCH_CHECK(connection.group, "the group is not connected");
    return *connection.group;
  }

  Address address_;
  int rank_;
  int size_;
  std::string hostname_;
  std::string interface_;
  std::shared_ptr<Connection> connection_ = std::make_shared<Connection>();
  Worker worker_;
};

}  // namespace
}  // namespace polygate

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("Store", polygate::Store::define(env));
  exports.Set("Group", polygate::Group::define(env));
  return exports;
}

NODE_API_MODULE(polygate_c10d, initialize)
