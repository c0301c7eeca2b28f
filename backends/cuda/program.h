// A program as a CUDA graph: its operators, recorded once for a number of rows.
// What changes from step to step they read from the batch, in device memory.
#pragma once

#include <baleen/backend.h>

#include "cuda/device.h"

namespace baleen::cuda {

baleen_status ProgramCreate(baleen_queue* queue,
                            const baleen_op_record* records,
                            uint32_t record_count,
                            const baleen_tensor* const* inner,
                            uint32_t inner_count, uint32_t* taken,
                            baleen_program** program);
baleen_status ProgramRun(baleen_queue* queue, baleen_program* program);
void ProgramDestroy(baleen_device* device, baleen_program* program);

}  // namespace baleen::cuda
