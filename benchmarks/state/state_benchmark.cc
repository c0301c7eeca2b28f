// What states of sessions cost: saving and loading against a plain write and read
// of the same bytes, forks, beginnings that are shared, eviction and return.
//
// On the pocket model with BALEEN_STATE_TOKENS tokens (16384); reading them once
// comes first and is reported as such.
#include <baleen/baleen.h>
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace {

using Tokens = std::vector<baleen_token>;

void Check(bool right) {
  if (!right) std::abort();
}

struct Release {
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
};
using Session = std::unique_ptr<baleen_session, Release>;

// What the library holds, of its host's memory.
struct Meter {
  std::atomic<uint64_t> bytes{0};

  baleen_allocator Hooks() {
    baleen_allocator hooks = {};
    hooks.struct_size = sizeof hooks;
    hooks.user_data = this;
    hooks.allocate = [](void* self, size_t size, size_t alignment) -> void* {
      void* memory = nullptr;
      if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) !=
          0) {
        return nullptr;
      }
      static_cast<Meter*>(self)->bytes += size;
      return memory;
    };
    hooks.deallocate = [](void* self, void* memory, size_t size, size_t) {
      static_cast<Meter*>(self)->bytes -= size;
      std::free(memory);
    };
    return hooks;
  }
};

struct Setup {
  std::string folder;
  Meter meter;
  baleen_context* context = nullptr;
  baleen_model* model = nullptr;
  Tokens tokens;
  Session session;
  double read_seconds = 0;

  std::string Path(const char* name) const { return folder + "/" + name; }
  Session Make(uint32_t flags) const {
    baleen_session_options options = {};
    options.struct_size = sizeof options;
    options.flags = flags;
    baleen_session* made = nullptr;
    Check(baleen_session_create(model, &options, &made, nullptr) == BALEEN_OK);
    return Session(made);
  }
};

const Setup& Get() {
  static const Setup* const setup = [] {
    auto* made = new Setup;
    std::string name =
        (std::filesystem::temp_directory_path() / "baleen-XXXXXX").string();
    made->folder = mkdtemp(name.data());
    baleen_context_options options = {};
    options.struct_size = sizeof options;
    options.state_path = made->folder.c_str();
    const baleen_allocator hooks = made->meter.Hooks();
    options.allocator = &hooks;
    Check(baleen_context_create(&options, &made->context, nullptr) ==
          BALEEN_OK);
    Check(baleen_model_load(made->context, BALEEN_TEST_DATA "/pocket", nullptr,
                            &made->model, nullptr) == BALEEN_OK);
    const char* wanted = std::getenv("BALEEN_STATE_TOKENS");
    const int count = wanted == nullptr ? 16384 : std::atoi(wanted);
    for (int i = 0; i < count; ++i) {
      made->tokens.push_back((i * 37 + i / 11) % 2000);
    }
    made->session = made->Make(0);
    const auto begin = std::chrono::steady_clock::now();
    Check(baleen_session_append(made->session.get(), made->tokens.data(),
                                made->tokens.size(), nullptr) == BALEEN_OK);
    made->read_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    return made;
  }();
  return *setup;
}

uint64_t SizeOf(const std::string& path) {
  return std::filesystem::file_size(path);
}

void Count(benchmark::State& state, uint64_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(bytes) *
                          static_cast<int64_t>(state.iterations()));
}

void Save(benchmark::State& state) {
  const Setup& setup = Get();
  const std::string path = setup.Path("saved");
  for (auto _ : state) {
    Check(baleen_session_save_file(setup.session.get(), nullptr, path.c_str(),
                                   nullptr) == BALEEN_OK);
  }
  Count(state, SizeOf(path));
}

// The same bytes, synced and renamed as well.
void PlainWrite(benchmark::State& state) {
  const Setup& setup = Get();
  const std::vector<char> bytes(SizeOf(setup.Path("saved")), 'x');
  const std::string path = setup.Path("plain");
  for (auto _ : state) {
    const int file =
        open((path + ".new").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0666);
    Check(write(file, bytes.data(), bytes.size()) ==
          static_cast<ssize_t>(bytes.size()));
    Check(fsync(file) == 0 && close(file) == 0);
    std::filesystem::rename(path + ".new", path);
  }
  Count(state, bytes.size());
}

