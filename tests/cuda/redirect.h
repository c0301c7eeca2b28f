// Put before the operators' tests to run them, as they are, on the emulated
// device: where they open the CPU backend, they get this one.
#pragma once

#define baleen_cpu_backend_entry baleen_cuda_test_entry
