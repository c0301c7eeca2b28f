#include "models/deepseek_v4/cache.h"

#include <algorithm>

namespace baleen::deepseek_v4 {
namespace {

// Parts of a slab begin at a cache line.
constexpr uint64_t kPartAlignment = 64;

}  // namespace

SlabPool::SlabPool(const Machine* machine, Side side, uint32_t slab_items,
                   bool zero, ByteMeter* meter)
    : machine_(machine),
      side_(side),
      slab_items_(slab_items),
      zero_(zero),
      meter_(machine->IsHost(side) ? meter : nullptr),
      columns_(machine->memory()),
      slabs_(machine->memory()),
      holders_(machine->memory()),
      addresses_(machine->memory()) {}

SlabPool::~SlabPool() {
  for (const DeviceBlock& slab : slabs_) {
    if (meter_ != nullptr && slab.data() != nullptr) {
      meter_->Subtract(slab_bytes_);
    }
  }
}

void SlabPool::AddColumn(baleen_state* state, baleen_pool pool,
                         uint64_t item_bytes) {
  if (item_bytes == 0) return;
  columns_.push_back({state, pool, item_bytes, slab_bytes_});
  item_bytes_ += item_bytes;
  slab_bytes_ += AlignUp(slab_items_ * item_bytes, kPartAlignment);
}

Status SlabPool::Start() { return Grow(kFirstCapacity); }

size_t SlabPool::CapacityFor(size_t slabs) {
  size_t capacity = kFirstCapacity;
  while (capacity < slabs) capacity *= 2;
  return capacity;
}

size_t SlabPool::TableBytes(size_t capacity) const {
  return capacity * columns_.size() * sizeof(void*);
}

Status SlabPool::Grow(size_t capacity) {
  Vector<DeviceBlock> slabs(capacity, machine_->memory());
  Vector<uint32_t> holders(capacity * slab_items_, machine_->memory());
  // With its value, or the memory would be taken for it.
  Vector<void*> addresses(capacity * columns_.size(), nullptr,
                          machine_->memory());
  std::copy(holders_.begin(), holders_.end(), holders.begin());
  for (size_t column = 0; column < columns_.size(); ++column) {
    for (size_t slab = 0; slab < capacity_; ++slab) {
      addresses[column * capacity + slab] =
          addresses_[column * capacity_ + slab];
    }
  }
  DeviceBlock device_addresses;
  void** table = addresses.data();
  if (!machine_->IsHost(side_)) {
    BALEEN_ASSIGN_OR_RETURN(
        device_addresses,
        DeviceBlock::Allocate(*machine_, side_, TableBytes(capacity)));
    table = static_cast<void**>(device_addresses.data());
    BALEEN_RETURN_IF_ERROR(machine_->Copy(side_, table, kCpu, addresses.data(),
                                          TableBytes(capacity)));
    BALEEN_RETURN_IF_ERROR(machine_->Wait(side_));
  }
  // Nothing fails from here on.
  std::move(slabs_.begin(), slabs_.end(), slabs.begin());
  slabs_.swap(slabs);
  holders_.swap(holders);
  addresses_.swap(addresses);
  device_addresses_ = std::move(device_addresses);
  capacity_ = capacity;
  for (size_t column = 0; column < columns_.size(); ++column) {
    columns_[column].state->slabs[columns_[column].pool] =
        table + column * capacity;
  }
  return Status();
}

Status SlabPool::OpenSlab(size_t slab) {
  BALEEN_ASSIGN_OR_RETURN(
      DeviceBlock block,
      zero_ ? DeviceBlock::AllocateZero(*machine_, side_, slab_bytes_)
            : DeviceBlock::Allocate(*machine_, side_, slab_bytes_));
  for (size_t column = 0; column < columns_.size(); ++column) {
    void*& address = addresses_[column * capacity_ + slab];
    address = static_cast<char*>(block.data()) + columns_[column].offset;
    if (machine_->IsHost(side_)) continue;
    void** place = columns_[column].state->slabs[columns_[column].pool] + slab;
    BALEEN_RETURN_IF_ERROR(
        machine_->Copy(side_, place, kCpu, &address, sizeof address));
  }
  slabs_[slab] = std::move(block);
  if (meter_ != nullptr) meter_->Add(slab_bytes_);
  return Status();
}

Result<int32_t> SlabPool::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // A free item of an open slab, else the first closed slab.
  size_t closed = capacity_;
  for (size_t slab = 0; slab < capacity_; ++slab) {
    if (slabs_[slab].data() == nullptr) {
      closed = std::min(closed, slab);
      continue;
    }
    for (size_t i = slab * slab_items_; i < (slab + 1) * slab_items_; ++i) {
      if (holders_[i] != 0) continue;
      holders_[i] = 1;
      return static_cast<int32_t>(i);
    }
  }
  if (closed == capacity_) BALEEN_RETURN_IF_ERROR(Grow(2 * capacity_));
  BALEEN_RETURN_IF_ERROR(OpenSlab(closed));
  const size_t item = closed * slab_items_;
  holders_[item] = 1;
  return static_cast<int32_t>(item);
}

