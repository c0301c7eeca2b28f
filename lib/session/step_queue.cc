#include "session/step_queue.h"

#include <algorithm>
#include <chrono>
#include <new>

namespace baleen {
namespace {

using Clock = std::chrono::steady_clock;

int64_t RowsOf(const StepRequest& request) {
  return static_cast<int64_t>(request.part.tokens.size());
}

int64_t EndOf(const StepRequest& request) {
  return request.part.position + RowsOf(request);
}

bool IsCancelled(const StepRequest& request) {
  return request.cancel != nullptr &&
         request.cancel->load(std::memory_order_relaxed);
}

}  // namespace

StepQueue::Pass StepQueue::TakePass(const Model& model) {
  Pass pass;
  int64_t rows = 0;
  int64_t positions = 0;
  for (StepRequest** link = &first_; *link != nullptr;) {
    StepRequest& one = **link;
    const int64_t all_rows = rows + RowsOf(one);
    const int64_t all_positions = std::max(positions, EndOf(one));
    const bool fits =
        pass.count == 0 ||
        (pass.count < kMostParts && one.mode == pass.requests[0]->mode &&
         all_rows <= model.RowLimit(all_positions));
    if (!fits) {
      link = &one.next;
      continue;
    }
    *link = one.next;
    pass.requests[pass.count++] = &one;
    rows = all_rows;
    positions = all_positions;
  }
  return pass;
}

Status StepQueue::RunTogether(Model* model, CancelBoard* cancels,
                              std::span<StepRequest* const> requests) {
  std::array<StepPart, kMostParts> parts;
  for (size_t i = 0; i < requests.size(); ++i) parts[i] = requests[i]->part;
  // The thread that leads computes for others as well, whose work goes on if
  // its own call is cancelled.
  const std::atomic<bool>* const cancel =
      requests.size() == 1 ? requests[0]->cancel : nullptr;
  const CancelBoard::Scope scope(cancels, cancel);
  // An exception is how a caller hears of missing memory, but here others wait
  // for the answer, too.
  try {
    return model->Step(requests[0]->mode,
                       std::span<const StepPart>(parts).first(requests.size()),
                       cancel, nullptr);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("the host has no memory left for this step");
  }
}

void StepQueue::RunPass(Model* model, CancelBoard* cancels,
                        std::span<StepRequest* const> requests) {
  Pass going;
  for (StepRequest* one : requests) {
    if (IsCancelled(*one)) {
      one->status = Status::Error(BALEEN_CANCELLED, "the call was cancelled");
    } else {
      going.requests[going.count++] = one;
    }
  }
  if (going.count == 0) return;
  const auto start = Clock::now();
  const Status status = RunTogether(model, cancels, going.all());
  if (going.count == 1) {
    going.requests[0]->seconds =
        std::chrono::duration<double>(Clock::now() - start).count();
  }
  const bool split = going.count > 1 && status.code() == BALEEN_OUT_OF_MEMORY;
  for (size_t i = 0; i < going.count; ++i) {
    // One of them may be too much, and the others need not suffer: memory is
    // taken before anything is computed, so the states are as they were.
    going.requests[i]->status =
        split ? RunTogether(model, cancels, going.all().subspan(i, 1)) : status;
  }
}

size_t StepQueue::waiting() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t count = 0;
  for (const StepRequest* one = first_; one != nullptr; one = one->next) {
    ++count;
  }
  return count;
}

void StepQueue::Run(Model* model, CancelBoard* cancels,
                    std::span<StepRequest* const> requests) {
  std::unique_lock<std::mutex> lock(mutex_);
  StepRequest** end = &first_;
  while (*end != nullptr) end = &(*end)->next;
  for (StepRequest* request : requests) {
    request->done = false;
    request->next = nullptr;
    *end = request;
    end = &request->next;
  }
  const auto all_done = [&] {
    return std::all_of(requests.begin(), requests.end(),
                       [](const StepRequest* one) { return one->done; });
  };
  while (!all_done()) {
    if (leading_) {
      changed_.wait(lock);
      continue;
    }
    const Pass pass = TakePass(*model);
    leading_ = true;
    lock.unlock();
    RunPass(model, cancels, pass.all());
    lock.lock();
    leading_ = false;
    for (StepRequest* one : pass.all()) one->done = true;
    changed_.notify_all();
  }
}

}  // namespace baleen
