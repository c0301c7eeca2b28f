// baleen_session_generate: reasons to stop, pieces, and a conversation whose
// second prompt begins with exactly the tokens that the session holds.
#include <algorithm>
#include <cstring>

#include "pocket.h"

namespace baleen_test {
namespace {

struct Heard {
  std::string answer;
  std::string thinking;
  size_t pieces = 0;
  size_t stop_after = SIZE_MAX;

  static int32_t Listen(void* user, const baleen_piece* piece) {
    auto* heard = static_cast<Heard*>(user);
    std::string& text = piece->channel == BALEEN_CHANNEL_THINKING
                            ? heard->thinking
                            : heard->answer;
    text.append(piece->text, piece->text_size);
    return ++heard->pieces >= heard->stop_after ? 1 : 0;
  }
};

baleen_generation Generation(Heard* heard, const baleen_sampling* sampling) {
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.sampling = sampling;
  generation.on_piece = Heard::Listen;
  generation.user_data = heard;
  return generation;
}

Tokens ChatPrompt(const std::vector<baleen_message>& messages,
                  baleen_thinking thinking) {
  baleen_chat_options options = {};
  options.struct_size = sizeof options;
  options.thinking = thinking;
  Tokens tokens(4096);
  size_t count = 0;
  EXPECT_OK(baleen_model_encode_chat(SharedPocket(), messages.data(),
                                     messages.size(), &options, tokens.data(),
                                     tokens.size(), &count, &last_error));
  tokens.resize(count);
  return tokens;
}

baleen_message User(const char* text) {
  baleen_message message = {};
  message.role = "user";
  message.content = text;
  message.content_size = std::strlen(text);
  return message;
}

baleen_finish RunToEnd(const Session& session,
                       const baleen_generation& generation) {
  baleen_finish finish = BALEEN_FINISH_NONE;
  EXPECT_OK(baleen_session_generate(session.get(), &generation, &finish,
                                    &last_error));
  return finish;
}

TEST(Generate, StopsAtTheLimit) {
  const Session session = MakeSession();
  Append(session, LongPrompt(30));
  Heard heard;
  const baleen_sampling greedy = Greedy();
  baleen_generation generation = Generation(&heard, &greedy);
  generation.max_tokens = 25;
  EXPECT_EQ(RunToEnd(session, generation), BALEEN_FINISH_LIMIT);
  EXPECT_EQ(TokensOf(session).size(), 55u);
  EXPECT_FALSE(heard.answer.empty());
}

TEST(Generate, StopsAtAStopTextWhichIsNotPartOfTheAnswer) {
  Heard whole;
  const baleen_sampling greedy = Greedy();
  {
    const Session session = MakeSession();
    Append(session, LongPrompt(30));
    baleen_generation generation = Generation(&whole, &greedy);
    generation.max_tokens = 40;
    RunToEnd(session, generation);
  }
  ASSERT_GT(whole.answer.size(), 40u);
  const std::string stop = whole.answer.substr(20, 7);
  const char* const stops[] = {"never in the text", stop.c_str()};
  const Session session = MakeSession();
  Append(session, LongPrompt(30));
  Heard heard;
  baleen_generation generation = Generation(&heard, &greedy);
  generation.stops = stops;
  generation.stop_count = 2;
  generation.max_tokens = 40;
  EXPECT_EQ(RunToEnd(session, generation), BALEEN_FINISH_STOP);
  EXPECT_EQ(heard.answer, whole.answer.substr(0, whole.answer.find(stop)));
}

TEST(Generate, StopsWhenTheCallbackAsks) {
  const Session session = MakeSession();
  Append(session, LongPrompt(30));
  Heard heard;
  heard.stop_after = 3;
  const baleen_sampling greedy = Greedy();
  baleen_generation generation = Generation(&heard, &greedy);
  generation.max_tokens = 40;
  EXPECT_EQ(RunToEnd(session, generation), BALEEN_FINISH_CALLBACK);
  EXPECT_EQ(heard.pieces, 3u);
}

TEST(Generate, StopsWhenTheSessionIsFull) {
  baleen_session_options options = SessionOptions(BALEEN_MODE_FAST);
  options.capacity = 33;
  const Session session = MakeSession(SharedPocket(), options);
  Append(session, LongPrompt(30));
  Heard heard;
  const baleen_sampling greedy = Greedy();
  EXPECT_EQ(RunToEnd(session, Generation(&heard, &greedy)), BALEEN_FINISH_FULL);
  EXPECT_EQ(TokensOf(session).size(), 33u);
}

// One turn of a conversation: the session and the reply that read along.
struct Turn {
  Session session;
  Reply reply;
  Heard heard;
  baleen_finish finish = BALEEN_FINISH_NONE;
};

Turn TakeTurn(const Tokens& prompt, uint64_t seed) {
  Turn turn;
  turn.session = MakeSession(BALEEN_MODE_FAST, seed);
  Append(turn.session, prompt);
  baleen_reply* made = nullptr;
  baleen_reply_options options = {};
  options.struct_size = sizeof options;
  options.thinking = BALEEN_THINKING_OFF;
  EXPECT_OK(baleen_reply_create(SharedPocket(), &options, &made, &last_error));
  turn.reply.reset(made);
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = 0.7f;
  sampling.top_p = 0.9f;
  baleen_generation generation = Generation(&turn.heard, &sampling);
  generation.reply = turn.reply.get();
  generation.max_tokens = 150;
  turn.finish = RunToEnd(turn.session, generation);
  return turn;
}

TEST(Generate, EndsItsTurnAndTheNextPromptMatches) {
  const std::string question = "Who is the king of Israel?";
  std::vector<baleen_message> messages = {User(question.c_str())};
  const Tokens prompt = ChatPrompt(messages, BALEEN_THINKING_OFF);
  // The pocket model was trained on turns that end, but not each of its own
  // does within 150 tokens; one of 20 must.
  Turn turn;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    turn = TakeTurn(prompt, seed);
    if (turn.finish == BALEEN_FINISH_END) break;
  }
  ASSERT_EQ(turn.finish, BALEEN_FINISH_END);

  baleen_message answer = {};
  EXPECT_OK(baleen_reply_message(turn.reply.get(), &answer, &last_error));
  EXPECT_EQ(std::string(answer.content, answer.content_size),
            turn.heard.answer);
  messages.push_back(answer);
  messages.push_back(User("And who else?"));
  const Tokens next = ChatPrompt(messages, BALEEN_THINKING_OFF);
  const Tokens held = TokensOf(turn.session);
  ASSERT_GT(next.size(), held.size());
  EXPECT_TRUE(std::equal(held.begin(), held.end(), next.begin()));
  size_t reused = 0;
  EXPECT_OK(baleen_session_set_tokens(turn.session.get(), next.data(),
                                      next.size(), &reused, &last_error));
  // All but the end-of-turn token, which nobody has computed yet.
  EXPECT_GE(reused + 1, held.size());
}

}  // namespace
}  // namespace baleen_test
