#include "models/deepseek_v4/pack.h"

#include <algorithm>
#include <numeric>

#include "base/checksum.h"
#include "format/packed_writer.h"
#include "models/deepseek_v4/model.h"

namespace baleen::deepseek_v4 {
namespace {

// Read and packed bytes of the parts that are worked on at once.  An expert of
// V4-Flash takes 27 MB of it, one of V4-Pro 70 MB; the largest part there is
// (the queries of a layer of V4-Pro) 230 MB, which then is alone.
constexpr uint64_t kBatchBytes = uint64_t{256} << 20;
// A matrix without scales is packed by this many rows: 16 MB of V4-Flash's
// head, and a multiple of any tile.
constexpr int64_t kRowsOfPart = 2048;
constexpr uint64_t kBufferAlignment = 64;
// A weight has a matrix for each part of BALEEN_IN_*, or three of an expert.
constexpr size_t kMostTensors = 8;

// What so many bytes take of a buffer.
uint64_t BufferBytes(uint64_t bytes) {
  return AlignUp(bytes, kBufferAlignment);
}

// Where bytes of the checkpoint are read from.
struct Source {
  const StoredTensor* tensor = nullptr;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// A range of the packed file, and what it is made of.
struct Piece {
  PackedRange* range = nullptr;
  const char* text = nullptr;  // The bytes themselves, or
  // a tensor as it is (count 0, one source), or
  Side side = kDevice;  // matrices, each with its elements' source, then that
  baleen_weight_kind kind = BALEEN_WEIGHT_LINEAR;  // of its scales.
  size_t count = 0;
  Tensor tensors[kMostTensors] = {};
  Source sources[2 * kMostTensors];
  size_t source_count = 0;
  uint64_t input_size = 0;
  unsigned char* buffer = nullptr;  // Input, then what is made of it.
  Status status;

  uint64_t buffer_size() const {
    return text != nullptr ? 0
                           : BufferBytes(input_size) + BufferBytes(range->size);
  }
};

class Packer {
 public:
  Packer(const V4Model& model, const PackRequest& pack, Memory* memory)
      : model_(model),
        pack_(pack),
        memory_(memory),
        index_(memory),
        by_address_(memory),
        pieces_(memory) {}

  Status Run(std::string_view name) {
    WeightList list(memory_);
    BALEEN_RETURN_IF_ERROR(PreparedWeights::List(
        &machine(), model_.assignment(), model_.weights(), &list));
    BALEEN_RETURN_IF_ERROR(CheckLayouts(list));
    SortByAddress();
    AddTexts();
    AddTensors(list);
    Vector<Piece> parts(memory_);
    BALEEN_RETURN_IF_ERROR(AddWeights(list, &parts));
    BALEEN_RETURN_IF_ERROR(index_.LayOut());
    MakePieces(std::move(parts));
    BALEEN_ASSIGN_OR_RETURN(FileWriter writer, pack_.files->Create(pack_.path));
    BALEEN_RETURN_IF_ERROR(WritePieces(&writer));
    BALEEN_RETURN_IF_ERROR(index_.Write(name, Layout(kDevice),
                                        Layout(machine().cpu_side()), &writer));
    BALEEN_RETURN_IF_ERROR(Report());
    return writer.Commit();
  }

 private:
  const Machine& machine() const { return model_.machine(); }

  // "" where the side has none.
  const char* Layout(Side side) const {
    const auto function = machine().table(side).weight_layout;
    const char* layout =
        function == nullptr ? nullptr : function(machine().device(side).handle);
    return layout == nullptr ? "" : layout;
  }

  Status CheckLayouts(const WeightList& list) const {
    for (const WeightList::Entry& weight : list.weights) {
      if (*Layout(weight.side) != '\0') continue;
      return Unsupported("device %s has no layout of packed weights",
                         machine().device(weight.side).backend);
    }
    return Status();
  }

  void SortByAddress() {
    for (const StoredTensor& tensor : model_.checkpoint().tensors()) {
      by_address_.push_back(&tensor);
    }
    std::sort(by_address_.begin(), by_address_.end(),
              [](const StoredTensor* a, const StoredTensor* b) {
                return a->data < b->data;
              });
  }

