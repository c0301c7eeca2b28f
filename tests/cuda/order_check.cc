#include "cuda/order_check.h"

#include <map>
#include <utility>

extern "C" const baleen_backend* baleen_cuda_emulated_entry(
    const baleen_host* host);

namespace baleen::test {
namespace {

// How much of each queue is done.
using Clock = std::map<const baleen_queue*, int64_t>;

void Advance(Clock* clock, const Clock& other) {
  for (const auto& [queue, time] : other) {
    int64_t& known = (*clock)[queue];
    known = known < time ? time : known;
  }
}

struct Place {
  const baleen_weight* weight;
  int32_t expert;
  Clock written;
  Clock read;
};

// The C interface has room for nothing but globals.
struct Watch {
  OrderCheck check;
  const baleen_device_table* own = nullptr;
  baleen_device_table table;
  baleen_ops ops;
  baleen_backend backend;
  Clock host;  // What the host has waited for.
  std::map<const baleen_queue*, Clock> queues;
  std::map<void*, Place> places;
  std::map<std::pair<const baleen_weight*, int32_t>, void*> addresses;
  const baleen_tensor* resident = nullptr;
};

Watch& TheWatch() {
  static Watch watch;
  return watch;
}

// The next work in a queue: what is done before it, itself included.
const Clock& Put(const baleen_queue* queue) {
  Watch& watch = TheWatch();
  Clock& clock = watch.queues[queue];
  Advance(&clock, watch.host);
  ++clock[queue];
  return clock;
}

void Expect(const Clock& now, const Clock& before) {
  for (const auto& [queue, time] : before) {
    const auto known = now.find(queue);
    if (known == now.end() || known->second < time) {
      ++TheWatch().check.mistakes;
      return;
    }
  }
}

baleen_status Wait(baleen_queue* queue) {
  Watch& watch = TheWatch();
  Advance(&watch.host, watch.queues[queue]);
  return watch.own->queue_wait(queue);
}

baleen_status After(baleen_queue* queue, baleen_queue* other) {
  Watch& watch = TheWatch();
  if (!watch.check.ignores_joins) {
    Advance(&watch.queues[queue], watch.queues[other]);
  }
  return watch.own->queue_after(queue, other);
}

baleen_status PlaceExperts(baleen_queue* queue, baleen_weight* weight,
                           const int32_t* experts, void* const* memory,
                           uint32_t count) {
  Watch& watch = TheWatch();
  for (uint32_t i = 0; i < count; ++i) {
    const Clock& now = Put(queue);
    Place& place = watch.places[memory[i]];
    Expect(now, place.read);
    Expect(now, place.written);
    place = {weight, experts[i], {{queue, now.at(queue)}}, {}};
    watch.addresses[{weight, experts[i]}] = memory[i];
    ++watch.check.placed;
  }
  return watch.own->expert_place(queue, weight, experts, memory, count);
}

// What a product with a weight reads, by the plan made last.
void Read(const baleen_queue* queue, const baleen_weight* weight) {
  Watch& watch = TheWatch();
  if (watch.resident == nullptr) return;
  const Clock& now = Put(queue);
  const int32_t* resident = static_cast<const int32_t*>(watch.resident->data);
  for (int32_t e = 0; e < watch.resident->size[0]; ++e) {
    if (resident[e] < 0) continue;
    const auto address = watch.addresses.find({weight, e});
    if (address == watch.addresses.end()) {
      ++watch.check.mistakes;
      continue;
    }
    Place& place = watch.places[address->second];
    if (place.weight != weight || place.expert != e) ++watch.check.mistakes;
    Expect(now, place.written);
    place.read[queue] = now.at(queue);
    ++watch.check.read;
  }
}

baleen_status Plan(baleen_queue* queue, const baleen_moe_plan_args* args) {
  TheWatch().resident = args->resident;
  return TheWatch().own->ops->moe_plan(queue, args);
}

baleen_status GateUp(baleen_queue* queue, const baleen_moe_gate_up_args* args) {
  Read(queue, args->weight);
  return TheWatch().own->ops->moe_gate_up(queue, args);
}

// That of the residents comes after those of rounds, with a plan of its own.
baleen_status Down(baleen_queue* queue, const baleen_moe_down_args* args) {
  if ((args->common.flags & BALEEN_MOE_PARTIAL) != 0) {
    ++TheWatch().check.parts;
    Read(queue, args->weight);
  }
  return TheWatch().own->ops->moe_down(queue, args);
}

baleen_status Open(const baleen_host* host, uint32_t index,
                   baleen_device** device, const baleen_device_table** table) {
  Watch& watch = TheWatch();
  const baleen_status status = baleen_cuda_emulated_entry(host)->device_open(
      host, index, device, &watch.own);
  if (status != BALEEN_OK) return status;
  watch.ops = *watch.own->ops;
  watch.ops.moe_plan = Plan;
  watch.ops.moe_gate_up = GateUp;
  watch.ops.moe_down = Down;
  watch.table = *watch.own;
  watch.table.ops = &watch.ops;
  watch.table.queue_wait = Wait;
  watch.table.queue_after = After;
  watch.table.expert_place = PlaceExperts;
  // A recording would go around what is watched.
  watch.table.program_create = nullptr;
  *table = &watch.table;
  return BALEEN_OK;
}

}  // namespace

OrderCheck& TheOrderCheck() { return TheWatch().check; }

const baleen_backend* WatchedEntry(const baleen_host* host) {
  Watch& watch = TheWatch();
  watch = Watch();
  watch.backend = *baleen_cuda_emulated_entry(host);
  watch.backend.device_open = Open;
  return &watch.backend;
}

}  // namespace baleen::test