void SlabPool::Share(int32_t item) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++holders_[static_cast<size_t>(item)];
}

void SlabPool::Drop(int32_t item) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto i = static_cast<size_t>(item);
  if (--holders_[i] != 0) return;
  const size_t slab = i / slab_items_;
  const auto begin =
      holders_.begin() + static_cast<ptrdiff_t>(slab * slab_items_);
  if (std::all_of(begin, begin + slab_items_,
                  [](uint32_t holders) { return holders == 0; })) {
    slabs_[slab] = DeviceBlock();
    if (meter_ != nullptr) meter_->Subtract(slab_bytes_);
  }
}

bool SlabPool::IsShared(int32_t item) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return holders_[static_cast<size_t>(item)] > 1;
}

uint64_t SlabPool::Bytes(Side side, int64_t items) const {
  const auto slabs =
      (static_cast<size_t>(items) + slab_items_ - 1) / slab_items_;
  const size_t capacity = CapacityFor(slabs);
  uint64_t bytes = 0;
  if (side == machine_->cpu_side()) {
    bytes += capacity * sizeof(DeviceBlock) +
             capacity * slab_items_ * sizeof(uint32_t) + TableBytes(capacity);
  }
  if (side == side_) {
    bytes += slabs * slab_bytes_;
    if (!machine_->IsHost(side)) bytes += TableBytes(capacity);
  }
  return bytes;
}

StateStore::StateStore(const Machine* machine, Side side,
                       std::span<const baleen_state_shape> shapes,
                       ByteMeter* meter)
    : machine_(machine),
      side_(side),
      meter_(meter),
      states_(shapes.size(), machine->memory()),
      slots_(machine, side, 1, true, meter),
      pages_(machine, side, kSlabPages, false, meter) {
  for (size_t i = 0; i < shapes.size(); ++i) states_[i].shape = shapes[i];
}

Result<Owned<StateStore>> StateStore::Create(
    const Machine* machine, Side side,
    std::span<const baleen_state_shape> shapes, ByteMeter* meter) {
  Owned<StateStore> store =
      MakeOwned<StateStore>(machine->memory(), machine, side, shapes, meter);
  BALEEN_RETURN_IF_ERROR(store->SizePools());
  return store;
}

Status StateStore::SizePools() {
  const baleen_device_table& table = machine_->table(side_);
  for (baleen_state& state : states_) {
    for (baleen_pool pool = 0; pool < BALEEN_POOL_COUNT; ++pool) {
      uint64_t bytes = 0;
      BALEEN_RETURN_IF_ERROR(
          machine_->StatusOf(side_,
                             table.state_size(machine_->device(side_).handle,
                                              &state.shape, pool, &bytes),
                             "the size of a layer's state"));
      const bool paged =
          pool == BALEEN_POOL_ENTRIES || pool == BALEEN_POOL_KEYS;
      if (paged && state.shape.ratio == 0) continue;
      (paged ? pages_ : slots_).AddColumn(&state, pool, bytes);
    }
  }
  BALEEN_RETURN_IF_ERROR(slots_.Start());
  return pages_.Start();
}

Status StateCopies::Add(int32_t layer, baleen_pool pool, int32_t from,
                        int32_t to, int64_t first, int64_t count, void* bytes,
                        uint64_t size) {
  if (count == 0) return Status();
  if (count_ == kMost) BALEEN_RETURN_IF_ERROR(Flush());
  const baleen_state& state = store_->state(layer);
  baleen_state_copy& copy = copies_[count_++];
  copy = {};
  copy.struct_size = sizeof copy;
  copy.pool = pool;
  copy.from = from < 0 ? nullptr : &state;
  copy.to = to < 0 ? nullptr : &state;
  copy.host = bytes;
  copy.host_size = size;
  copy.from_index = std::max(from, 0);
  copy.to_index = std::max(to, 0);
  copy.first = static_cast<uint32_t>(first);
  copy.count = static_cast<uint32_t>(count);
  return Status();
}

Status StateCopies::Flush() {
  if (count_ == 0) return Status();
  const Side side = store_->side();
  const Machine& machine = store_->machine();
  const size_t count = count_;
  count_ = 0;
  BALEEN_RETURN_IF_ERROR(machine.StatusOf(
      side,
      machine.table(side).state_copy(machine.queue(side), copies_.data(),
                                     static_cast<uint32_t>(count)),
      "a copy of attention state failed"));
  return machine.Wait(side);
}

}  // namespace baleen::deepseek_v4