  // REQUIRES: the address of one of the checkpoint's tensors.
  const StoredTensor* At(const void* data) const {
    return *std::lower_bound(by_address_.begin(), by_address_.end(), data,
                             [](const StoredTensor* tensor, const void* at) {
                               return tensor->data < at;
                             });
  }

  void AddTexts() {
    for (const PackText& text : pack_.texts) {
      index_.AddText(text.name, text.bytes.size());
    }
  }

  // Tensors that the model does not use stay behind.
  void AddTensors(const WeightList& list) {
    Vector<const StoredTensor*> used(memory_);
    Vector<const StoredTensor*> plain(memory_);
    for (const Tensor& tensor : list.plain) plain.push_back(At(tensor.data));
    for (const WeightList::Entry& weight : list.weights) {
      for (const Tensor& tensor : weight.tensors) {
        used.push_back(At(tensor.data));
        if (tensor.scales != nullptr) used.push_back(At(tensor.scales));
      }
    }
    const auto sort = [](Vector<const StoredTensor*>* tensors) {
      std::sort(tensors->begin(), tensors->end());
      tensors->erase(std::unique(tensors->begin(), tensors->end()),
                     tensors->end());
    };
    used.insert(used.end(), plain.begin(), plain.end());
    sort(&used);
    sort(&plain);
    for (const StoredTensor* tensor : used) {
      const bool here = std::binary_search(plain.begin(), plain.end(), tensor);
      index_.AddTensor(*tensor, here);
      if (here) plain_.push_back(tensor);
    }
  }

  Status AddWeights(const WeightList& list, Vector<Piece>* parts) {
    for (size_t i = 0; i < list.weights.size(); ++i) {
      const WeightList::Entry& weight = list.weights[i];
      PackedWeight entry = {};
      entry.kind = weight.kind;
      entry.tensor_count = static_cast<uint32_t>(weight.tensors.size());
      entry.layout = weight.side;
      const auto same = [&](const WeightList::Entry& other) {
        return other.side == weight.side && other.kind == weight.kind &&
               std::equal(other.tensors.begin(), other.tensors.end(),
                          weight.tensors.begin(), weight.tensors.end(),
                          [](const Tensor& a, const Tensor& b) {
                            return a.data == b.data;
                          });
      };
      const auto end = list.weights.begin() + static_cast<ptrdiff_t>(i);
      const auto twin = std::find_if(list.weights.begin(), end, same);
      if (twin != end) {
        index_.AddTwin(
            index_.weights()[static_cast<size_t>(twin - list.weights.begin())]);
        continue;
      }
      Vector<uint64_t> sizes(memory_);
      BALEEN_RETURN_IF_ERROR(Divide(weight, &sizes, parts));
      index_.AddWeight(entry, sizes);
    }
    return Status();
  }

  Result<uint64_t> SizeOf(Side side, baleen_weight_kind kind,
                          const Tensor* tensors, size_t count) const {
    baleen_weight_source source = {};
    source.struct_size = sizeof source;
    source.kind = kind;
    source.tensors = tensors;
    source.tensor_count = static_cast<uint32_t>(count);
    uint64_t size = 0;
    BALEEN_RETURN_IF_ERROR(
        machine().StatusOf(side,
                           machine().table(side).weight_size(
                               machine().device(side).handle, &source, &size),
                           "the size of a packed weight"));
    return size;
  }

