// Launches of several operators at once, of a program whose rows are few: what
// each alone would do, by one kernel, so the bits are the same.
//
// Each says false, and does nothing, where its operators must be launched one by
// one.  Arguments have been looked at as for single calls.
#pragma once

#include "cuda/operators.h"

namespace baleen::cuda {

// qkv_post, and what is compressed for `count` pools, up to two.
bool RunInputs(const Queue& queue, const baleen_qkv_post_args& qkv,
               const baleen_compress_args* const* compressed, int count,
               baleen_status* status);

// q_up and the indexer's queries of what it gives.
bool RunQueries(const Queue& queue, const baleen_q_up_args& up,
                const baleen_indexer_q_args& index, baleen_status* status);

// router and the plan of where it sends.
bool RunRoutes(const Queue& queue, const baleen_router_args& route,
               const baleen_moe_plan_args& plan, baleen_status* status);

// Runs the first of `count` records together, if they are such; returns how many
// they are, or 0.
uint32_t RunFused(Queue* to, const baleen_op_record* records, uint32_t count,
                  baleen_status* status);

}  // namespace baleen::cuda
