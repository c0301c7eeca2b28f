// Operators without prepared weights that have a form of their own for
// processors with tile registers.
#pragma once

#include "cpu/implementation_list.h"

namespace baleen::cpu {

const char* IndexerScoreTilesAccepts(const baleen_indexer_score_args& args);
baleen_status IndexerScoreTiles(const Queue& queue,
                                const baleen_indexer_score_args& args);
void IndexerScoreTilesNeeds(const Device& device,
                            const baleen_indexer_score_args& args,
                            baleen_op_needs* needs);

}  // namespace baleen::cpu
