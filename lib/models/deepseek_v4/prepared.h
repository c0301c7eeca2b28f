// The model's weights as the operators take them: what a backend prepares is
// opened on the side that will use it, the rest is at hand as plain tensors.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>

#include "format/packed_file.h"
#include "models/deepseek_v4/config.h"
#include "models/deepseek_v4/weights.h"
#include "ops/assignment.h"
#include "ops/machine.h"
#include "ops/operator_cost.h"

namespace baleen::deepseek_v4 {

// Handles of tensors (see Homes) and weights; NULL where a layer has none, and
// weights without a handle where there are only shapes.

struct PreparedHyper {
  const Tensor* fn = nullptr;
  const Tensor* base = nullptr;
  const Tensor* scale = nullptr;
};

struct PreparedCompressor {
  const Tensor* ape = nullptr;
  const Tensor* norm = nullptr;
};

struct PreparedLayer {
  int32_t index = 0;  // Drafter blocks follow the main layers.
  int32_t ratio = 0;

  PreparedHyper attention_hyper;
  const Tensor* attention_norm = nullptr;
  const Tensor* sink = nullptr;
  const Tensor* q_norm = nullptr;
  const Tensor* kv_norm = nullptr;
  CountedWeight in_proj;
  CountedWeight q_up;
  CountedWeight wo_a;
  CountedWeight wo_b;
  PreparedCompressor compressor;
  PreparedCompressor indexer_compressor;

  PreparedHyper moe_hyper;
  const Tensor* moe_norm = nullptr;
  const Tensor* gate = nullptr;
  const Tensor* bias = nullptr;
  const Tensor* table = nullptr;
  CountedWeight experts;
};

struct PreparedHead {
  PreparedHyper hyper;
  const Tensor* norm = nullptr;
};

struct PreparedMtp {
  CountedWeight embed;  // Rows of it, by `linear`.
  const Tensor* enorm = nullptr;
  const Tensor* hnorm = nullptr;
  CountedWeight e_proj;
  CountedWeight h_proj;
  PreparedLayer layer;
  PreparedHead head;
};

struct PreparedDspark {
  CountedWeight main_proj;
  const Tensor* main_norm = nullptr;
  Vector<PreparedLayer> stages;
  Vector<CountedWeight> context_kv;  // wkv of each stage, by `linear`.
  PreparedHead head;
  CountedWeight markov_w1;
  CountedWeight markov_w2;
  const Tensor* confidence = nullptr;

  explicit PreparedDspark(Memory* memory)
      : stages(memory), context_kv(memory) {}
};

// What weights are made of, in the order in which they are prepared: for who
// writes them to a file.
struct WeightList {
  struct Entry {
    Side side;
    baleen_weight_kind kind;
    Vector<Tensor> tensors;
  };
  Vector<Entry> weights;
  Vector<Tensor> plain;  // Those that are no part of a weight.

  explicit WeightList(Memory* memory) : weights(memory), plain(memory) {}
};

// Immutable once created.  The checkpoint, whose bytes are used where they
// lie, must outlive it.
class PreparedWeights {
 public:
  // `repack`: into the devices' own layouts.  `packed`, unless NULL, has the
  // weights in such a layout already.
  static Result<Owned<PreparedWeights>> Create(
      const Machine* machine, const Assignment& assignment,
      const Weights& weights, bool shapes_only, bool repack,
      const PackedFile* packed = nullptr);
  // Only says what Create would make.
  static Status List(const Machine* machine, const Assignment& assignment,
                     const Weights& weights, WeightList* list);
  // Use Create; public for MakeOwned.
  PreparedWeights(const Machine* machine, const Assignment& assignment,
                  bool shapes_only, bool repack);
  ~PreparedWeights();
  PreparedWeights(const PreparedWeights&) = delete;
  PreparedWeights& operator=(const PreparedWeights&) = delete;

  CountedWeight embed;
  Vector<PreparedLayer> layers;
  PreparedHead head;
  CountedWeight head_weight;
  PreparedMtp mtp;
  PreparedDspark dspark;

  // What was allocated for them, blobs and uploads, on a side.
  uint64_t bytes(Side side) const { return bytes_[side]; }

 private:
  struct Opened {
    Side side;
    baleen_weight* handle;
    Block blob;
  };

  // Sets *out to what a backend makes of the tensors, on the side of `op`.
  Status Open(baleen_op op, baleen_weight_kind kind,
              const Vector<Tensor>& tensors, CountedWeight* out);
  Status Open(baleen_op op, baleen_weight_kind kind,
              std::initializer_list<const Tensor*> tensors, CountedWeight* out);
  // What the tensors of a weight are.
  static WeightFacts FactsOf(baleen_weight_kind kind,
                             const Vector<Tensor>& tensors);
  // Sets *blob to the next weight of the packed file, if it is this one.
  Status FindPacked(Side side, const baleen_weight_source& source,
                    const void** blob);
  // Allocates a blob and packs the tensors into it.
  Status Repack(Side side, const baleen_weight_source& source, Block* blob);
  // Sets *out to the handle of a plain tensor that `op` reads; NULL if it is
  // empty.
  Status Hold(baleen_op op, const Tensor& tensor, const Tensor** out);
  Status HoldHyper(baleen_op op, const HyperWeights& weights,
                   PreparedHyper* out);

  Status PrepareAttention(const LayerWeights& weights, PreparedLayer* layer);
  Status PrepareMoe(const LayerWeights& weights, PreparedLayer* layer);
  Status PrepareLayer(const LayerWeights& weights, int32_t index,
                      PreparedLayer* layer);
  Status PrepareMtp(const Weights& weights);
  Status PrepareDspark(const Weights& weights);
  Status PrepareAll(const Weights& weights);

  const Machine* machine_;
  Assignment assignment_;
  bool shapes_only_;
  bool repack_;
  const PackedFile* packed_ = nullptr;
  size_t next_packed_ = 0;
  WeightList* list_ = nullptr;
  Vector<Opened> opened_;
  std::pmr::deque<Homes> homes_;
  Vector<DeviceBlock> uploads_;
  uint64_t bytes_[kSideCount] = {};
};

}  // namespace baleen::deepseek_v4
