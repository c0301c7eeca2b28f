// Random programs of sessions that append, truncate, fork, save, load, step with
// and without guesses, alone and together, are cancelled, evicted and share what
// they have, each held to a session of another context that is given the same
// tokens and nothing else: the same bits.
//
// BALEEN_PROPERTY_ROUNDS=N runs N programs of each kind instead of one.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>

#include "pocket.h"

namespace baleen_test {
namespace {

constexpr size_t kSessions = 4;
constexpr size_t kMostTokens = 700;
constexpr int kOperations = 70;

struct Kind {
  const char* model;
  baleen_mode mode;
  bool limited;
};

class Programs : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    states_ = (folder_ / "states").string();
    std::filesystem::create_directory(states_);
    plain_context_ = MakeContext();
    plain_ = Load(plain_context_.get());
    baleen_context_options options = {};
    options.struct_size = sizeof options;
    options.thread_count = 2;
    options.state_path = states_.c_str();
    if (GetParam().limited) options.state_memory_limit = BytesOfSessions();
    baleen_context* context = nullptr;
    EXPECT_OK(baleen_context_create(&options, &context, &last_error));
    context_.reset(context);
    model_ = Load(context);
  }
  void TearDown() override {
    for (One& one : sessions_) one = {};
    std::filesystem::remove_all(folder_);
  }

  struct One {
    Session session;
    Tokens tokens;
    std::string log;
  };

  static Model Load(baleen_context* context) {
    baleen_model* model = nullptr;
    const std::string path =
        std::string(BALEEN_TEST_DATA "/") + GetParam().model;
    EXPECT_OK(
        baleen_model_load(context, path.c_str(), nullptr, &model, &last_error));
    return Model(model);
  }

  uint64_t BytesOfSessions() {
    baleen_session_options largest = PlainOptions();
    largest.window = BALEEN_WINDOW_FULL;
    const Session session = MakeSession(plain_.get(), largest);
    Append(session, Tokens(kMostTokens, 1));
    baleen_session_stats stats = {};
    stats.struct_size = sizeof stats;
    EXPECT_OK(baleen_session_get_stats(session.get(), &stats, &last_error));
    return 5 * stats.state_bytes / 2;
  }

  baleen_session_options PlainOptions() {
    baleen_session_options options = SessionOptions(GetParam().mode);
    options.flags = BALEEN_SESSION_PRIVATE;
    options.window = BALEEN_WINDOW_NONE;
    options.draft = BALEEN_DRAFT_OFF;
    return options;
  }

  size_t Random(size_t count) { return random_() % count; }

  // The same few texts again and again, sometimes with an end of its own.
  Tokens RandomTokens(size_t count) {
    const size_t text = Random(2);
    const size_t differs = Random(3) == 0 ? Random(count + 1) : count;
    Tokens tokens;
    for (size_t i = 0; i < count; ++i) {
      const size_t odd = i < differs ? 0 : 17 + Random(3);
      tokens.push_back(
          static_cast<baleen_token>((i * (text + 3) + i / 7 + odd) % 500));
    }
    return tokens;
  }

  // Of a session that does nothing else.
  const std::vector<float>& Fresh(const Tokens& tokens) {
    std::vector<float>& logits = fresh_[tokens];
    if (logits.empty()) {
      const Session session = MakeSession(plain_.get(), PlainOptions());
      Append(session, tokens);
      logits = Logits(session);
    }
    return logits;
  }

  void Check(const One& one, const char* what) {
    ASSERT_EQ(TokensOf(one.session), one.tokens) << what;
    if (one.tokens.empty()) return;
    const std::vector<float>& wanted = Fresh(one.tokens);
    const std::vector<float> logits = Logits(one.session);
    ASSERT_EQ(logits.size(), wanted.size());
    ASSERT_EQ(std::memcmp(logits.data(), wanted.data(),
                          logits.size() * sizeof(float)),
              0)
        << what << " of " << one.tokens.size() << " tokens, seed " << seed_;
  }

  void MakeNew(One* one) {
    *one = {};
    baleen_session_options options = SessionOptions(GetParam().mode);
    options.window = static_cast<baleen_window>(Random(4));
    if (options.window == BALEEN_WINDOW_PERIODIC) options.window_period = 256;
    if (Random(6) == 0) options.flags |= BALEEN_SESSION_PRIVATE;
    options.draft = static_cast<baleen_draft>(Random(4));
    if (Random(3) == 0) {
      one->log = (folder_ / ("log" + std::to_string(++names_))).string();
      options.log_path = one->log.c_str();
    }
    one->session = MakeSession(model_.get(), options);
  }

