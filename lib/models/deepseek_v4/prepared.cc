#include "models/deepseek_v4/prepared.h"

#include <cstring>

namespace baleen::deepseek_v4 {

PreparedWeights::PreparedWeights(const Machine* machine,
                                 const Assignment& assignment, bool shapes_only,
                                 bool repack)
    : layers(machine->memory()),
      dspark(machine->memory()),
      machine_(machine),
      assignment_(assignment),
      shapes_only_(shapes_only),
      repack_(repack),
      opened_(machine->memory()),
      homes_(machine->memory()),
      uploads_(machine->memory()) {}

PreparedWeights::~PreparedWeights() {
  for (const Opened& one : opened_) {
    machine_->table(one.side).weight_close(one.handle);
  }
}

Result<Owned<PreparedWeights>> PreparedWeights::Create(
    const Machine* machine, const Assignment& assignment,
    const Weights& weights, bool shapes_only, bool repack,
    const PackedFile* packed) {
  Owned<PreparedWeights> prepared = MakeOwned<PreparedWeights>(
      machine->memory(), machine, assignment, shapes_only, repack);
  prepared->packed_ = packed;
  BALEEN_RETURN_IF_ERROR(prepared->PrepareAll(weights));
  if (packed != nullptr && prepared->next_packed_ != packed->weights().size()) {
    return Corrupt("%s has %zu weights, %zu more than its model",
                   packed->path(), packed->weights().size(),
                   packed->weights().size() - prepared->next_packed_);
  }
  return prepared;
}

Status PreparedWeights::List(const Machine* machine,
                             const Assignment& assignment,
                             const Weights& weights, WeightList* list) {
  PreparedWeights prepared(machine, assignment, false, false);
  prepared.list_ = list;
  return prepared.PrepareAll(weights);
}

// Experts are all of one size, but for the shared one, which comes last.
WeightFacts PreparedWeights::FactsOf(baleen_weight_kind kind,
                                     const Vector<Tensor>& tensors) {
  WeightFacts facts;
  const size_t count = tensors.size();
  for (size_t i = 0; i < count; ++i) {
    if (kind == BALEEN_WEIGHT_EXPERTS && i >= 3 && i + 3 < count) continue;
    facts.Add(tensors[i]);
  }
  return facts;
}

Status PreparedWeights::Open(baleen_op op, baleen_weight_kind kind,
                             const Vector<Tensor>& tensors,
                             CountedWeight* out) {
  out->facts = FactsOf(kind, tensors);
  const Side side = assignment_.side(op);
  if (list_ != nullptr) {
    list_->weights.push_back(
        {side, kind, Vector<Tensor>(tensors, machine_->memory())});
    return Status();
  }
  if (shapes_only_ && !repack_) return Status();
  baleen_weight_source source = {};
  source.struct_size = sizeof source;
  source.kind = kind;
  source.tensors = tensors.data();
  source.tensor_count = static_cast<uint32_t>(tensors.size());
  Opened one = {side, nullptr, Block()};
  const void* blob = nullptr;
  if (packed_ != nullptr) {
    BALEEN_RETURN_IF_ERROR(FindPacked(side, source, &blob));
  } else if (repack_) {
    BALEEN_RETURN_IF_ERROR(Repack(side, source, &one.blob));
    if (shapes_only_) return Status();
    blob = one.blob.data();
  }
  opened_.reserve(opened_.size() + 1);
  BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
      side,
      machine_->table(side).weight_open(machine_->device(side).handle, &source,
                                        blob, &one.handle),
      "a weight could not be opened"));
  out->handle = one.handle;
  opened_.push_back(std::move(one));
  return Status();
}

