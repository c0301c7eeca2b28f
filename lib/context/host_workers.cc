// See host_workers.h.
#include "context/host_workers.h"

#include "numeric/float_mode.h"

namespace baleen {
namespace {

struct Loop {
  baleen_task_fn task;
  void* task_data;
};

void RunTask(void* loop_data, uint32_t index) {
  const auto* loop = static_cast<const Loop*>(loop_data);
  const DefaultVectorMode scope;
  loop->task(loop->task_data, index);
}

}  // namespace

HostWorkers::HostWorkers(const baleen_workers& given) : given_(given) {
  hooks_.struct_size = sizeof hooks_;
  hooks_.width = given.width;
  hooks_.user_data = this;
  hooks_.run = [](void* self, uint32_t count, baleen_task_fn task,
                  void* task_data) {
    static_cast<const HostWorkers*>(self)->Run(count, task, task_data);
  };
}

void HostWorkers::Run(uint32_t count, baleen_task_fn task,
                      void* task_data) const {
  Loop loop = {task, task_data};
  given_.run(given_.user_data, count, RunTask, &loop);
}

}  // namespace baleen
