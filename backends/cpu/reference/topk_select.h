// One row of the reference of topk_select, for implementations that leave some
// rows to it.
#pragma once

#include <baleen/backend.h>

#include "cpu/batch.h"

namespace baleen::cpu {

void SelectRowReference(const baleen_topk_select_args& args,
                        const BatchView& batch, int64_t row);

}  // namespace baleen::cpu
