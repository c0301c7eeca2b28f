// Fills a session of the pocket model, up to its 1,048,576 positions, and holds
// it to one that was saved halfway and restored by another context: the same
// tokens, and the same logits to the bit.
//
//   million_positions [--positions=N] [--threads=N] [--points=N]
//
// On the way it says what a token costs, read and written, and what the session
// takes.  All positions take about 0.28 PFLOP, nearly all of it the indexer's
// scores, and the second half once more.
#include <baleen/baleen.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Tokens = std::vector<baleen_token>;

struct Options {
  uint64_t positions = 1048576;
  uint64_t threads = 2;
  uint64_t points = 16;
};

// Tokens that are written at the end, and at each point by a fork.
constexpr size_t kWritten = 64;
constexpr size_t kTimed = 16;

baleen_error last_error = {};

void Check(baleen_status status) {
  if (status == BALEEN_OK) return;
  std::fprintf(stderr, "million_positions: %s\n", last_error.message);
  std::exit(1);
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Release {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
};
template <typename T>
using Handle = std::unique_ptr<T, Release>;
using Session = Handle<baleen_session>;

// A context with the pocket model, so that nothing is shared with another.
class Engine {
 public:
  explicit Engine(const Options& options) {
    baleen_context_options wanted = {};
    wanted.struct_size = sizeof wanted;
    wanted.thread_count = static_cast<uint32_t>(options.threads);
    baleen_context* context = nullptr;
    Check(baleen_context_create(&wanted, &context, &last_error));
    context_.reset(context);
    baleen_model* model = nullptr;
    Check(baleen_model_load(context, BALEEN_TEST_DATA "/pocket", nullptr,
                            &model, &last_error));
    model_.reset(model);
  }

  baleen_model* model() const { return model_.get(); }
  Session MakeSession() const {
    baleen_session_options options = {};
    options.struct_size = sizeof options;
    options.seed = 1;
    options.draft = BALEEN_DRAFT_OFF;
    baleen_session* session = nullptr;
    Check(baleen_session_create(model_.get(), &options, &session, &last_error));
    return Session(session);
  }

 private:
  Handle<baleen_context> context_;
  Handle<baleen_model> model_;
};

// The model's held-out text, over and over.
Tokens MakeTokens(const Engine& engine, size_t count) {
  std::ifstream file(BALEEN_TEST_DATA "/pocket/heldout.txt");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Tokens once(text.size());
  size_t found = 0;
  Check(baleen_model_tokenize(engine.model(), text.data(), text.size(), 0,
                              once.data(), once.size(), &found, &last_error));
  Tokens tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = once[i % found];
  return tokens;
}

void Append(baleen_session* session, const Tokens& tokens, size_t first,
            size_t end) {
  Check(baleen_session_append(session, tokens.data() + first, end - first,
                              &last_error));
}

Tokens Write(baleen_session* session, size_t count) {
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.flags = BALEEN_SAMPLING_GREEDY;
  Tokens tokens(count);
  for (size_t done = 0; done < count;) {
    size_t got = 0;
    Check(baleen_session_step(session, &sampling, tokens.data() + done,
                              count - done, &got, &last_error));
    done += got;
  }
  return tokens;
}

struct Answer {
  Tokens tokens;
  std::vector<float> logits;

  bool operator==(const Answer& other) const {
    return tokens == other.tokens &&
           std::memcmp(logits.data(), other.logits.data(),
                       logits.size() * sizeof(float)) == 0;
  }
};

Answer Finish(baleen_session* session) {
  Answer answer;
  answer.tokens = Write(session, kWritten);
  const float* logits = nullptr;
  size_t count = 0;
  Check(baleen_session_logits(session, &logits, &count, &last_error));
  answer.logits.assign(logits, logits + count);
  return answer;
}

// Of the process.
double ResidentMegabytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) * 1e-6;
}

