// Reads the settings cuda.*, and says which values there are not.
#include "cuda/settings.h"

#include <cstdio>
#include <cstring>
#include <iterator>

#include "cuda/operators.h"

namespace baleen::cuda {
namespace {

#define BALEEN_CUDA_NAME(name, Name) #name,
constexpr const char* kNames[] = {BALEEN_CUDA_OPERATORS(BALEEN_CUDA_NAME)};
#undef BALEEN_CUDA_NAME
static_assert(std::size(kNames) == BALEEN_OP_COUNT && BALEEN_OP_COUNT < 32);

constexpr OperatorSet kAllOperators = (OperatorSet{1} << BALEEN_OP_COUNT) - 1;

// Those whose kernels of few rows are products.
constexpr OperatorSet kProducts =
    OperatorSet{1} << BALEEN_OP_IN_PROJ | OperatorSet{1} << BALEEN_OP_Q_UP |
    OperatorSet{1} << BALEEN_OP_WO_A | OperatorSet{1} << BALEEN_OP_WO_B |
    OperatorSet{1} << BALEEN_OP_MOE_GATE_UP |
    OperatorSet{1} << BALEEN_OP_MOE_DOWN | OperatorSet{1} << BALEEN_OP_LINEAR |
    OperatorSet{1} << BALEEN_OP_HEAD | OperatorSet{1} << BALEEN_OP_DRAFT_HEAD;

const char* Setting(const baleen_host& host, const char* name) {
  return host.setting == nullptr ? nullptr : host.setting(host.user_data, name);
}

// Names the setting and the part of its value that is wrong.
baleen_status Refuse(const baleen_host& host, const char* name,
                     const char* part, size_t size, const char* wanted) {
  if (host.fail != nullptr) {
    constexpr size_t kMostShown = 32;
    char message[256];
    std::snprintf(message, sizeof(message), "%s is \"%.*s\", but must be %s",
                  name, static_cast<int>(size < kMostShown ? size : kMostShown),
                  part, wanted);
    host.fail(host.user_data, message);
  }
  return BALEEN_INVALID_ARGUMENT;
}

baleen_status ReadSwitch(const baleen_host& host, const char* name, bool* out) {
  const char* value = Setting(host, name);
  if (value == nullptr) return BALEEN_OK;
  *out = std::strcmp(value, "on") == 0;
  if (*out || std::strcmp(value, "off") == 0) return BALEEN_OK;
  return Refuse(host, name, value, std::strlen(value), "on or off");
}

OperatorSet OperatorNamed(const char* name, size_t size) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (std::strlen(kNames[i]) == size &&
        std::memcmp(kNames[i], name, size) == 0) {
      return OperatorSet{1} << i;
    }
  }
  return 0;
}

// off, on, or names of operators with commas between them.
baleen_status ReadOperators(const baleen_host& host, const char* name,
                            OperatorSet known, const char* wanted,
                            OperatorSet* out) {
  const char* value = Setting(host, name);
  if (value == nullptr) return BALEEN_OK;
  *out = 0;
  if (std::strcmp(value, "off") == 0) return BALEEN_OK;
  if (std::strcmp(value, "on") == 0) {
    *out = known;
    return BALEEN_OK;
  }
  for (const char* part = value;; ++part) {
    const size_t size = std::strcspn(part, ",");
    const OperatorSet named = OperatorNamed(part, size) & known;
    if (named == 0) return Refuse(host, name, part, size, wanted);
    *out |= named;
    part += size;
    if (*part == '\0') return BALEEN_OK;
  }
}

}  // namespace

baleen_status ReadSettings(const baleen_host& host, Settings* settings) {
  baleen_status status = ReadSwitch(host, "cuda.graph", &settings->graph);
  if (status != BALEEN_OK) return status;
  status = ReadOperators(host, "cuda.early_launch", kAllOperators,
                         "on, off, or operators such as wo_a,wo_b",
                         &settings->early_launch);
  if (status != BALEEN_OK) return status;
  return ReadOperators(host, "cuda.bulk_copies", kProducts,
                       "on, off, or operators with weights such as wo_a,wo_b",
                       &settings->bulk_copies);
}

}  // namespace baleen::cuda
