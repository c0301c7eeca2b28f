#include "text/chat_render.h"

#include <algorithm>
#include <cstddef>

#include "text/chat_texts.h"
#include "text/dsml.h"
#include "text/python_json.h"

namespace baleen {
namespace {

class Renderer {
 public:
  Renderer(const Conversation& conversation, const ChatMode& mode,
           const TurnTokens& turn_tokens, Memory* memory, Prompt* prompt)
      : conversation_(conversation),
        turns_(conversation.turns()),
        mode_(mode),
        turn_tokens_(turn_tokens),
        memory_(memory),
        prompt_(prompt),
        last_user_(conversation.LastUser()) {}

  Status Render(size_t index) {
    const Turn& turn = turns_[index];
    if (index == 0) prompt_->Template(mode_.effort);
    switch (turn.role) {
      case Role::kSystem:
        prompt_->Field(turn.content);
        BALEEN_RETURN_IF_ERROR(Offer(turn));
        break;
      case Role::kDeveloper:
        if (turn.content.empty()) {
          return InvalidArgument("message %zu, of the developer, is empty",
                                 turn.number);
        }
        prompt_->Template(kUserText);
        prompt_->Field(turn.content);
        BALEEN_RETURN_IF_ERROR(Offer(turn));
        break;
      case Role::kUser:
        BALEEN_RETURN_IF_ERROR(User(turn));
        break;
      case Role::kReminder:
        prompt_->Template(kReminderText);
        prompt_->Field(turn.content);
        break;
      case Role::kAssistant:
        BALEEN_RETURN_IF_ERROR(Assistant(index));
        break;
      case Role::kTool:
      case Role::kSearchResults:
      case Role::kUnknown:
        return InvalidArgument(
            "message %zu has the role \"%.*s\", which the encoder cannot write",
            turn.number, PrintLength(turn.role_name), turn.role_name.data());
    }
    return Transition(index);
  }

 private:
  // Tools and response format.
  Status Offer(const Turn& turn) {
    if (turn.tools) {
      prompt_->Template("\n\n");
      prompt_->Template(kToolsBefore);
      const char* separator = "";
      String json(memory_);
      for (const Json tool : turn.tools) {
        const Json function = tool.Find("function");
        if (!function.IsObject()) {
          return InvalidArgument("a tool of message %zu has no function",
                                 turn.number);
        }
        json.clear();
        json.append(separator);
        AppendPythonJson(function, memory_, &json);
        prompt_->Field(json);
        separator = "\n";
      }
      prompt_->Template(kToolsBehind);
    }
    if (IsTruthy(turn.response_format)) {
      prompt_->Template("\n\n");
      prompt_->Template(kResponseFormatBefore);
      String json(memory_);
      AppendPythonJson(turn.response_format, memory_, &json);
      prompt_->Field(json);
    }
    return Status();
  }

  Status User(const Turn& turn) {
    prompt_->Template(kUserText);
    const char* separator = "";
    for (const UserPart& part : conversation_.user_parts(turn)) {
      prompt_->Template(separator);
      separator = "\n\n";
      if (!part.is_result) {
        prompt_->Field(part.text);
        continue;
      }
      prompt_->Template("<tool_result>");
      if (part.parts) {
        BALEEN_RETURN_IF_ERROR(ResultParts(part.parts, turn.number));
      } else {
        prompt_->Field(part.text);
      }
      prompt_->Template("</tool_result>");
    }
    return Status();
  }

  Status ResultParts(Json parts, size_t number) {
    const char* separator = "";
    for (const Json part : parts) {
      prompt_->Template(separator);
      separator = "\n\n";
      const Json type = part.Find("type");
      const Json text = part.Find("text");
      if (!type.IsString() || (type.text() == "text" && !text.IsString())) {
        return InvalidArgument(
            "a part of a tool's result near message %zu is malformed", number);
      }
      if (type.text() == "text") {
        prompt_->Field(text.text());
      } else {
        prompt_->Template("[Unsupported ");
        prompt_->Field(type.text());
        prompt_->Template("]");
      }
    }
    return Status();
  }

  bool KeepsReasoning(size_t index) const {
    return !mode_.drop_reasoning || static_cast<ptrdiff_t>(index) > last_user_;
  }

