// The words of the prompt template, as DeepSeek's encoder has them (text.md
// §1.1, §1.5, §1.6, §1.9).  Every byte counts: the models saw no others.
#pragma once

#include <string_view>

namespace baleen {

inline constexpr std::string_view kBeginText = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEndText = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kUserText = "<｜User｜>";
inline constexpr std::string_view kAssistantText = "<｜Assistant｜>";
inline constexpr std::string_view kReminderText = "<｜latest_reminder｜>";
inline constexpr std::string_view kThinkText = "<think>";
inline constexpr std::string_view kThinkEndText = "</think>";
inline constexpr std::string_view kDsmlText = "｜DSML｜";

// Tasks whose answer follows their token; "action" has a turn of its own.
struct TaskText {
  std::string_view name;
  std::string_view token;
};
inline constexpr TaskText kTaskTexts[] = {
    {"action", "<｜action｜>"},       {"query", "<｜query｜>"},
    {"authority", "<｜authority｜>"}, {"domain", "<｜domain｜>"},
    {"title", "<｜title｜>"},         {"read_url", "<｜read_url｜>"},
};

// What preview says for "max" and GA for "high".
inline constexpr std::string_view kEffortAbsolute =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose "
    "the problem to resolve the root cause, rigorously stress-testing your "
    "logic against all potential paths, edge cases, and adversarial "
    "scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every "
    "intermediate step, considered alternative, and rejected hypothesis to "
    "ensure absolutely no assumption is left unchecked.\n\n";

// What GA says for "max".
inline constexpr std::string_view kEffortBeyond =
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and "
    "uncompromising.\n"
    "You MUST reason with the utmost depth and rigor, leaving absolutely "
    "nothing to chance: exhaustively decompose the problem into its most "
    "fundamental components, trace every causal chain to its root, and resolve "
    "the underlying cause rather than any surface symptom.\n"
    "Do not stop reasoning until you have independently verified the solution "
    "from multiple angles and are certain that no assumption remains unchecked "
    "and no error remains undiscovered.\n\n";

// Before and behind the schemas of the tools, one a line.
inline constexpr std::string_view kToolsBefore =
    "## Tools\n\n"
    "You have access to a set of tools to help answer the user's question. You "
    "can invoke tools by writing a \"<｜DSML｜tool_calls>\" block like the "
    "following:\n\n"
    "<｜DSML｜tool_calls>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME\">\n"
    "<｜DSML｜parameter name=\"$PARAMETER_NAME\" "
    "string=\"true|false\">$PARAMETER_VALUE</｜DSML｜parameter>\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME2\">\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>\n\n"
    "String parameters should be specified as is and set `string=\"true\"`. "
    "For "
    "all other types (numbers, booleans, arrays, objects), pass the value in "
    "JSON format and set `string=\"false\"`.\n\n"
    "If thinking_mode is enabled (triggered by <think>), you MUST output your "
    "complete reasoning inside <think>...</think> BEFORE any tool calls or "
    "final response.\n\n"
    "Otherwise, output directly after </think> with tool calls or final "
    "response.\n\n"
    "### Available Tool Schemas\n\n";
inline constexpr std::string_view kToolsBehind =
    "\n\nYou MUST strictly follow the above defined tool name and parameter "
    "schemas to invoke tool calls.\n";

// Before the schema of the answer.
inline constexpr std::string_view kResponseFormatBefore =
    "## Response Format:\n\n"
    "You MUST strictly adhere to the following schema to reply:\n";

}  // namespace baleen
