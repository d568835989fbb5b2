// What the headers of c10d name of Gloo, declared and no more, for LibTorch carries Gloo's code but neither Debian's
// package nor the official wheel its headers. The communicator holds these types by shared_ptr alone: it makes none, calls
// none, and knows none's size, so nothing depends on a version of Gloo. The files beside this one have the paths by which
// c10d's headers include Gloo's.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

/** Its one member that c10d's headers call, in functions that are never called here. */
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace rendezvous {

/** Base of c10d's own adapter, which is never made here. */
class Store {
 public:
  static constexpr std::chrono::milliseconds kDefaultTimeout = std::chrono::seconds(30);
  virtual ~Store() = default;
  virtual void set(const std::string& key, const std::vector<char>& data) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) {
    (void)timeout;
    wait(keys);
  }
  virtual bool has_v2_support() { return false; }
  virtual std::vector<std::vector<char>> multi_get(const std::vector<std::string>&) { return {}; }
  virtual void multi_set(const std::vector<std::string>&, const std::vector<std::vector<char>>&) {}
  virtual void append(const std::string&, const std::vector<char>&) {}
  virtual int64_t add(const std::string&, int64_t) { return 0; }
};

}  // namespace rendezvous

namespace transport {

class Device;

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = default;
};

}  // namespace transport
}  // namespace gloo
