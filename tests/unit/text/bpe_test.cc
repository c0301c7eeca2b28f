// Merging against its definition, written plainly in tokenizer_test_data.h: on
// every token of the official vocabulary, and on random small vocabularies,
// some of which no training would make.
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "text/tokenizer_data.h"
#include "unit/text/tokenizer_test_data.h"

namespace baleen {
namespace {

using Tokens = std::vector<baleen_token>;

Tokens Encode(const Bpe& bpe, std::string_view piece, Memory* memory) {
  Vector<baleen_token> tokens;
  bpe.Encode(piece, memory, &tokens);
  return {tokens.begin(), tokens.end()};
}

// The official tokenizer's merges, ours and plain.
struct Official {
  Official() : data(&memory) {
    const Status status =
        ReadTokenizerFile(OfficialTokenizerText(), "tokenizer.json", &data);
    EXPECT_TRUE(status.ok()) << status.message();
    const auto file = nlohmann::json::parse(OfficialTokenizerText());
    const nlohmann::json& vocabulary = file["model"]["vocab"];
    for (const nlohmann::json& merge : file["model"]["merges"]) {
      const auto text = merge.get<std::string>();
      const size_t space = text.find(' ');
      const std::string left = text.substr(0, space);
      const std::string right = text.substr(space + 1);
      plain.AddMerge(vocabulary[left], vocabulary[right],
                     vocabulary[left + right]);
    }
  }

  Tokens Plain(std::string_view piece) const {
    Tokens bytes;
    for (const char& byte : piece) {
      bytes.push_back(data.vocabulary.Find(std::string_view(&byte, 1)));
    }
    return plain.Merge(std::move(bytes));
  }

  HostMemory memory{nullptr};
  TokenizerData data;
  PlainBpe plain;
};

class OfficialBpeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { official_ = new Official; }
  static void TearDownTestSuite() { delete official_; }
  static Official* official_;
};

Official* OfficialBpeTest::official_ = nullptr;

TEST_F(OfficialBpeTest, EveryTokensBytes) {
  const Vocabulary& vocabulary = official_->data.vocabulary;
  int count = 0;
  for (baleen_token id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.Has(id, Vocabulary::kIndexed)) continue;
    ++count;
    const std::string_view bytes = vocabulary.bytes(id);
    const Tokens expected = official_->Plain(bytes);
    ASSERT_EQ(Encode(official_->data.bpe, bytes, &official_->memory), expected)
        << id;
    // These merges are trained, so the mark must be exact.
    ASSERT_EQ(vocabulary.Has(id, Vocabulary::kWhole), expected == Tokens{id})
        << id;
  }
  EXPECT_EQ(count, 127997);  // Those of the model but its three names.
}

// Around 64 bytes, where the way of merging changes.
TEST_F(OfficialBpeTest, ShortAndLongPieces) {
  const std::string text = ReadTestFile(BALEEN_TEST_DATA "/pocket/heldout.txt");
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    const size_t size = 56 + random() % 16;
    const std::string_view piece =
        std::string_view(text).substr(random() % (text.size() - size), size);
    ASSERT_EQ(Encode(official_->data.bpe, piece, &official_->memory),
              official_->Plain(piece))
        << piece;
  }
}

// A vocabulary over three letters.
class RandomVocabulary {
 public:
  RandomVocabulary(std::mt19937* random, bool trained)
      : vocabulary_(&memory_), bpe_(&memory_) {
    constexpr size_t kMost = 60;
    vocabulary_.Reserve(256 + kMost, 0);
    for (int byte = 0; byte < 256; ++byte) {
      Add(std::string(1, static_cast<char>(byte)));
      bpe_.SetByte(static_cast<unsigned char>(byte), byte);
    }
    Tokens letters = {'a', 'b', 'c'};
    std::vector<std::pair<baleen_token, baleen_token>> pairs;
    const size_t count = 1 + (*random)() % kMost;
    while (pairs.size() < count) {
      const baleen_token left = letters[(*random)() % letters.size()];
      const baleen_token right = letters[(*random)() % letters.size()];
      const std::string text = texts_[At(left)] + texts_[At(right)];
      if (Find(text) >= 0 && (trained || (*random)() % 2 == 0)) {
        // Another pair for the same token, or the same pair again: only a file
        // made by hand has that.
        if (trained) {
          if (letters.size() > 3 && text.size() > 40) break;
          continue;
        }
      } else if (Find(text) < 0) {
        letters.push_back(Add(text));
      }
      pairs.emplace_back(left, right);
    }
    if (!trained) std::shuffle(pairs.begin(), pairs.end(), *random);
    bpe_.Reserve(pairs.size());
    for (const auto& [left, right] : pairs) {
      const baleen_token merged = Find(texts_[At(left)] + texts_[At(right)]);
      bpe_.AddMerge(left, right, merged);
      plain_.AddMerge(left, right, merged);
    }
    bpe_.MarkWhole(&vocabulary_, &memory_);
  }

  void Check(const std::string& text) {
    EXPECT_EQ(Encode(bpe_, text, &memory_), Plain(text)) << text;
  }

  // How many tokens of more than a byte are known to be whole.
  int CheckMarks(bool trained) {
    int marked = 0;
    for (baleen_token id = 0; id < vocabulary_.size(); ++id) {
      const bool whole = Plain(texts_[At(id)]) == Tokens{id};
      const bool is_marked = vocabulary_.Has(id, Vocabulary::kWhole);
      EXPECT_TRUE(whole || !is_marked) << texts_[At(id)];
      EXPECT_TRUE(is_marked || !whole || !trained) << texts_[At(id)];
      if (is_marked && id >= 256) ++marked;
    }
    return marked;
  }

 private:
  static size_t At(baleen_token id) { return static_cast<size_t>(id); }
  baleen_token Find(const std::string& text) const {
    return vocabulary_.Find(text);
  }
  baleen_token Add(const std::string& text) {
    const baleen_token id = vocabulary_.size();
    vocabulary_.Add(id, text);
    EXPECT_TRUE(vocabulary_.Index(id));
    texts_.push_back(text);
    return id;
  }
  Tokens Plain(const std::string& text) const {
    Tokens bytes;
    for (const char byte : text) {
      bytes.push_back(static_cast<unsigned char>(byte));
    }
    return plain_.Merge(std::move(bytes));
  }

  HostMemory memory_{nullptr};
  Vocabulary vocabulary_;
  Bpe bpe_;
  PlainBpe plain_;
  std::vector<std::string> texts_;
};

TEST(BpeTest, RandomVocabularies) {
  std::mt19937 random(3);
  int marked[2] = {0, 0};
  for (int i = 0; i < 600; ++i) {
    const bool trained = i % 2 == 0;
    RandomVocabulary vocabulary(&random, trained);
    marked[trained] += vocabulary.CheckMarks(trained);
    for (int j = 0; j < 20; ++j) {
      std::string text(1 + random() % (j < 15 ? 40 : 200), 'a');
      // Runs of one letter are where ties are.
      const size_t variety = 1 + random() % 3;
      for (char& c : text) c = static_cast<char>('a' + random() % variety);
      vocabulary.Check(text);
    }
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(marked[true], 1000);
}

}  // namespace
}  // namespace baleen