  // A weight's blob is that of its experts, or that of the rows of a matrix
  // without scales, one after another (backend.h): those are packed one by one.
  Status Divide(const WeightList::Entry& weight, Vector<uint64_t>* sizes,
                Vector<Piece>* parts) {
    const Vector<Tensor>& tensors = weight.tensors;
    BALEEN_ASSIGN_OR_RETURN(
        const uint64_t whole,
        SizeOf(weight.side, weight.kind, tensors.data(), tensors.size()));
    if (weight.kind == BALEEN_WEIGHT_EXPERTS) {
      for (size_t i = 0; i < tensors.size(); i += 3) {
        BALEEN_RETURN_IF_ERROR(AddPart(weight, &tensors[i], 3, sizes, parts));
      }
    } else if (tensors.size() == 1 && tensors[0].scales == nullptr) {
      for (int64_t row = 0; row < tensors[0].size[0]; row += kRowsOfPart) {
        Tensor rows = tensors[0];
        rows.size[0] = std::min(kRowsOfPart, tensors[0].size[0] - row);
        const uint64_t skipped = DataBytes(rows) /
                                 static_cast<uint64_t>(rows.size[0]) *
                                 static_cast<uint64_t>(row);
        BALEEN_RETURN_IF_ERROR(AddPart(weight, &rows, 1, sizes, parts));
        parts->back().sources[0] = {At(tensors[0].data), skipped,
                                    DataBytes(rows)};
      }
    } else {
      if (tensors.size() > kMostTensors) {
        return Internal("a weight has %zu matrices", tensors.size());
      }
      BALEEN_RETURN_IF_ERROR(
          AddPart(weight, tensors.data(), tensors.size(), sizes, parts));
    }
    const auto sum = std::accumulate(sizes->begin(), sizes->end(), uint64_t{0});
    if (sum == whole) return Status();
    return Unsupported(
        "device %s does not pack a weight part by part, as it should",
        machine().device(weight.side).backend);
  }

  Status AddPart(const WeightList::Entry& weight, const Tensor* tensors,
                 size_t count, Vector<uint64_t>* sizes, Vector<Piece>* parts) {
    BALEEN_ASSIGN_OR_RETURN(const uint64_t size,
                            SizeOf(weight.side, weight.kind, tensors, count));
    sizes->push_back(size);
    Piece& piece = parts->emplace_back();
    piece.side = weight.side;
    piece.kind = weight.kind;
    piece.count = count;
    std::copy_n(tensors, count, piece.tensors);
    const auto add = [&piece](const StoredTensor* tensor, uint64_t bytes) {
      piece.sources[piece.source_count++] = {tensor, 0, bytes};
      piece.input_size += BufferBytes(bytes);
    };
    for (size_t i = 0; i < count; ++i) {
      add(At(tensors[i].data), DataBytes(tensors[i]));
      if (tensors[i].scales == nullptr) continue;
      add(At(tensors[i].scales), ScaleBytes(tensors[i]));
    }
    return Status();
  }

  // Of all ranges; the index no longer grows.
  void MakePieces(Vector<Piece> parts) {
    for (size_t i = 0; i < pack_.texts.size(); ++i) {
      Piece& piece = pieces_.emplace_back();
      piece.range = &index_.texts()[i].bytes;
      piece.text = pack_.texts[i].bytes.data();
    }
    size_t next = 0;
    for (PackedTensor& tensor : index_.tensors()) {
      if (tensor.bytes.offset == 0) continue;
      Piece& piece = pieces_.emplace_back();
      piece.range = &tensor.bytes;
      piece.sources[0] = {plain_[next++], 0, tensor.bytes.size};
      piece.source_count = 1;
      piece.input_size = tensor.bytes.size;
    }
    next = 0;
    for (Piece& part : parts) {
      part.range = &index_.parts()[next++];
      pieces_.push_back(std::move(part));
    }
    for (const Piece& piece : pieces_) total_ += piece.range->size;
  }

  // How many pieces from `first` on are worked on at once, and in what memory.
  size_t BatchFrom(size_t first, uint64_t* bytes) const {
    size_t end = first;
    *bytes = 0;
    while (end < pieces_.size()) {
      const uint64_t more = pieces_[end].buffer_size();
      if (end > first && *bytes + more > kBatchBytes) break;
      *bytes += more;
      ++end;
    }
    return end - first;
  }

  Status WritePieces(FileWriter* writer) {
    uint64_t most = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < pieces_.size();) {
      i += BatchFrom(i, &bytes);
      most = std::max(most, bytes);
    }
    const Block buffer(memory_, static_cast<size_t>(most), kBufferAlignment);
    writer_ = writer;
    BALEEN_RETURN_IF_ERROR(Report());
    for (size_t i = 0; i < pieces_.size();) {
      const size_t count = BatchFrom(i, &bytes);
      auto* place = static_cast<unsigned char*>(buffer.data());
      for (size_t j = i; j < i + count; ++j) {
        pieces_[j].buffer = place;
        place += pieces_[j].buffer_size();
      }
      BALEEN_RETURN_IF_ERROR(WriteBatch(i, count));
      i += count;
      BALEEN_RETURN_IF_ERROR(Report());
    }
    return Status();
  }