// So that the next read is one of the disk; what was synced may be dropped.
void DropFromCache(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY);
  Check(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0);
  close(file);
}

// `from_disk`: else from the system's cache.
void Load(benchmark::State& state, bool from_disk) {
  const Setup& setup = Get();
  const std::string path = setup.Path("saved");
  const Session session = setup.Make(BALEEN_SESSION_PRIVATE);
  for (auto _ : state) {
    if (from_disk) {
      state.PauseTiming();
      DropFromCache(path);
      state.ResumeTiming();
    }
    Check(baleen_session_load_file(session.get(), path.c_str(), nullptr) ==
          BALEEN_OK);
  }
  Count(state, SizeOf(path));
}

// Into memory that is new, as that of a state that is loaded.
void PlainRead(benchmark::State& state, bool from_disk) {
  const std::string path = Get().Path("plain");
  const uint64_t size = SizeOf(path);
  for (auto _ : state) {
    if (from_disk) {
      state.PauseTiming();
      DropFromCache(path);
      state.ResumeTiming();
    }
    const std::unique_ptr<char[]> bytes(new char[size]);
    const int file = open(path.c_str(), O_RDONLY);
    Check(read(file, bytes.get(), size) == static_cast<ssize_t>(size));
    close(file);
    benchmark::DoNotOptimize(bytes.get());
  }
  Count(state, size);
}

// `new_kB`: what a fork takes besides the pages that it shares: its windows and
// tails, and the page that is not complete.  `shared_kB`: those pages.
void Fork(benchmark::State& state) {
  const Setup& setup = Get();
  const uint64_t before = setup.meter.bytes;
  baleen_session* counted = nullptr;
  Check(baleen_session_fork(setup.session.get(), &counted, nullptr) ==
        BALEEN_OK);
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  Check(baleen_session_get_stats(counted, &stats, nullptr) == BALEEN_OK);
  const uint64_t taken = setup.meter.bytes - before;
  baleen_session_release(counted);
  state.counters["new_kB"] = static_cast<double>(taken) * 1e-3;
  state.counters["shared_kB"] =
      static_cast<double>(stats.state_bytes_shared) * 1e-3;
  for (auto _ : state) {
    baleen_session* fork = nullptr;
    Check(baleen_session_fork(setup.session.get(), &fork, nullptr) ==
          BALEEN_OK);
    baleen_session_release(fork);
  }
}

// `times_faster`: than reading the same tokens.
void ReuseOfABeginning(benchmark::State& state) {
  const Setup& setup = Get();
  double seconds = 0;
  for (auto _ : state) {
    const Session session = setup.Make(0);
    const auto begin = std::chrono::steady_clock::now();
    size_t reused = 0;
    Check(baleen_session_set_tokens(session.get(), setup.tokens.data(),
                                    setup.tokens.size(), &reused,
                                    nullptr) == BALEEN_OK);
    seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    Check(reused + 1 == setup.tokens.size());
  }
  state.counters["read_seconds"] = setup.read_seconds;
  state.counters["times_faster"] =
      setup.read_seconds / seconds * static_cast<double>(state.iterations());
}

void EvictAndReturn(benchmark::State& state) {
  const Setup& setup = Get();
  for (auto _ : state) {
    Check(baleen_session_evict(setup.session.get(), nullptr) == BALEEN_OK);
    // A fork needs the state.
    baleen_session* fork = nullptr;
    Check(baleen_session_fork(setup.session.get(), &fork, nullptr) ==
          BALEEN_OK);
    baleen_session_release(fork);
  }
  std::filesystem::remove_all(setup.folder);
}

BENCHMARK(Save)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(PlainWrite)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Load, disk, true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(PlainRead, disk, true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(Load, cache, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(PlainRead, cache, false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(Fork)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(ReuseOfABeginning)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(EvictAndReturn)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
