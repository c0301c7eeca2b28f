// Put before the operators' tests to run them, as they are, on a CUDA device, be
// it emulated: where they open the CPU backend, they get this one.
#pragma once

#define baleen_cpu_backend_entry baleen_cuda_test_entry
