// Saved sessions: what is loaded goes on with the same bits, and bytes that were
// changed are refused while the session stays what it was.
#include <cstdio>
#include <cstring>

#include "pocket.h"

namespace baleen_test {
namespace {

std::vector<unsigned char> Save(const Session& session,
                                baleen_window window = BALEEN_WINDOW_DEFAULT) {
  baleen_save_options options = {};
  options.struct_size = sizeof options;
  options.window = window;
  size_t size = 0;
  EXPECT_EQ(baleen_session_save(session.get(), &options, nullptr, 0, &size,
                                &last_error),
            BALEEN_BUFFER_TOO_SMALL);
  std::vector<unsigned char> bytes(size);
  EXPECT_OK(baleen_session_save(session.get(), &options, bytes.data(), size,
                                &size, &last_error));
  EXPECT_EQ(size, bytes.size());
  return bytes;
}

baleen_status Load(const Session& session,
                   const std::vector<unsigned char>& bytes) {
  return baleen_session_load(session.get(), bytes.data(), bytes.size(),
                             &last_error);
}

class SavingTest : public testing::TestWithParam<baleen_mode> {};

INSTANTIATE_TEST_SUITE_P(Modes, SavingTest,
                         testing::Values(BALEEN_MODE_FAST,
                                         BALEEN_MODE_REFERENCE));

TEST_P(SavingTest, LoadedGoesOnWithTheSameBits) {
  for (const size_t count : {1u, 3u, 4u, 127u, 128u, 129u, 300u, 517u}) {
    const Session session = MakeSession(GetParam());
    Append(session, LongPrompt(count));
    const std::vector<float> logits = Logits(session);
    const std::vector<unsigned char> bytes = Save(session);
    const Session loaded = MakeSession(GetParam());
    Append(loaded, LongPrompt(20));
    EXPECT_OK(Load(loaded, bytes));
    EXPECT_EQ(TokensOf(loaded), TokensOf(session));
    EXPECT_EQ(Logits(loaded), logits);
    EXPECT_EQ(Generate(loaded, 12), Generate(session, 12));
    EXPECT_EQ(Logits(loaded), Logits(session)) << count << " tokens";
  }
}

TEST_P(SavingTest, LoadedCanBeTruncated) {
  const Session session = MakeSession(GetParam());
  Append(session, LongPrompt(400));
  const Session loaded = MakeSession(GetParam());
  EXPECT_OK(Load(loaded, Save(session)));
  for (const size_t keep : {399u, 380u, 200u}) {
    EXPECT_OK(baleen_session_truncate(loaded.get(), keep, &last_error));
    const Session fresh = MakeSession(GetParam());
    Append(fresh, LongPrompt(keep));
    EXPECT_EQ(Logits(loaded), Logits(fresh)) << "truncated to " << keep;
  }
}

TEST_P(SavingTest, SavingAfterAStepOrATruncationWorks) {
  const Session session = MakeSession(GetParam());
  Append(session, LongPrompt(200));
  Generate(session, 1);
  const Session stepped = MakeSession(GetParam());
  EXPECT_OK(Load(stepped, Save(session)));
  EXPECT_EQ(Logits(stepped), Logits(session));
  EXPECT_OK(baleen_session_truncate(session.get(), 50, &last_error));
  const Session cut = MakeSession(GetParam());
  EXPECT_OK(Load(cut, Save(session)));
  EXPECT_EQ(Logits(cut), Logits(session));
}

TEST(Saving, EmptySessionsToo) {
  const Session session = MakeSession();
  const Session loaded = MakeSession();
  Append(loaded, LongPrompt(5));
  EXPECT_OK(Load(loaded, Save(session)));
  EXPECT_TRUE(TokensOf(loaded).empty());
  Append(loaded, LongPrompt(5));
}

TEST(Saving, RandomNumbersGoOn) {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  const Session session = MakeSession(BALEEN_MODE_FAST, 5);
  Append(session, LongPrompt(30));
  const Session loaded = MakeSession(BALEEN_MODE_FAST, 6);
  EXPECT_OK(Load(loaded, Save(session)));
  EXPECT_EQ(Generate(loaded, 20, sampling), Generate(session, 20, sampling));
}

TEST(Saving, FilesHoldTheSame) {
  const std::string path = testing::TempDir() + "/baleen_saved_session";
  const Session session = MakeSession();
  Append(session, LongPrompt(140));
  EXPECT_OK(baleen_session_save_file(session.get(), nullptr, path.c_str(),
                                     &last_error));
  const Session loaded = MakeSession();
  EXPECT_OK(baleen_session_load_file(loaded.get(), path.c_str(), &last_error));
  EXPECT_EQ(Logits(loaded), Logits(session));
  std::remove(path.c_str());
  EXPECT_EQ(baleen_session_load_file(loaded.get(), path.c_str(), &last_error),
            BALEEN_NOT_FOUND);
  EXPECT_NE(std::strstr(last_error.message, path.c_str()), nullptr);
  EXPECT_EQ(baleen_session_save_file(session.get(), nullptr,
                                     "/nonexistent/folder/file", &last_error),
            BALEEN_IO);
  EXPECT_EQ(Logits(loaded), Logits(session));
}

TEST(Saving, ChangedBytesAreRefused) {
  const Session session = MakeSession();
  Append(session, LongPrompt(70));
  const std::vector<unsigned char> good = Save(session);
  const Session other = MakeSession();
  Append(other, LongPrompt(9));
  const std::vector<float> before = Logits(other);
  // Every byte of the header, then a sample of the rest, each bit in turn.
  for (size_t at = 0; at < good.size(); at += at < 128 ? 1 : good.size() / 97) {
    std::vector<unsigned char> bad = good;
    bad[at] = static_cast<unsigned char>(bad[at] ^ (1u << at % 8));
    const baleen_status status = Load(other, bad);
    EXPECT_TRUE(status == BALEEN_CORRUPT || status == BALEEN_UNSUPPORTED)
        << "byte " << at << ": " << status;
  }
  for (size_t size = 0; size < good.size();
       size += size < 200 ? 1 : good.size() / 53) {
    std::vector<unsigned char> bad(good.begin(),
                                   good.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(Load(other, bad), BALEEN_CORRUPT) << "cut to " << size;
  }
  EXPECT_EQ(Logits(other), before);
}

// 14 pages: more than are read at a time, however many threads there are.
TEST(Saving, ManyPagesAreReadAndEachIsChecked) {
  const std::string path = testing::TempDir() + "/baleen_many_pages";
  const Session session = MakeSession();
  Append(session, LongPrompt(3500));
  const std::vector<unsigned char> good = Save(session);
  EXPECT_OK(baleen_session_save_file(session.get(), nullptr, path.c_str(),
                                     &last_error));
  const Session from_file = MakeSession();
  EXPECT_OK(
      baleen_session_load_file(from_file.get(), path.c_str(), &last_error));
  std::remove(path.c_str());
  const Session loaded = MakeSession();
  EXPECT_OK(Load(loaded, good));
  // Without windows, of which the loaded have the last only.
  const std::vector<unsigned char> pages = Save(session, BALEEN_WINDOW_NONE);
  EXPECT_TRUE(Save(loaded, BALEEN_WINDOW_NONE) == pages);
  EXPECT_TRUE(Save(from_file, BALEEN_WINDOW_NONE) == pages);
  for (size_t at = good.size() / 40; at < good.size(); at += good.size() / 20) {
    std::vector<unsigned char> bad = good;
    bad[at] ^= 1;
    EXPECT_EQ(Load(loaded, bad), BALEEN_CORRUPT) << "byte " << at;
  }
  Append(session, LongPrompt(300));
  Append(loaded, LongPrompt(300));
  EXPECT_EQ(Logits(loaded), Logits(session));
}

TEST(Saving, OtherModesAndSmallSessionsAreRefused) {
  const Session session = MakeSession(BALEEN_MODE_FAST);
  Append(session, LongPrompt(70));
  const std::vector<unsigned char> bytes = Save(session);
  EXPECT_EQ(Load(MakeSession(BALEEN_MODE_REFERENCE), bytes),
            BALEEN_UNSUPPORTED);
  baleen_session_options small = SessionOptions(BALEEN_MODE_FAST);
  small.capacity = 69;
  EXPECT_EQ(Load(MakeSession(SharedPocket(), small), bytes),
            BALEEN_SESSION_FULL);
}

}  // namespace
}  // namespace baleen_test
