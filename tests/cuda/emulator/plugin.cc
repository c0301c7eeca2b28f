// The emulated device as a plug-in, for what goes through the public interface.
#include <baleen/backend.h>

extern "C" const baleen_backend* baleen_cuda_emulated_entry(
    const baleen_host* host);
extern "C" BALEEN_API const baleen_backend* baleen_backend_entry(
    const baleen_host* host);

const baleen_backend* baleen_backend_entry(const baleen_host* host) {
  return baleen_cuda_emulated_entry(host);
}
