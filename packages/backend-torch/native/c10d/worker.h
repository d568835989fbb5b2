// A thread of its own for calls that wait for other processes, and how their outcomes come back as promises.
#pragma once

#define NAPI_VERSION 8
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <c10/util/Exception.h>

namespace polygate {

/** What a job gives back: nothing, a text or a number. */
struct Outcome {
  enum class Kind { nothing, text, number } kind = Kind::nothing;
  std::string text;
  double number = 0;
};

/**
 * Jobs of one object, done one after another in the order in which they were given. The thread owns all that it works on:
 * a process ends even while a job waits for a peer that never answers.
 */
class Worker {
 public:
  using Job = std::function<Outcome()>;

  explicit Worker(Napi::Env env) : shared_(std::make_shared<Shared>()) {
    // Node ends it with the environment, whether or not a job still waits: from then on nobody is told anything.
    shared_->done = Napi::ThreadSafeFunction::New(
        env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "polygate c10d", 0, 1,
        [shared = shared_](Napi::Env) {
          const std::lock_guard<std::mutex> lock(shared->mutex);
          shared->gone = true;
        });
    shared_->done.Unref(env);
    std::thread([shared = shared_] { loop(*shared); }).detach();
  }

  ~Worker() {
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->ended = true;
    shared_->wake.notify_one();
    if (!shared_->gone) shared_->done.Release();
  }

  /** Jobs that wait for ever keep the process no more: nobody waits for them. */
  void abandon(Napi::Env env) {
    abandoned_ = true;
    shared_->done.Unref(env);
  }

  /** `held` are the object whose worker this is, and those whose memory the job uses: they live until it is done. */
  Napi::Promise add(Napi::Env env, Job job, std::initializer_list<Napi::Object> held) {
    auto pending = std::make_unique<Pending>(Napi::Promise::Deferred::New(env), std::move(job));
    for (const Napi::Object& object : held) pending->held.push_back(Napi::Persistent(object));
    Napi::Promise promise = pending->deferred.Promise();
    if (shared_->waiting++ == 0 && !abandoned_) shared_->done.Ref(env);
    const std::lock_guard<std::mutex> lock(shared_->mutex);
    shared_->queue.push_back(std::move(pending));
    shared_->wake.notify_one();
    return promise;
  }

 private:
  struct Pending {
    Pending(Napi::Promise::Deferred d, Job j) : deferred(std::move(d)), job(std::move(j)) {}
    Napi::Promise::Deferred deferred;
    Job job;
    std::vector<Napi::ObjectReference> held;
    Outcome outcome;
    std::string error;
    bool failed = false;
  };

  struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::unique_ptr<Pending>> queue;
    bool ended = false;
    bool gone = false;
    /** Of the JavaScript thread alone. */
    size_t waiting = 0;
    Napi::ThreadSafeFunction done;
  };

  static void settle(Napi::Env env, Pending& pending) {
    if (pending.failed) {
      pending.deferred.Reject(Napi::Error::New(env, pending.error).Value());
    } else if (pending.outcome.kind == Outcome::Kind::text) {
      pending.deferred.Resolve(Napi::String::New(env, pending.outcome.text));
    } else if (pending.outcome.kind == Outcome::Kind::number) {
      pending.deferred.Resolve(Napi::Number::New(env, pending.outcome.number));
    } else {
      pending.deferred.Resolve(env.Undefined());
    }
  }

  static void run(Pending& pending) {
    try {
      pending.outcome = pending.job();
    } catch (const c10::Error& error) {
      pending.failed = true;
      pending.error = error.what_without_backtrace();
    } catch (const std::exception& error) {
      pending.failed = true;
      pending.error = error.what();
    }
    // What the job holds may wait for peers when it goes: that belongs to this thread.
    pending.job = nullptr;
  }

  static void loop(Shared& shared) {
    for (;;) {
      std::unique_ptr<Pending> pending;
      {
        std::unique_lock<std::mutex> lock(shared.mutex);
        shared.wake.wait(lock, [&] { return shared.ended || !shared.queue.empty(); });
        if (shared.queue.empty()) break;
        pending = std::move(shared.queue.front());
        shared.queue.pop_front();
      }
      run(*pending);
      const std::lock_guard<std::mutex> lock(shared.mutex);
      Pending* raw = pending.release();
      // What it refers to belongs to an environment that is no more: it is left alone.
      if (shared.gone) return;
      shared.done.BlockingCall(raw, [&shared](Napi::Env env, Napi::Function, Pending* finished) {
        if (static_cast<napi_env>(env) == nullptr) return;
        const std::unique_ptr<Pending> owned(finished);
        const Napi::HandleScope scope(env);
        if (--shared.waiting == 0) shared.done.Unref(env);
        settle(env, *owned);
      });
    }
  }

  std::shared_ptr<Shared> shared_;
  bool abandoned_ = false;
};

}  // namespace polygate
