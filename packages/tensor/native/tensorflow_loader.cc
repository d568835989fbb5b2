// Stands where @tensorflow/tfjs-node looks for its binding, and loads that binding from the file beside it.
//
// TensorFlow writes to standard error while its libraries are mapped, before any setting of its own counts. What it says
// there is held back and passed on by TF_CPP_MIN_LOG_LEVEL as TensorFlow reads it: 1 drops I lines, 2 also W lines, 3 also
// E lines. Unset or 0, nothing is held back. Lines that are not TensorFlow's pass in any case.
#include <dlfcn.h>
#include <node_api.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <regex>
#include <string>

namespace {

constexpr const char* kBinding = "tfjs_binding_tensorflow.so";

int MinimumLevel() {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  return level == nullptr ? 0 : std::atoi(level);
}

/** 0 for I, 1 for W, 2 for E, 3 for F; -1 for a line that is no log line of TensorFlow or Abseil. */
int SeverityOf(const std::string& line) {
  static const std::regex head(R"(^(?:\d{4}-\d\d-\d\d [\d:.]+: )?([IWEF])(?:\d{4} [\d:.]+ +\d+ | \S+:\d+\]).*)");
  if (line.rfind("WARNING: All log messages before absl::InitializeLog()", 0) == 0) return 0;
  std::smatch match;
  if (!std::regex_match(line, match, head)) return -1;
  return static_cast<int>(std::string("IWEF").find(match[1].str()));
}

/** Holds standard error back while it lives. */
class HeldErrors {
 public:
  explicit HeldErrors(int minimum) : minimum_(minimum) {
    if (minimum_ <= 0) return;
    file_ = std::tmpfile();
    if (file_ == nullptr) return;
    std::fflush(stderr);
    saved_ = dup(STDERR_FILENO);
    if (saved_ >= 0) dup2(fileno(file_), STDERR_FILENO);
  }

  ~HeldErrors() {
    if (saved_ >= 0) {
      std::fflush(stderr);
      dup2(saved_, STDERR_FILENO);
      close(saved_);
      PassOn();
    }
    if (file_ != nullptr) std::fclose(file_);
  }

 private:
  void PassOn() {
    std::rewind(file_);
    std::string line;
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      line.push_back(static_cast<char>(c));
      if (c == '\n') Write(&line);
    }
    Write(&line);
  }

  void Write(std::string* line) {
    std::string text = *line;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    const int severity = SeverityOf(text);
    if (severity < 0 || severity >= minimum_) {
      std::fwrite(line->data(), 1, line->size(), stderr);
      std::fflush(stderr);
    }
    line->clear();
  }

  int minimum_;
  int saved_ = -1;
  std::FILE* file_ = nullptr;
};

std::string FolderOfThis() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&SeverityOf), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string file = info.dli_fname;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

napi_value Fail(napi_env env, const char* why) {
  napi_throw_error(env, nullptr, why == nullptr ? "the binding of TensorFlow has no entry point" : why);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  using Register = napi_value (*)(napi_env, napi_value);
  void* library = nullptr;
  {
    const HeldErrors held(MinimumLevel());
    library = dlopen((FolderOfThis() + "/" + kBinding).c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) return Fail(env, dlerror());
  auto start = reinterpret_cast<Register>(dlsym(library, "napi_register_module_v1"));
  return start == nullptr ? Fail(env, dlerror()) : start(env, exports);
}