Status PreparedWeights::FindPacked(Side side,
                                   const baleen_weight_source& source,
                                   const void** blob) {
  const std::span<const PackedWeight> weights = packed_->weights();
  if (next_packed_ == weights.size()) {
    return Corrupt("%s has %zu weights, fewer than its model", packed_->path(),
                   weights.size());
  }
  const PackedWeight& found = weights[next_packed_];
  const Device& device = machine_->device(side);
  const char* has = packed_->header().layouts[found.layout];
  const char* reads = device.table->weight_layout == nullptr
                          ? ""
                          : device.table->weight_layout(device.handle);
  if (reads == nullptr || std::strcmp(has, reads) != 0) {
    return Unsupported(
        "%s is packed in the layout %s, which device %s of this version does "
        "not read; load the checkpoint's folder, or pack it again",
        packed_->path(), has, device.backend);
  }
  uint64_t size = 0;
  BALEEN_RETURN_IF_ERROR(machine_->StatusOf(
      side, device.table->weight_size(device.handle, &source, &size),
      "the size of a packed weight"));
  if (found.kind != source.kind || found.tensor_count != source.tensor_count ||
      found.size != size) {
    return Corrupt("weight %zu of %s is not the one that its model has there",
                   next_packed_, packed_->path());
  }
  *blob = packed_->DataOf(found);
  ++next_packed_;
  return Status();
}

Status PreparedWeights::Repack(Side side, const baleen_weight_source& source,
                               Block* blob) {
  const baleen_device_table& table = machine_->table(side);
  baleen_device* const device = machine_->device(side).handle;
  uint64_t size = 0;
  BALEEN_RETURN_IF_ERROR(
      machine_->StatusOf(side, table.weight_size(device, &source, &size),
                         "the size of a packed weight"));
  bytes_[machine_->cpu_side()] += size;
  if (shapes_only_) return Status();
  *blob = Block(machine_->memory(), static_cast<size_t>(size),
                static_cast<size_t>(DeviceBlock::kAlignment));
  const uint32_t count = source.kind == BALEEN_WEIGHT_EXPERTS
                             ? source.tensor_count / 3
                             : source.tensor_count;
  return machine_->StatusOf(
      side, table.weight_pack(device, &source, 0, count, blob->data()),
      "a weight could not be packed");
}

Status PreparedWeights::Open(baleen_op op, baleen_weight_kind kind,
                             std::initializer_list<const Tensor*> tensors,
                             CountedWeight* out) {
  Vector<Tensor> list(machine_->memory());
  list.reserve(tensors.size());
  for (const Tensor* tensor : tensors) list.push_back(*tensor);
  return Open(op, kind, list, out);
}

Status PreparedWeights::Hold(baleen_op op, const Tensor& tensor,
                             const Tensor** out) {
  if (tensor.rank == 0) return Status();
  if (list_ != nullptr) {
    list_->plain.push_back(tensor);
    return Status();
  }
  if (packed_ != nullptr && tensor.data == nullptr) {
    return Corrupt("%s lacks the bytes of a tensor", packed_->path());
  }
  Homes& homes = homes_.emplace_back();
  for (Tensor& home : homes.on) home = tensor;
  *out = homes.handle();
  const bool upload = machine_->split() && !machine_->unified() &&
                      assignment_.side(op) == kDevice;
  if (!upload || shapes_only_) return Status();
  const uint64_t size = DataBytes(tensor);
  BALEEN_ASSIGN_OR_RETURN(DeviceBlock block,
                          DeviceBlock::Allocate(*machine_, kDevice, size));
  homes.on[kDevice].data = block.data();
  BALEEN_RETURN_IF_ERROR(
      machine_->Copy(kDevice, block.data(), kCpu, tensor.data, size));
  uploads_.push_back(std::move(block));
  bytes_[kDevice] += size;
  return Status();
}

Status PreparedWeights::HoldHyper(baleen_op op, const HyperWeights& weights,
                                  PreparedHyper* out) {
  BALEEN_RETURN_IF_ERROR(Hold(op, weights.fn, &out->fn));
  BALEEN_RETURN_IF_ERROR(Hold(op, weights.base, &out->base));
  return Hold(op, weights.scale, &out->scale);
}

