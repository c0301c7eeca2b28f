// The functions of the device table that concern state (backend.h).
#pragma once

#include <baleen/backend.h>

namespace baleen::cpu {

baleen_status StateSize(baleen_device* device, const baleen_state_shape* shape,
                        baleen_pool pool, uint64_t* bytes);
baleen_status StateCopy(baleen_queue* queue, const baleen_state_copy* copies,
                        uint32_t count);

}  // namespace baleen::cpu
