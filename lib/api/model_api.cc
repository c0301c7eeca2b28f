// baleen_model_* but for text and conversations, and the memory plans.
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/read_options.h"

using baleen::FromHandle;
using baleen::Guard;
using baleen::ModelBundle;
using baleen::Ref;
using baleen::Status;

baleen_status baleen_model_load(baleen_context* context, const char* path,
                                const baleen_model_options* options,
                                baleen_model** out, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(path);
    BALEEN_REQUIRE(out);
    baleen_model_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadModelOptions(options, &read));
    BALEEN_ASSIGN_OR_RETURN(
        Ref<ModelBundle> model,
        ModelBundle::Load(Ref<baleen::Context>::Share(FromHandle(context)),
                          path, read));
    *out = baleen::ToHandle(std::move(model));
    return Status();
  });
}

void baleen_model_release(baleen_model* model) {
  if (model != nullptr) FromHandle(model)->Release();
}

baleen_status baleen_model_pack(baleen_context* context, const char* path,
                                const char* packed_path,
                                const baleen_model_options* options,
                                baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(path);
    BALEEN_REQUIRE(packed_path);
    baleen_model_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadModelOptions(options, &read));
    return ModelBundle::Pack(Ref<baleen::Context>::Share(FromHandle(context)),
                             path, packed_path, read);
  });
}

baleen_status baleen_model_get_info(const baleen_model* model,
                                    baleen_model_info* info,
                                    baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE(info);
    return baleen::WriteInfo(FromHandle(model)->info(), "baleen_model_info",
                             info);
  });
}

const char* baleen_model_metadata(const baleen_model* model, const char* key) {
  if (model == nullptr || key == nullptr) return nullptr;
  return FromHandle(model)->Metadata(key);
}

baleen_status baleen_context_plan(baleen_context* context, const char* path,
                                  const baleen_model_options* model_options,
                                  const baleen_session_options* session_options,
                                  baleen_memory_plan* plan,
                                  baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(path);
    BALEEN_REQUIRE(plan);
    baleen_model_options of_model;
    BALEEN_RETURN_IF_ERROR(baleen::ReadModelOptions(model_options, &of_model));
    baleen_session_options of_session;
    BALEEN_RETURN_IF_ERROR(
        baleen::ReadSessionOptions(session_options, &of_session));
    baleen_memory_plan found = {};
    BALEEN_RETURN_IF_ERROR(ModelBundle::Plan(FromHandle(context), path,
                                             of_model, of_session, &found));
    return baleen::WriteInfo(found, "baleen_memory_plan", plan);
  });
}

baleen_status baleen_model_plan(const baleen_model* model,
                                const baleen_session_options* options,
                                baleen_memory_plan* plan, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(model);
    BALEEN_REQUIRE(plan);
    baleen_session_options read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadSessionOptions(options, &read));
    baleen_memory_plan found = {};
    BALEEN_RETURN_IF_ERROR(FromHandle(model)->PlanSession(read, &found));
    return baleen::WriteInfo(found, "baleen_memory_plan", plan);
  });
}
