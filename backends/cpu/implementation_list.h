// The implementations of an operator, best first, the reference last.
//
// The first that the device's instruction set allows and that accepts the
// arguments runs.  `accepts` and `needs` look at types, sizes and the mode, and
// never at data or at how many rows are real: `query` asks with pointers NULL,
// and must get the one that runs.
#pragma once

#include <cstring>
#include <span>

#include "cpu/queue.h"
#include "numeric/float_mode.h"

namespace baleen::cpu {

template <typename Args>
struct Implementation {
  const char* name;  // "avx512"
  Isa isa;
  // NULL: yes; otherwise why not, in a few words.
  const char* (*accepts)(const Args& args);
  baleen_status (*run)(const Queue& queue, const Args& args);
  // Adds to what is zero.  NULL: nothing.
  void (*needs)(const Device& device, const Args& args, baleen_op_needs* needs);
};

template <typename Args>
using ImplementationList = std::span<const Implementation<Args>>;

// The one that runs, or NULL; *reason is then why the last refused.
template <typename Args>
const Implementation<Args>* Choose(const Device& device,
                                   ImplementationList<Args> list,
                                   const Args& args, const char** reason) {
  *reason = "the CPU backend does not have it";
  for (const Implementation<Args>& one : list) {
    if (one.isa > device.isa()) continue;
    *reason = one.accepts(args);
    if (*reason == nullptr) return &one;
  }
  return nullptr;
}

template <typename Args>
baleen_status CheckCommon(const Device& device, const char* name,
                          const Args* args) {
  if (args == nullptr || args->common.struct_size < sizeof(Args)) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "%s: the arguments are missing or too short", name);
  }
  if (args->common.mode != BALEEN_MODE_FAST &&
      args->common.mode != BALEEN_MODE_REFERENCE) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "%s: there is no mode %d", name,
                       static_cast<int>(args->common.mode));
  }
  return BALEEN_OK;
}

template <typename Args>
baleen_status Dispatch(baleen_queue* handle, const char* name,
                       ImplementationList<Args> list, const Args* args) {
  const Queue& queue = *FromHandle(handle);
  const Device& device = *queue.device;
  const baleen_status status = CheckCommon(device, name, args);
  if (status != BALEEN_OK) return status;
  const baleen_host& host = device.host();
  if (host.cancelled != nullptr && host.cancelled(host.user_data) != 0) {
    return device.Fail(BALEEN_CANCELLED, "cancelled");
  }
  const char* reason;
  const Implementation<Args>* one = Choose(device, list, *args, &reason);
  if (one == nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "%s: %s", name, reason);
  }
  const DefaultVectorMode mode;
  return one->run(queue, *args);
}

// Answers `query` and logs each choice and refusal.
template <typename Args>
baleen_status Query(const Device& device, const char* name,
                    ImplementationList<Args> list, const void* data,
                    baleen_op_needs* needs) {
  const Args* args = static_cast<const Args*>(data);
  const baleen_status status = CheckCommon(device, name, args);
  if (status != BALEEN_OK) return status;
  for (const Implementation<Args>& one : list) {
    const char* why_not = one.isa > device.isa() ? "not this instruction set"
                                                 : one.accepts(*args);
    if (why_not == nullptr) break;
    device.Log(BALEEN_LOG_DEBUG, "%s, layer %d: not %s: %s", name,
               static_cast<int>(args->common.layer), one.name, why_not);
  }
  const char* reason;
  const Implementation<Args>* one = Choose(device, list, *args, &reason);
  if (one == nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "%s: %s", name, reason);
  }
  device.Log(BALEEN_LOG_DEBUG, "%s, layer %d: %s", name,
             static_cast<int>(args->common.layer), one->name);
  baleen_op_needs answer;
  std::memset(&answer, 0, sizeof(answer));
  answer.struct_size = needs->struct_size;
  answer.launches = 1;
  answer.implementation = one->name;
  if (one->needs != nullptr) one->needs(device, *args, &answer);
  std::memcpy(needs, &answer,
              needs->struct_size < sizeof(answer) ? needs->struct_size
                                                  : sizeof(answer));
  return BALEEN_OK;
}

}  // namespace baleen::cpu