  // Some that may follow those of a session.
  Tokens MoreTokens(const One& one) {
    const size_t room = kMostTokens - one.tokens.size();
    const size_t count = std::min(room, 1 + Random(Random(3) == 0 ? 400 : 40));
    const Tokens all = RandomTokens(kMostTokens);
    const auto first = all.begin() + static_cast<ptrdiff_t>(one.tokens.size());
    return Tokens(first, first + static_cast<ptrdiff_t>(count));
  }

  void AppendSome(One* one) {
    const Tokens more = MoreTokens(*one);
    Append(one->session, more);
    one->tokens.insert(one->tokens.end(), more.begin(), more.end());
  }

  void SetSome(One* one) {
    const Tokens wanted = RandomTokens(1 + Random(kMostTokens));
    size_t reused = 0;
    EXPECT_OK(baleen_session_set_tokens(one->session.get(), wanted.data(),
                                        wanted.size(), &reused, &last_error));
    EXPECT_LE(reused, wanted.size());
    reused_ += reused;
    one->tokens = wanted;
  }

  void StepSome(One* one) {
    if (one->tokens.empty() || one->tokens.size() + 8 > kMostTokens) return;
    TakeChosen(one, GenerateAhead(one->session, 1 + Random(7)));
  }

  // What was chosen is what a session that does nothing else chooses.
  void TakeChosen(One* one, const Tokens& chosen) {
    if (chosen.empty()) return;
    const Session session = MakeSession(plain_.get(), PlainOptions());
    Append(session, one->tokens);
    ASSERT_EQ(chosen, Generate(session, chosen.size()));
    one->tokens.insert(one->tokens.end(), chosen.begin(), chosen.end());
  }

