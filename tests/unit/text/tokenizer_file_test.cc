// Files that are not, or not quite, the tokenizer's: each must give a message
// or a tokenizer that works.
#include <gtest/gtest.h>

#include <random>

#include "unit/failing_memory.h"
#include "unit/text/tokenizer_test_data.h"

namespace baleen {
namespace {

using nlohmann::json;

Status ParseStatus(const std::string& text) {
  HostMemory memory(nullptr);
  return Tokenizer::Parse(text, "my/tokenizer.json", &memory).status();
}

struct Spoiled {
  const char* message;
  baleen_status code;
  void (*spoil)(json* file);
};

const Spoiled kSpoiled[] = {
    {"not a JSON object", BALEEN_CORRUPT,
     [](json* f) {
       *f = {1, 2};
     }},
    {"\"model\"", BALEEN_CORRUPT, [](json* f) { f->erase("model"); }},
    {"\"model.type\"", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"].erase("type"); }},
    {"type WordPiece, not BPE", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["type"] = "WordPiece"; }},
    {"\"dropout\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["dropout"] = 0.1; }},
    {"\"unk_token\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["unk_token"] = "!"; }},
    {"\"continuing_subword_prefix\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["continuing_subword_prefix"] = "##"; }},
    {"\"end_of_word_suffix\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["end_of_word_suffix"] = "</w>"; }},
    {"\"byte_fallback\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["byte_fallback"] = true; }},
    {"\"ignore_merges\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["ignore_merges"] = true; }},
    {"normalizes text", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["normalizer"] = {{"type", "NFC"}};
     }},
    {"normalizes text", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["normalizer"]["normalizers"].push_back({{"type", "NFC"}});
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) { f->erase("pre_tokenizer"); }},
    {"(step 0)", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\p{N}";
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["pre_tokenizer"]["pretokenizers"][1]["behavior"] = "Removed";
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["pre_tokenizer"]["pretokenizers"][2]["invert"] = true;
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["pre_tokenizer"]["pretokenizers"][3]["use_regex"] = true;
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["pre_tokenizer"]["pretokenizers"][3]["add_prefix_space"] = true;
     }},
    {"another \"pre_tokenizer\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["pre_tokenizer"]["pretokenizers"].erase(3); }},
    {"\"post_processor\"", BALEEN_UNSUPPORTED,
     [](json* f) {
       (*f)["post_processor"] = {{"type", "TemplateProcessing"}};
     }},
    {"\"decoder\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["decoder"]["type"] = "Metaspace"; }},
    {"\"decoder\"", BALEEN_CORRUPT, [](json* f) { f->erase("decoder"); }},
    {"\"model.vocab\"", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"].erase("vocab"); }},
    {"\"model.vocab\"", BALEEN_CORRUPT,
     [](json* f) {
       (*f)["model"]["vocab"] = {"a", "b"};
     }},
    {"token \"!\" an id", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"]["!"] = 1 << 24; }},
    {"token \"!\" an id", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"]["!"] = -3; }},
    {"token \"!\" an id", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"]["!"] = 3.5; }},
    {"token \"!\" an id", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"]["!"] = "3"; }},
    {"two tokens the id 4", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"]["!"] = 4; }},
    {"an empty token", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"][""] = 9999; }},
    {"token of 70000 bytes", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["vocab"][std::string(70000, 'a')] = 9999; }},
    {"not of bytes", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["vocab"]["a b"] = 9999; }},
    {"not of bytes", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["model"]["vocab"]["中"] = 9999; }},
    {"no token for byte 33", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["vocab"].erase("!"); }},
    {"\"model.merges\"", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"].erase("merges"); }},
    {"merge 1 is not a pair", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["merges"][1] = "he"; }},
    {"merge 1 is not a pair", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["merges"][1] = " h"; }},
    {"merge 1 is not a pair", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["merges"][1] = 7; }},
    {"merge 1 is not a pair", BALEEN_CORRUPT,
     [](json* f) {
       (*f)["model"]["merges"][1] = {"h", "e", "r"};
     }},
    {"merge 1 is not a pair", BALEEN_CORRUPT,
     [](json* f) {
       (*f)["model"]["merges"][1] = {"h", 1};
     }},
    {"merge 1 names an unknown token", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["merges"][1] = "h e e"; }},
    {"merge 1 names an unknown token", BALEEN_CORRUPT,
     [](json* f) { (*f)["model"]["merges"][1] = "q #"; }},
    {"merge 1 names an unknown token", BALEEN_CORRUPT,
     [](json* f) {
       (*f)["model"]["merges"][1] = {"中", "e"};
     }},
    {"\"added_tokens\"", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"] = "none"; }},
    {"\"added_tokens[].content\"", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"][3].erase("content"); }},
    {"an id that is not below", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"][3].erase("id"); }},
    {"an empty token", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"][3]["content"] = ""; }},
    {"two tokens the id 3", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"][3]["id"] = 3; }},
    {"two tokens the id 1996", BALEEN_CORRUPT,
     [](json* f) { (*f)["added_tokens"][3]["id"] = 1996; }},
    {"twice", BALEEN_CORRUPT,
     [](json* f) {
       (*f)["added_tokens"][3]["content"] = (*f)["added_tokens"][4]["content"];
     }},
    {"\"lstrip\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["added_tokens"][3]["lstrip"] = true; }},
    {"\"single_word\"", BALEEN_UNSUPPORTED,
     [](json* f) { (*f)["added_tokens"][3]["single_word"] = true; }},
};

TEST(TokenizerFileTest, SaysWhatItCannotUse) {
  const json good = json::parse(PocketTokenizerText());
  for (const Spoiled& c : kSpoiled) {
    json file = good;
    c.spoil(&file);
    const Status status = ParseStatus(file.dump());
    const std::string message = status.message();
    EXPECT_EQ(status.code(), c.code) << c.message << ": " << message;
    EXPECT_NE(message.find(c.message), std::string::npos) << message;
    EXPECT_EQ(message.rfind("my/tokenizer.json", 0), 0u) << message;
  }
}

TEST(TokenizerFileTest, SaysWhichTokenStandsTwice) {
  std::string text = PocketTokenizerText();
  const std::string before = "\"vocab\": {";
  text.insert(text.find(before) + before.size(), "\"he\": 9999,");
  const Status status = ParseStatus(text);
  EXPECT_EQ(status.code(), BALEEN_CORRUPT);
  EXPECT_STREQ(status.message(), "my/tokenizer.json has token \"he\" twice");
}

TEST(TokenizerFileTest, BothWaysOfWritingMergesAreTheSame) {
  json file = json::parse(PocketTokenizerText());
  for (json& merge : file["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  HostMemory memory(nullptr);
  const auto strings =
      Tokenizer::Parse(PocketTokenizerText(), "strings", &memory);
  const auto arrays = Tokenizer::Parse(file.dump(), "arrays", &memory);
  ASSERT_TRUE(strings.ok() && arrays.ok());
  const std::string text =
      ReadTestFile(BALEEN_TEST_DATA "/pocket/heldout.txt").substr(0, 20000);
  EXPECT_EQ(EncodeText(*strings, text), EncodeText(*arrays, text));
}

// A tokenizer from a damaged file may give other tokens, but it must work.
void ExpectUsableOrRefused(const std::string& text, int* usable) {
  FailingMemory memory;
  {
    const auto tokenizer = Tokenizer::Parse(text, "tokenizer.json", &memory);
    if (!tokenizer.ok()) {
      EXPECT_NE(tokenizer.status().message()[0], '\0');
    } else {
      ++*usable;
      const std::string sample =
          "The whale, 1851: <｜User｜>\xFF \n\n 中文 <think>"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "a";
      for (const bool special : {false, true}) {
        const auto tokens = EncodeText(*tokenizer, sample, special);
        for (const baleen_token token : tokens) {
          EXPECT_TRUE(tokenizer->IsKnown(token));
        }
        EXPECT_EQ(DecodeTokens(*tokenizer, tokens), sample);
      }
    }
  }
  EXPECT_EQ(memory.outstanding(), 0);
}

TEST(TokenizerFileTest, CutOffAnywhere) {
  const std::string text = PocketTokenizerText();
  int usable = 0;
  for (size_t size = 0; size < text.size(); size += 1 + size / 32) {
    ExpectUsableOrRefused(text.substr(0, size), &usable);
  }
  for (size_t size = text.size() - 40; size < text.size(); ++size) {
    ExpectUsableOrRefused(text.substr(0, size), &usable);
  }
  // Only the line's end can be missing.
  EXPECT_LE(usable, 1);
}

TEST(TokenizerFileTest, BitsFlipped) {
  const std::string text = PocketTokenizerText();
  std::mt19937 random(4);
  int usable = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string damaged = text;
    for (int flips = 1 + i % 3; flips > 0; --flips) {
      damaged[random() % text.size()] ^= static_cast<char>(1 << random() % 8);
    }
    ExpectUsableOrRefused(damaged, &usable);
  }
  EXPECT_GT(usable, 0);  // In the white space, for one.
}

// Valid JSON with values gone, doubled, or changed for others of the file.
TEST(TokenizerFileTest, ValuesMixedUp) {
  const json good = json::parse(PocketTokenizerText());
  const json flat = good.flatten();
  std::vector<json::json_pointer> places;
  for (const auto& [place, value] : flat.items()) {
    json::json_pointer pointer(place);
    // Of the many, some; and each one's parents.
    if (place.rfind("/model/vocab", 0) == 0 && places.size() % 40 != 0) {
      pointer = json::json_pointer("/model/vocab");
    }
    for (; !pointer.empty(); pointer = pointer.parent_pointer()) {
      places.push_back(pointer);
    }
  }
  std::mt19937 random(6);
  int usable = 0;
  for (int i = 0; i < 300; ++i) {
    json file = good;
    const json::json_pointer& to = places[random() % places.size()];
    const json::json_pointer& from = places[random() % places.size()];
    switch (i % 3) {
      case 0:
        file[to] = good[from];
        break;
      case 1:
        file[to] = nullptr;
        break;
      default:
        file[to].clear();
        break;
    }
    ExpectUsableOrRefused(file.dump(), &usable);
  }
  // Some values, such as flags of added tokens, may be anything.
  EXPECT_GT(usable, 0);
  EXPECT_LT(usable, 300);
}

TEST(TokenizerFileTest, OutOfMemoryAnywhere) {
  const std::string text = PocketTokenizerText();
  const std::string sample =
      ReadTestFile(BALEEN_TEST_DATA "/pocket/heldout.txt").substr(0, 500) +
      std::string(1000, 'a');
  const auto run = [&](FailingMemory* memory) {
    const auto tokenizer = Tokenizer::Parse(text, "tokenizer.json", memory);
    EXPECT_TRUE(tokenizer.ok());
    Vector<baleen_token> tokens(memory);
    const TextPart parts[] = {{sample, false}, {"<｜User｜>", true}};
    for (bool done = false; !done;) {
      try {
        tokens.clear();
        tokenizer->Encode(parts, &tokens);
        done = true;
      } catch (const std::bad_alloc&) {
        // Once; the tokenizer still works.
      }
    }
    return DecodeTokens(*tokenizer, tokens);
  };
  int64_t failures = 0;
  for (int64_t k = 1;; ++k) {
    FailingMemory memory(k);
    try {
      EXPECT_EQ(run(&memory), sample + "<｜User｜>");
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    ASSERT_EQ(memory.outstanding(), 0) << k;
    if (memory.allocations() < k) break;
  }
  EXPECT_GT(failures, 5);
}

}  // namespace
}  // namespace baleen
