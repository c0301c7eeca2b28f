// The way into the CPU backend, for programs that have it linked in.
#pragma once

#include <baleen/backend.h>

extern "C" const baleen_backend* baleen_cpu_backend_entry(
    const baleen_host* host);