  Status WriteBatch(size_t first, size_t count) {
    first_ = first;
    const auto task = [](void* self, uint32_t i) {
      auto& packer = *static_cast<Packer*>(self);
      Piece& piece = packer.pieces_[packer.first_ + i];
      piece.status = packer.WritePiece(&piece);
    };
    pack_.workers->run(pack_.workers->user_data, static_cast<uint32_t>(count),
                       task, this);
    for (size_t i = first; i < first + count; ++i) {
      BALEEN_RETURN_IF_ERROR(pieces_[i].status);
      done_ += pieces_[i].range->size;
    }
    return Status();
  }

  // On a thread of the workers, so nothing here allocates.
  Status WritePiece(Piece* piece) const {
    const void* bytes = piece->text;
    if (bytes == nullptr) {
      BALEEN_RETURN_IF_ERROR(ReadPiece(piece));
      bytes = piece->buffer;
      if (piece->count > 0) {
        unsigned char* out = piece->buffer + BufferBytes(piece->input_size);
        BALEEN_RETURN_IF_ERROR(PackPiece(*piece, out));
        bytes = out;
      }
    }
    PackedRange& range = *piece->range;
    range.checksum = ChecksumOf(bytes, static_cast<size_t>(range.size));
    return writer_->WriteAt(range.offset, bytes,
                            static_cast<size_t>(range.size));
  }

  Status ReadPiece(Piece* piece) const {
    unsigned char* place = piece->buffer;
    size_t next = 0;
    const auto read = [&]() -> Status {
      const Source& source = piece->sources[next++];
      const Status status =
          model_.checkpoint().Read(*source.tensor, source.offset, place,
                                   static_cast<size_t>(source.size));
      place += BufferBytes(source.size);
      return status;
    };
    if (piece->count == 0) return read();
    for (size_t i = 0; i < piece->count; ++i) {
      Tensor& tensor = piece->tensors[i];
      tensor.data = place;
      BALEEN_RETURN_IF_ERROR(read());
      if (tensor.scales == nullptr) continue;
      tensor.scales = place;
      BALEEN_RETURN_IF_ERROR(read());
    }
    return Status();
  }

  Status PackPiece(const Piece& piece, void* out) const {
    baleen_weight_source source = {};
    source.struct_size = sizeof source;
    source.kind = piece.kind;
    source.tensors = piece.tensors;
    source.tensor_count = static_cast<uint32_t>(piece.count);
    const uint32_t count = piece.kind == BALEEN_WEIGHT_EXPERTS
                               ? 1
                               : static_cast<uint32_t>(piece.count);
    const baleen_status status =
        machine()
            .table(piece.side)
            .weight_pack(machine().device(piece.side).handle, &source, 0, count,
                         out);
    return machine().StatusOf(piece.side, status,
                              "a weight could not be packed");
  }

  Status Report() const {
    if (pack_.progress == nullptr ||
        pack_.progress(pack_.progress_user_data, done_, total_) == 0) {
      return Status();
    }
    return Status::Error(BALEEN_CANCELLED,
                         "the progress callback cancelled the packing");
  }

  const V4Model& model_;
  const PackRequest& pack_;
  Memory* memory_;
  PackedIndex index_;
  Vector<const StoredTensor*> by_address_;
  Vector<const StoredTensor*> plain_{memory_};
  Vector<Piece> pieces_;
  FileWriter* writer_ = nullptr;
  size_t first_ = 0;  // Of the batch.
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

Status PackCheckpoint(ModelRequest request, const PackRequest& pack) {
  Memory* memory = request.memory;
  const std::string_view name = request.name;
  request.repack = false;
  BALEEN_ASSIGN_OR_RETURN(const Ref<Model> model,
                          V4Model::Create(std::move(request)));
  Packer packer(static_cast<const V4Model&>(*model), pack, memory);
  return packer.Run(name);
}

}  // namespace baleen::deepseek_v4
