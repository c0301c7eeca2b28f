// How tokens are chosen, from the command line; see sampling.h.
#include "sampling.h"

namespace tool {

void AddGenerationOptions(CLI::App* command, GenerationOptions* options) {
  baleen_sampling& sampling = options->sampling;
  command
      ->add_option_function<float>(
          "--temperature",
          [options](float temperature) {
            // Zero is "as the authors advise" in the library, but greedy to
            // everyone who types it.
            options->sampling.temperature = temperature;
            options->greedy = options->greedy || temperature == 0;
          },
          "How much chance; 0: always the likeliest token")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--greedy", options->greedy,
                    "Always choose the likeliest token");
  command
      ->add_option("--top-p", sampling.top_p,
                   "Keep the likeliest tokens that make up this much")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--min-p", sampling.min_p,
                   "Keep tokens this likely relative to the likeliest")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--top-k", sampling.top_k, "Keep this many tokens");
  command
      ->add_option("--repeat-penalty", sampling.repeat_penalty,
                   "Make tokens that occurred lately less likely")
      ->check(CLI::PositiveNumber);
  command->add_option("--repeat-window", sampling.repeat_window,
                      "How many tokens count as lately; 256 if not given");
  command->add_option("-n,--max-tokens", options->max_tokens,
                      "Stop after this many tokens; 0: at the end only");
  command
      ->add_option("--stop", options->stops,
                   "Stop before this text; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
}

baleen_generation MakeGeneration(GenerationOptions* options,
                                 std::vector<const char*>* stops) {
  stops->clear();
  for (const std::string& stop : options->stops) stops->push_back(stop.c_str());
  options->sampling.struct_size = sizeof options->sampling;
  options->sampling.flags = options->greedy ? BALEEN_SAMPLING_GREEDY : 0;
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.sampling = &options->sampling;
  generation.stops = stops->data();
  generation.stop_count = static_cast<uint32_t>(stops->size());
  generation.max_tokens = options->max_tokens;
  return generation;
}

const char* DescribeFinish(baleen_finish finish) {
  switch (finish) {
    case BALEEN_FINISH_END:
      return "the model ended its turn";
    case BALEEN_FINISH_LIMIT:
      return "the limit of tokens was reached";
    case BALEEN_FINISH_STOP:
      return "a stop text came";
    case BALEEN_FINISH_CALLBACK:
      return "the output could not be written";
    case BALEEN_FINISH_FULL:
      return "the session is full";
    case BALEEN_FINISH_TOOL_CALL:
      return "the model called a tool";
    default:
      return "nothing was generated";
  }
}

}  // namespace tool
