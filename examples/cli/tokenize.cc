// baleen tokenize: text to tokens and back.
#include <cctype>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "commands.h"
#include "engine.h"

namespace tool {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  std::vector<std::string> words;
  std::string file;
  bool decode = false;
  bool special = false;
  bool pieces = false;
};

// Numbers between anything that is neither digit nor minus, so that
// "[1, 2, 3]" reads as well as "1 2 3".
Tokens ParseTokens(std::string_view text) {
  Tokens tokens;
  const auto is_part = [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-';
  };
  for (size_t i = 0; i < text.size();) {
    if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
      throw Failure("Tokens are numbers, but the input holds letters.");
    }
    if (!is_part(text[i])) {
      ++i;
      continue;
    }
    baleen_token token = 0;
    const char* begin = text.data() + i;
    const auto [end, problem] =
        std::from_chars(begin, text.data() + text.size(), token);
    if (problem != std::errc()) {
      throw Failure("A number in the input is not a token.");
    }
    tokens.push_back(token);
    i += static_cast<size_t>(end - begin);
  }
  return tokens;
}

// A token's text on one line of a table.
std::string Quote(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += "\\x";
      quoted += kHex[byte >> 4];
      quoted += kHex[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

void PrintTokens(const Engine& engine, const Tokens& tokens, bool pieces) {
  std::string line;
  for (const baleen_token token : tokens) {
    if (pieces) {
      const std::string text = engine.Detokenize({token}, BALEEN_TEXT_SPECIAL);
      line += std::to_string(token) + '\t' + Quote(text) + '\n';
    } else {
      if (!line.empty()) line += ' ';
      line += std::to_string(token);
    }
  }
  if (!pieces) line += '\n';
  Print(line);
}

int Tokenize(const TokenizeOptions& options) {
  std::string text;
  if (options.file.empty()) {
    for (const std::string& word : options.words) {
      if (!text.empty()) text += ' ';
      text += word;
    }
  } else {
    text = ReadInput(options.file);
  }
  const Engine engine(options.model, BALEEN_MODEL_TOKENIZER_ONLY);
  const uint32_t flags = options.special ? BALEEN_TEXT_SPECIAL : 0;
  if (options.decode) {
    Print(engine.Detokenize(ParseTokens(text), flags));
  } else {
    PrintTokens(engine, engine.Tokenize(text, flags), options.pieces);
  }
  return kExitOk;
}

}  // namespace

void AddTokenize(CLI::App* app, Action* action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app->add_subcommand("tokenize", "Text to tokens, or tokens to text");
  CLI::Option* words =
      command->add_option("text", options->words,
                          "The text, or with --decode the tokens; standard "
                          "input if neither it nor --file is given");
  command
      ->add_option("-f,--file", options->file,
                   "File with the text; - for standard input")
      ->excludes(words);
  command->add_flag("-d,--decode", options->decode,
                    "From tokens to text; byte for byte, no line is ended");
  command->add_flag("--special", options->special,
                    "Special tokens go by their names in the text");
  command->add_flag("--pieces", options->pieces,
                    "One token a line, with its text");
  AddModelOptions(command, &options->model);
  command->callback([options, action] {
    if (options->words.empty() && options->file.empty()) {
      if (StdinIsTerminal()) {
        throw CLI::ValidationError("A text or --file is needed");
      }
      options->file = "-";
    }
    *action = [options] { return Tokenize(*options); };
  });
}

}  // namespace tool
