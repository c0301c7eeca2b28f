#include "benchmarks/model/flags.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace baleen::bench {
namespace {

std::runtime_error Bad(std::string_view argument) {
  return std::runtime_error("cannot understand " + std::string(argument));
}

std::vector<std::string_view> Split(std::string_view list) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t comma = list.find(',');
    parts.push_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

int64_t ParseNumber(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || number < 0) {
    throw Bad(text);
  }
  return number;
}

int64_t ParsePositive(std::string_view text) {
  const int64_t number = ParseNumber(text);
  if (number == 0) throw Bad(text);
  return number;
}

template <typename Parse>
auto ParseList(std::string_view text, const Parse& parse) {
  std::vector<decltype(parse(text))> list;
  for (const std::string_view part : Split(text)) list.push_back(parse(part));
  return list;
}

baleen_mode ParseMode(std::string_view text) {
  for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
    if (text == ModeName(mode)) return mode;
  }
  throw Bad(text);
}

bool SetFlag(std::string_view name, std::string_view value, Flags* flags) {
  if (name == "model") {
    flags->model = value;
  } else if (name == "slice") {
    flags->slice = value;
  } else if (name == "isa") {
    flags->isa = value;
  } else if (name == "threads") {
    flags->threads = ParseList(value, ParsePositive);
  } else if (name == "modes") {
    flags->modes = ParseList(value, ParseMode);
  } else if (name == "depths") {
    flags->depths = ParseList(value, ParseNumber);
  } else if (name == "prompt") {
    flags->prompt = ParsePositive(value);
  } else if (name == "decode") {
    flags->decode = ParsePositive(value);
  } else if (name == "sessions") {
    flags->sessions = ParsePositive(value);
  } else if (name == "repetitions") {
    flags->repetitions = ParsePositive(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace

const char* const kUsage =
    R"(model_benchmark [--model=FOLDER | --slice=KIND] [flags]

What is measured: the pocket model, the model in a folder, or a slice
(benchmarks/slice: flash, attention, pro), which is made if it is not there.

--threads=2,1       numbers of threads
--modes=fast,reference
--depths=0,24576    positions before the tokens that are decoded
--prompt=512        tokens of a prefill
--decode=48         tokens of a decode; the median of their times counts
--sessions=8        of a batch
--repetitions=3     of each benchmark
--repack            weights are copied to the fast layout
--isa=avx2          of the CPU backend: reference, portable, avx2, avx512

and those of Google Benchmark, such as --benchmark_filter=Decode.
)";

Flags ParseFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--repack") {
      flags.repack = true;
      continue;
    }
    const size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos ||
        !SetFlag(argument.substr(2, equals - 2), argument.substr(equals + 1),
                 &flags)) {
      throw Bad(argument);
    }
  }
  if (!flags.model.empty() && !flags.slice.empty()) {
    throw std::runtime_error("--model and --slice exclude each other");
  }
  return flags;
}

const char* ModeName(baleen_mode mode) {
  return mode == BALEEN_MODE_FAST ? "fast" : "reference";
}

}  // namespace baleen::bench