Status PreparedWeights::PrepareAttention(const LayerWeights& weights,
                                         PreparedLayer* layer) {
  const AttentionWeights& attention = weights.attention;
  const CompressorWeights& compressor = attention.compressor;
  const IndexerWeights& indexer = attention.indexer;
  BALEEN_RETURN_IF_ERROR(HoldHyper(BALEEN_OP_MHC_BOUNDARY,
                                   weights.attention_hyper,
                                   &layer->attention_hyper));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_MHC_BOUNDARY, attention.norm, &layer->attention_norm));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_SPARSE_ATTN, attention.sink, &layer->sink));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_QKV_POST, attention.q_norm, &layer->q_norm));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_QKV_POST, attention.kv_norm, &layer->kv_norm));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_COMPRESS, compressor.ape, &layer->compressor.ape));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_COMPRESS, compressor.norm, &layer->compressor.norm));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_COMPRESS, indexer.compressor.ape,
                              &layer->indexer_compressor.ape));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_COMPRESS, indexer.compressor.norm,
                              &layer->indexer_compressor.norm));
  // In the order of BALEEN_IN_*.
  Vector<Tensor> in(machine_->memory());
  Vector<Tensor> up(machine_->memory());
  in.push_back(attention.wq_a);
  in.push_back(attention.wkv);
  up.push_back(attention.wq_b);
  if (weights.ratio != 0) {
    in.push_back(compressor.wkv);
    in.push_back(compressor.wgate);
  }
  if (weights.ratio == 4) {
    in.push_back(indexer.compressor.wkv);
    in.push_back(indexer.compressor.wgate);
    in.push_back(indexer.weights_proj);
    up.push_back(indexer.wq_b);
  }
  BALEEN_RETURN_IF_ERROR(
      Open(BALEEN_OP_IN_PROJ, BALEEN_WEIGHT_LINEAR, in, &layer->in_proj));
  BALEEN_RETURN_IF_ERROR(
      Open(BALEEN_OP_Q_UP, BALEEN_WEIGHT_LINEAR, up, &layer->q_up));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_WO_A, BALEEN_WEIGHT_GROUPED,
                              {&attention.wo_a}, &layer->wo_a));
  return Open(BALEEN_OP_WO_B, BALEEN_WEIGHT_LINEAR, {&attention.wo_b},
              &layer->wo_b);
}

Status PreparedWeights::PrepareMoe(const LayerWeights& weights,
                                   PreparedLayer* layer) {
  const MoeWeights& moe = weights.moe;
  BALEEN_RETURN_IF_ERROR(
      HoldHyper(BALEEN_OP_MHC_BOUNDARY, weights.moe_hyper, &layer->moe_hyper));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_MHC_BOUNDARY, moe.norm, &layer->moe_norm));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_ROUTER, moe.gate, &layer->gate));
  if (weights.hash_routed) {
    BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_ROUTER, moe.table, &layer->table));
  } else {
    BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_ROUTER, moe.bias, &layer->bias));
  }
  Vector<Tensor> tensors(machine_->memory());
  tensors.reserve(3 * (moe.experts.size() + 1));
  const auto add = [&](const ExpertWeights& expert) {
    tensors.push_back(expert.w1);
    tensors.push_back(expert.w3);
    tensors.push_back(expert.w2);
  };
  for (const ExpertWeights& expert : moe.experts) add(expert);
  if (moe.shared.w1.rank != 0) add(moe.shared);
  return Open(BALEEN_OP_MOE_GATE_UP, BALEEN_WEIGHT_EXPERTS, tensors,
              &layer->experts);
}

Status PreparedWeights::PrepareLayer(const LayerWeights& weights, int32_t index,
                                     PreparedLayer* layer) {
  layer->index = index;
  layer->ratio = weights.ratio;
  BALEEN_RETURN_IF_ERROR(PrepareAttention(weights, layer));
  return PrepareMoe(weights, layer);
}

