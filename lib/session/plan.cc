// Memory plans: what a model and its sessions take, before they take it.
#include <algorithm>
#include <utility>

#include "session/model_bundle.h"
#include "session/session.h"
#include "session/unread_files.h"

namespace baleen {

Status ModelBundle::Plan(Context* context, const char* path,
                         const baleen_model_options& model_options,
                         const baleen_session_options& session_options,
                         baleen_memory_plan* plan) {
  baleen_model_options options = model_options;
  options.flags &= ~uint32_t{BALEEN_MODEL_VERIFY | BALEEN_MODEL_LOCK_MEMORY};
  options.progress = nullptr;
  const FileSystem& files = context->files();
  if (files.can_map()) {
    BALEEN_ASSIGN_OR_RETURN(const Ref<ModelBundle> bundle,
                            Load(Ref<Context>::Share(context), path, options));
    return bundle->PlanSession(session_options, plan);
  }
  const FileSystem unread = UnreadFiles(files);
  BALEEN_ASSIGN_OR_RETURN(
      const Ref<ModelBundle> bundle,
      LoadFrom(unread, Ref<Context>::Share(context), path, options));
  // What it calls mapped would be read.
  bundle->copied_bytes_ += std::exchange(bundle->mapped_bytes_, 0);
  return bundle->PlanSession(session_options, plan);
}

Status ModelBundle::PlanSession(const baleen_session_options& options,
                                baleen_memory_plan* plan) const {
  if (!model_) {
    return Unsupported("the model was loaded with its tokenizer only");
  }
  const uint64_t limit = info_.position_limit;
  if (options.capacity > limit) {
    return InvalidArgument(
        "options.capacity is %llu, more than the model's %llu positions",
        static_cast<unsigned long long>(options.capacity),
        static_cast<unsigned long long>(limit));
  }
  const auto capacity =
      static_cast<int64_t>(options.capacity == 0 ? limit : options.capacity);
  int64_t rows = model_->RowLimit(capacity);
  if (options.prefill_chunk != 0) {
    rows = std::min(rows, int64_t{options.prefill_chunk});
  }
  BALEEN_ASSIGN_OR_RETURN(const MemoryNeed need,
                          model_->Need(options.mode, capacity, rows));
  *plan = {};
  plan->struct_size = sizeof *plan;
  plan->weights_mapped = mapped_bytes_;
  plan->weights_host = copied_bytes_ + need.weights_host;
  plan->weights_device = need.weights_device;
  if (shapes_only_) {
    // As if the weights were there.
    uint64_t& place =
        context_->files().can_map() ? plan->weights_mapped : plan->weights_host;
    place += packed_bytes_ != 0 ? packed_bytes_ : info_.weight_bytes;
  }
  plan->session_host =
      need.session_host +
      model_->WindowNeed(capacity,
                         PeriodOf(options.window, options.window_period),
                         options.window != BALEEN_WINDOW_NONE);
  plan->session_host +=
      Drafting::Bytes(options, need.draft_row, info_.vocabulary_size);
  plan->session_device = need.session_device;
  plan->scratch_host = need.scratch_host;
  plan->scratch_device = need.scratch_device;
  if (Drafting::UsesModel(options)) {
    plan->scratch_host += need.draft_host;
    plan->scratch_device += need.draft_device;
  }
  std::copy(std::begin(need.weights_by_part), std::end(need.weights_by_part),
            plan->weights_by_part);
  return Status();
}

}  // namespace baleen
