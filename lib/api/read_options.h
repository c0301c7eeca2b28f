// Reads and checks the options that several entries take.
#pragma once

#include <baleen/baleen.h>

#include "api/options.h"
#include "base/status.h"

namespace baleen {

// The given structs may be NULL: all defaults.
Status ReadModelOptions(const baleen_model_options* given,
                        baleen_model_options* options);
Status ReadSessionOptions(const baleen_session_options* given,
                          baleen_session_options* options);
// Of a session that samples.  What depends on the vocabulary is checked when a
// token is chosen.
Status ReadSampling(const baleen_sampling* given, baleen_sampling* sampling);
Status ReadSaveOptions(const baleen_save_options* given,
                       baleen_save_options* options);

}  // namespace baleen
