#include "text/dsml.h"

#include "text/python_json.h"

namespace baleen {
namespace {

void AppendParameter(std::string_view key, std::string_view value,
                     bool is_string, Prompt* prompt) {
  prompt->Template("<｜DSML｜parameter name=\"");
  prompt->Field(key);
  prompt->Template(is_string ? "\" string=\"true\">" : "\" string=\"false\">");
  prompt->Field(value);
  prompt->Template("</｜DSML｜parameter>");
}

void AppendMember(std::string_view key, Json value, Memory* memory,
                  Prompt* prompt) {
  if (value.IsString()) {
    AppendParameter(key, value.text(), true, prompt);
    return;
  }
  String json(memory);
  AppendPythonJson(value, memory, &json);
  AppendParameter(key, json, false, prompt);
}

void AppendMembers(Json object, Memory* memory, Prompt* prompt) {
  const char* separator = "";
  for (const JsonMember& member : UniqueMembers(object, memory)) {
    prompt->Template(separator);
    AppendMember(member.key, member.value, memory, prompt);
    separator = "\n";
  }
}

// The arguments are the text of a JSON object.  What is no JSON goes whole, as
// a parameter of the name "arguments".
Status AppendArguments(Json arguments, size_t message, Memory* memory,
                       Prompt* prompt) {
  if (!arguments || arguments.IsNull()) return Status();
  if (arguments.IsObject()) {
    AppendMembers(arguments, memory, prompt);
    return Status();
  }
  if (!arguments.IsString()) {
    AppendMember("arguments", arguments, memory, prompt);
    return Status();
  }
  const Result<JsonDocument> parsed =
      JsonDocument::Parse(arguments.text(), "arguments", memory, true);
  if (!parsed.ok()) {
    AppendParameter("arguments", arguments.text(), true, prompt);
    return Status();
  }
  if (!parsed->root().IsObject()) {
    return InvalidArgument(
        "a tool call of message %zu has arguments that are no JSON object",
        message);
  }
  AppendMembers(parsed->root(), memory, prompt);
  return Status();
}

}  // namespace

Status AppendDsmlCalls(Json calls, size_t message, Memory* memory,
                       Prompt* prompt) {
  prompt->Template("<｜DSML｜tool_calls>\n");
  for (const Json call : calls) {
    const Json function = call.Find("function");
    const Json name = function.Find("name");
    if (!name.IsString()) {
      return InvalidArgument(
          "a tool call of message %zu has no function with a name", message);
    }
    prompt->Template("<｜DSML｜invoke name=\"");
    prompt->Field(name.text());
    prompt->Template("\">\n");
    BALEEN_RETURN_IF_ERROR(
        AppendArguments(function.Find("arguments"), message, memory, prompt));
    prompt->Template("\n</｜DSML｜invoke>\n");
  }
  prompt->Template("</｜DSML｜tool_calls>");
  return Status();
}

}  // namespace baleen
