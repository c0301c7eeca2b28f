// Scores of the indexer, sixteen keys at a time (state.h), as products of bytes.
#include "cpu/blocked/row_ops.h"
#include "cpu/blocked/score_rows.h"
#include "cpu/reference/state_ops.h"
#include "cpu/row_tasks.h"

namespace baleen::cpu {

const char* IndexerScoreBlockedAccepts(const baleen_indexer_score_args& args) {
  const char* error = IndexerScoreReferenceAccepts(args);
  if (error != nullptr) return error;
  return PageEntries(args.state->shape) % kKeysTogether == 0
             ? nullptr
             : "pages are not of 16 keys";
}

template <const RowKernels& kKernels>
baleen_status IndexerScoreBlocked(const Queue& queue,
                                  const baleen_indexer_score_args& args) {
  const BatchView batch(*args.common.batch);
  const RowBlocks blocks(batch, RowsOfScoreTask(*args.iq_rounded));
  const int64_t tasks = ScoreTasksOfBlock(args);
  ForRows(queue, args.common.scratch, blocks.count() * tasks,
          ScoreRowsBytes(*args.iq_rounded), [&](int64_t i, uint8_t* memory) {
            const int64_t first = i % tasks * KeysOfScoreTask(args);
            ScoreRows(kKernels, args, batch, blocks.At(i / tasks), first,
                      first + KeysOfScoreTask(args), memory);
          });
  return BALEEN_OK;
}

void IndexerScoreBlockedNeeds(const Device&,
                              const baleen_indexer_score_args& args,
                              baleen_op_needs* needs) {
  needs->scratch_bytes =
      RowRunScratch(args.iq_rounded->size[0] * ScoreTasksOfBlock(args),
                    ScoreRowsBytes(*args.iq_rounded));
}

BALEEN_CPU_INSTANTIATE(indexer_score, IndexerScore)

}  // namespace baleen::cpu