  Status Assistant(size_t index) {
    const Turn& turn = turns_[index];
    const bool after_task = index > 0 && turns_[index - 1].task;
    const bool reasons = mode_.thinking && !after_task && KeepsReasoning(index);
    if (turn.tokens.data() != nullptr && SpliceTokens(turn, reasons)) {
      return Status();
    }
    if (reasons) {
      prompt_->Field(turn.reasoning);
      prompt_->Template(kThinkEndText);
    }
    prompt_->Field(turn.content);
    if (turn.tool_calls) {
      prompt_->Template("\n\n");
      BALEEN_RETURN_IF_ERROR(
          AppendDsmlCalls(turn.tool_calls, turn.number, memory_, prompt_));
    }
    if (!turn.no_end) prompt_->Template(kEndText);
    return Status();
  }

  // The turn as the tokens the model wrote it with, so that what follows finds
  // the session's tokens as they are.  False if they cannot stand for it: its
  // thinking is to be dropped, and they do not say where it ends.
  bool SpliceTokens(const Turn& turn, bool reasons) {
    std::span<const baleen_token> tokens = turn.tokens;
    const auto think_end =
        std::find(tokens.begin(), tokens.end(), turn_tokens_.think_end);
    const bool closed = think_end != tokens.end();
    if (!reasons && closed) {
      tokens =
          tokens.subspan(static_cast<size_t>(think_end - tokens.begin()) + 1);
    } else if (!reasons && turn.has_reasoning) {
      return false;
    }
    const bool ended = !tokens.empty() && tokens.back() == turn_tokens_.end;
    if (ended && turn.no_end) tokens = tokens.first(tokens.size() - 1);
    if (reasons && !closed && !turn.has_reasoning) {
      prompt_->Template(kThinkEndText);  // It was not asked to think.
    }
    prompt_->Tokens(tokens);
    if (ended || turn.no_end) return true;
    // It was cut: while thinking, unless a call inside that had ended it.
    const bool is_open =
        reasons && !closed && turn.has_reasoning && !turn.tool_calls;
    if (is_open) prompt_->Template(kThinkEndText);
    prompt_->Template(kEndText);
    return true;
  }

  // What comes between a turn and the model's: written by the turn before.
  Status Transition(size_t index) {
    if (index + 1 < turns_.size()) {
      const Role next = turns_[index + 1].role;
      if (next != Role::kAssistant && next != Role::kReminder) return Status();
    }
    const Turn& turn = turns_[index];
    if (turn.task) return Task(turn);
    if (!turn.IsUser()) return Status();
    prompt_->Template(kAssistantText);
    const bool thinks =
        mode_.thinking &&
        (!mode_.drop_reasoning || static_cast<ptrdiff_t>(index) >= last_user_);
    prompt_->Template(thinks ? kThinkText : kThinkEndText);
    return Status();
  }

  Status Task(const Turn& turn) {
    const std::string_view name = turn.task.text();
    for (const TaskText& task : kTaskTexts) {
      if (task.name != name) continue;
      if (name == "action") {
        prompt_->Template(kAssistantText);
        prompt_->Template(mode_.thinking ? kThinkText : kThinkEndText);
      }
      prompt_->Template(task.token);
      return Status();
    }
    return InvalidArgument("message %zu has the unknown task \"%.*s\"",
                           turn.number, PrintLength(name), name.data());
  }

  const Conversation& conversation_;
  const Vector<Turn>& turns_;
  const ChatMode& mode_;
  const TurnTokens& turn_tokens_;
  Memory* memory_;
  Prompt* prompt_;
  const ptrdiff_t last_user_;
};

}  // namespace

Status RenderTurns(const Conversation& conversation, const ChatMode& mode,
                   const TurnTokens& turn_tokens, Memory* memory,
                   Prompt* prompt) {
  Renderer renderer(conversation, mode, turn_tokens, memory, prompt);
  for (size_t i = 0; i < conversation.turns().size(); ++i) {
    if (conversation.turns()[i].in_context) continue;
    BALEEN_RETURN_IF_ERROR(renderer.Render(i));
  }
  return Status();
}

}  // namespace baleen
