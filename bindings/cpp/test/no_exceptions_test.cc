// The wrapper where exceptions are disabled: each failure has a place to go.
//
//   no_exceptions_test MODEL_FOLDER
#include <baleen/baleen.hpp>
#include <cstdio>
#include <string>

namespace {

int Ask(const char* path) {
  baleen::Error error;
  const baleen::Context context({}, &error);
  if (context.Load("/no/such/model", {}, &error) ||
      error.status() != baleen::Status::kNotFound) {
    std::puts("a model that is not there was loaded");
    return 1;
  }
  const baleen::Model model = context.Load(path, {}, &error);
  baleen::Session session = model.NewSession({}, &error);
  session.Append({0, 300}, &error);
  std::string text;
  baleen::Generation generation;
  generation.max_tokens = 16;
  generation.sampling.biases = {{1, -1e9f}};
  session.Generate(
      generation, [&](const baleen::Piece& piece) { text += piece.text; },
      &error);
  int count = 0;
  for (const baleen::Token token :
       session.Stream(generation.sampling, &error)) {
    if (token < 0 || ++count == 3) break;
  }
  if (error || text.empty() || count != 3) {
    std::printf("%s: %d tokens after %s\n", error.what(), count, text.c_str());
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__cpp_exceptions)
#error "this is to be compiled without exceptions"
#endif
  return argc == 2 ? Ask(argv[1]) : 2;
}
