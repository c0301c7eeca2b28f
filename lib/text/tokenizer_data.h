// What a Tokenizer keeps: vocabulary, merges, and the names of added tokens.
#pragma once

#include <string_view>

#include "base/memory.h"
#include "base/status.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/vocabulary.h"

namespace baleen {

class TokenizerData {
 public:
  explicit TokenizerData(Memory* data_memory)
      : memory(data_memory),
        vocabulary(data_memory),
        bpe(data_memory),
        added(data_memory) {}
  TokenizerData(const TokenizerData&) = delete;
  TokenizerData& operator=(const TokenizerData&) = delete;

  Memory* const memory;
  Vocabulary vocabulary;
  Bpe bpe;
  AddedTokens added;
};

// Fills `data`, which must be new, from a tokenizer.json (tokenizer_file.cc).
// Whatever would change ids and is not known here is BALEEN_UNSUPPORTED.
Status ReadTokenizerFile(std::string_view json, const char* name,
                         TokenizerData* data);

}  // namespace baleen