Status PreparedWeights::PrepareMtp(const Weights& weights) {
  const MtpWeights& from = weights.mtp[0];
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_LINEAR, BALEEN_WEIGHT_TABLE,
                              {&weights.embed}, &mtp.embed));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_LINEAR, from.enorm, &mtp.enorm));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_LINEAR, from.hnorm, &mtp.hnorm));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_LINEAR, BALEEN_WEIGHT_LINEAR,
                              {&from.e_proj}, &mtp.e_proj));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_LINEAR, BALEEN_WEIGHT_LINEAR,
                              {&from.h_proj}, &mtp.h_proj));
  BALEEN_RETURN_IF_ERROR(PrepareLayer(
      from.layer, static_cast<int32_t>(layers.size()), &mtp.layer));
  BALEEN_RETURN_IF_ERROR(
      HoldHyper(BALEEN_OP_HC_HEAD, from.head_hyper, &mtp.head.hyper));
  return Hold(BALEEN_OP_HC_HEAD, from.norm, &mtp.head.norm);
}

Status PreparedWeights::PrepareDspark(const Weights& weights) {
  const DsparkWeights& from = weights.dspark[0];
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_LINEAR, BALEEN_WEIGHT_LINEAR,
                              {&from.main_proj}, &dspark.main_proj));
  BALEEN_RETURN_IF_ERROR(
      Hold(BALEEN_OP_LINEAR, from.main_norm, &dspark.main_norm));
  const size_t count = from.stages.size();
  dspark.stages.resize(count);
  dspark.context_kv.resize(count);
  for (size_t i = 0; i < count; ++i) {
    BALEEN_RETURN_IF_ERROR(PrepareLayer(from.stages[i],
                                        static_cast<int32_t>(layers.size() + i),
                                        &dspark.stages[i]));
    BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_LINEAR, BALEEN_WEIGHT_LINEAR,
                                {&from.stages[i].attention.wkv},
                                &dspark.context_kv[i]));
  }
  BALEEN_RETURN_IF_ERROR(
      HoldHyper(BALEEN_OP_HC_HEAD, from.head_hyper, &dspark.head.hyper));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_HC_HEAD, from.norm, &dspark.head.norm));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_DRAFT_HEAD, BALEEN_WEIGHT_TABLE,
                              {&from.markov_w1}, &dspark.markov_w1));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_DRAFT_HEAD, BALEEN_WEIGHT_LINEAR,
                              {&from.markov_w2}, &dspark.markov_w2));
  // The checkpoint has a matrix of one row.
  Tensor confidence =
      MakeTensor(BALEEN_TYPE_BF16, {ElementCount(from.confidence)});
  confidence.data = from.confidence.data;
  return Hold(BALEEN_OP_DRAFT_HEAD, confidence, &dspark.confidence);
}

Status PreparedWeights::PrepareAll(const Weights& weights) {
  BALEEN_RETURN_IF_ERROR(
      Open(BALEEN_OP_EMBED, BALEEN_WEIGHT_TABLE, {&weights.embed}, &embed));
  layers.resize(weights.layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    BALEEN_RETURN_IF_ERROR(
        PrepareLayer(weights.layers[i], static_cast<int32_t>(i), &layers[i]));
  }
  BALEEN_RETURN_IF_ERROR(
      HoldHyper(BALEEN_OP_HC_HEAD, weights.head_hyper, &head.hyper));
  BALEEN_RETURN_IF_ERROR(Hold(BALEEN_OP_HC_HEAD, weights.norm, &head.norm));
  BALEEN_RETURN_IF_ERROR(Open(BALEEN_OP_HEAD, BALEEN_WEIGHT_LINEAR,
                              {&weights.head}, &head_weight));
  switch (weights.drafter) {
    case Drafter::kMtp:
      return PrepareMtp(weights);
    case Drafter::kDspark:
      return PrepareDspark(weights);
    default:
      return Status();
  }
}

}  // namespace baleen::deepseek_v4