  // Two sessions read some and choose a few tokens, call by call.
  void StepTogether(One* a, One* b) {
    One* const ones[2] = {a, b};
    Tokens inputs[2];
    Tokens chosen[2];
    size_t wanted[2] = {0, 0};
    for (size_t i = 0; i < 2; ++i) {
      if (Random(3) > 0) inputs[i] = MoreTokens(*ones[i]);
      const size_t size = ones[i]->tokens.size() + inputs[i].size();
      if (size > 0 && size + 8 <= kMostTokens) wanted[i] = Random(4);
    }
    const baleen_sampling greedy = Greedy();
    for (int calls = 0; calls < 1000; ++calls) {
      baleen_step steps[2] = {};
      baleen_token tokens[2] = {-1, -1};
      for (size_t i = 0; i < 2; ++i) {
        steps[i].session = ones[i]->session.get();
        steps[i].input = inputs[i].data();
        steps[i].input_count = inputs[i].size();
        steps[i].sampling = &greedy;
        steps[i].tokens = &tokens[i];
        steps[i].capacity = chosen[i].size() < wanted[i] ? 1 : 0;
      }
      EXPECT_OK(baleen_session_step_many(steps, 2, &last_error));
      for (size_t i = 0; i < 2; ++i) {
        ASSERT_EQ(steps[i].status, BALEEN_OK);
        const auto end =
            inputs[i].begin() + static_cast<ptrdiff_t>(steps[i].input_done);
        ones[i]->tokens.insert(ones[i]->tokens.end(), inputs[i].begin(), end);
        inputs[i].erase(inputs[i].begin(), end);
        if (steps[i].count > 0) chosen[i].push_back(tokens[i]);
      }
      if (inputs[0].empty() && inputs[1].empty() &&
          chosen[0].size() == wanted[0] && chosen[1].size() == wanted[1]) {
        break;
      }
    }
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(chosen[i].size(), wanted[i]);
      TakeChosen(ones[i], chosen[i]);
    }
  }

  void Fork(const One& from, One* to) {
    baleen_session* fork = nullptr;
    EXPECT_OK(baleen_session_fork(from.session.get(), &fork, &last_error));
    *to = {Session(fork), from.tokens, ""};
  }

  void SaveAndLoad(const One& from, One* to) {
    baleen_save_options options = {};
    options.struct_size = sizeof options;
    options.window = static_cast<baleen_window>(Random(4));
    if (Random(2) == 0) {
      size_t size = 0;
      baleen_session_save(from.session.get(), &options, nullptr, 0, &size,
                          nullptr);
      std::vector<char> bytes(size);
      EXPECT_OK(baleen_session_save(from.session.get(), &options, bytes.data(),
                                    size, &size, &last_error));
      EXPECT_OK(baleen_session_load(to->session.get(), bytes.data(), size,
                                    &last_error));
    } else {
      // Some stay in the folder, where others find them.
      const std::string path =
          states_ + "/saved" + std::to_string(Random(3)) + ".state";
      EXPECT_OK(baleen_session_save_file(from.session.get(), &options,
                                         path.c_str(), &last_error));
      EXPECT_OK(baleen_session_load_file(to->session.get(), path.c_str(),
                                         &last_error));
    }
    to->tokens = from.tokens;
  }

  // A session that is not released but lost: what it logged is what it was.
  void ResumeFromLog(One* one) {
    if (one->log.empty()) return;
    const std::string copy = one->log + ".copy";
    std::filesystem::copy_file(
        one->log, copy, std::filesystem::copy_options::overwrite_existing);
    baleen_session_options options = SessionOptions(GetParam().mode, 99);
    options.flags = BALEEN_SESSION_RESUME;
    options.log_path = copy.c_str();
    one->session = MakeSession(model_.get(), options);
    one->log = copy;
  }

  // A session whose second report of progress cancels.
  void Cancel(One* one) {
    *one = {};
    baleen_session_options options = SessionOptions(GetParam().mode);
    options.prefill_chunk = 50;
    int calls = 0;
    options.progress_user_data = &calls;
    options.progress = [](void* data, uint64_t, uint64_t) {
      return ++*static_cast<int*>(data) == 2 ? 1 : 0;
    };
    one->session = MakeSession(model_.get(), options);
    const Tokens wanted = RandomTokens(300);
    const baleen_status status = baleen_session_append(
        one->session.get(), wanted.data(), wanted.size(), &last_error);
    EXPECT_TRUE(status == BALEEN_OK || status == BALEEN_CANCELLED)
        << last_error.message;
    one->tokens = TokensOf(one->session);
    EXPECT_TRUE(
        std::equal(one->tokens.begin(), one->tokens.end(), wanted.begin()));
    // Its callback's number goes out of scope.
    Check(*one, "cancelled");
    One quiet;
    Fork(*one, &quiet);
    *one = std::move(quiet);
  }

  void Operate() {
    One& one = sessions_[Random(kSessions)];
    One& other = sessions_[Random(kSessions)];
    switch (Random(14)) {
      case 0:
      case 1:
        return AppendSome(&one);
      case 2:
      case 3:
        return SetSome(&one);
      case 4:
        return StepSome(&one);
      case 5:
        if (&one != &other) Fork(one, &other);
        return;
      case 6:
      case 7:
        return SaveAndLoad(one, &other);
      case 8: {
        const size_t keep = Random(one.tokens.size() + 1);
        EXPECT_OK(
            baleen_session_truncate(one.session.get(), keep, &last_error));
        one.tokens.resize(keep);
        return;
      }
      case 9:
        EXPECT_OK(baleen_session_evict(one.session.get(), &last_error));
        return;
      case 10:
        return Random(2) == 0 ? MakeNew(&one) : Cancel(&one);
      case 11:
      case 12:
        if (&one != &other) StepTogether(&one, &other);
        return;
      default:
        return ResumeFromLog(&one);
    }
  }

  void Run(uint32_t seed) {
    seed_ = seed;
    random_.seed(seed);
    for (One& one : sessions_) MakeNew(&one);
    for (int i = 0; i < kOperations && !HasFailure(); ++i) {
      Operate();
      if (i % 3 == 0) Check(sessions_[Random(kSessions)], "some session");
    }
    for (const One& one : sessions_) Check(one, "at the end");
    EXPECT_GT(reused_, 0u);
  }

  std::filesystem::path folder_;
  std::string states_;
  Context plain_context_;
  Model plain_;
  Context context_;
  Model model_;
  One sessions_[kSessions];
  std::map<Tokens, std::vector<float>> fresh_;
  std::mt19937 random_;
  uint32_t seed_ = 0;
  int names_ = 0;
  size_t reused_ = 0;
};

TEST_P(Programs, ComputeTheSameBits) {
  const char* rounds = std::getenv("BALEEN_PROPERTY_ROUNDS");
  const int count = rounds == nullptr ? 1 : std::atoi(rounds);
  for (int i = 0; i < count && !HasFailure(); ++i) {
    Run(static_cast<uint32_t>(i + 1));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Programs,
    testing::Values(Kind{"tiny_v4", BALEEN_MODE_FAST, false},
                    Kind{"tiny_v4", BALEEN_MODE_FAST, true},
                    Kind{"tiny_v4", BALEEN_MODE_REFERENCE, true},
                    Kind{"pocket", BALEEN_MODE_FAST, true}),
    [](const testing::TestParamInfo<Kind>& kind) {
      return std::string(kind.param.model) +
             (kind.param.mode == BALEEN_MODE_FAST ? "Fast" : "Reference") +
             (kind.param.limited ? "Limited" : "");
    });

}  // namespace
}  // namespace baleen_test