// A fork goes on from here, so the session does not change.
double WrittenSeconds(baleen_session* session) {
  baleen_session* fork = nullptr;
  Check(baleen_session_fork(session, &fork, &last_error));
  const Session owned(fork);
  Write(fork, 1);  // Its logits are known.
  const auto start = Clock::now();
  Write(fork, kTimed);
  return SecondsSince(start) / kTimed;
}

void PrintPoint(baleen_session* session, size_t end, double read_seconds,
                double total_seconds) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  Check(baleen_session_get_stats(session, &stats, &last_error));
  std::printf("| %9zu | %7.3f | %7.3f | %7.1f | %7.1f | %8.1f |\n", end,
              read_seconds * 1e3, WrittenSeconds(session) * 1e3,
              static_cast<double>(stats.state_bytes) * 1e-6,
              ResidentMegabytes(), total_seconds);
  std::fflush(stdout);
}

// Reads tokens [first, end) in so many equal pieces.
void Read(baleen_session* session, const Tokens& tokens, size_t first,
          size_t end, size_t pieces) {
  double total = 0;
  for (size_t i = 0; i < pieces; ++i) {
    const size_t from = first + (end - first) * i / pieces;
    const size_t to = first + (end - first) * (i + 1) / pieces;
    const auto start = Clock::now();
    Append(session, tokens, from, to);
    const double seconds = SecondsSince(start);
    total += seconds;
    PrintPoint(session, to, seconds / static_cast<double>(to - from), total);
  }
}

int Run(const Options& options) {
  const size_t end = options.positions - kWritten;
  const size_t half = options.positions / 2;
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("baleen-million-" + std::to_string(getpid())))
                               .string();
  std::printf(
      "| positions | read, ms | written, ms | state, MB | process, MB | "
      "seconds |\n|---:|---:|---:|---:|---:|---:|\n");
  Answer whole;
  Tokens tokens;
  {
    const Engine engine(options);
    tokens = MakeTokens(engine, end);
    const Session session = engine.MakeSession();
    const size_t pieces = options.points - options.points / 2;
    Read(session.get(), tokens, 0, half, options.points / 2);
    Check(baleen_session_save_file(session.get(), nullptr, path.c_str(),
                                   &last_error));
    std::printf("\nsaved at %zu\n\n", half);
    Read(session.get(), tokens, half, end, pieces);
    whole = Finish(session.get());
  }
  const Engine engine(options);
  const Session session = engine.MakeSession();
  Check(baleen_session_load_file(session.get(), path.c_str(), &last_error));
  std::filesystem::remove(path);
  const auto start = Clock::now();
  Append(session.get(), tokens, half, end);
  const Answer restored = Finish(session.get());
  const bool same = whole == restored;
  std::printf("\nrestored at %zu, %.1f s to the end: %s\n", half,
              SecondsSince(start),
              same ? "the same tokens and logits" : "ANOTHER ANSWER");
  return same ? 0 : 1;
}

// Whether `argument` is "--name=NUMBER".
bool ReadOption(const std::string& argument, const std::string& name,
                uint64_t* value) {
  const std::string prefix = "--" + name + "=";
  if (!argument.starts_with(prefix)) return false;
  char* end = nullptr;
  *value = std::strtoull(argument.c_str() + prefix.size(), &end, 10);
  return *end == '\0';
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  bool right = true;
  for (int i = 1; i < count; ++i) {
    right =
        right && (ReadOption(arguments[i], "positions", &options.positions) ||
                  ReadOption(arguments[i], "threads", &options.threads) ||
                  ReadOption(arguments[i], "points", &options.points));
  }
  if (!right || options.points < 2 || options.positions < 4 * kWritten ||
      options.positions > 1048576) {
    std::fprintf(stderr,
                 "usage: million_positions [--positions=N] [--threads=N] "
                 "[--points=N]\n");
    return 2;
  }
  return Run(options);
}
