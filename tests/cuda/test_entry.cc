// A CUDA device, emulated or not, as the operators' tests ask for it: by the
// setting cpu.isa.  Those tests run once for each instruction set; here there is
// one device, which answers to the first.
#include <cstdlib>
#include <cstring>

#include <baleen/backend.h>

// Whose devices are tested.
extern "C" const baleen_backend* BALEEN_CUDA_TESTED_ENTRY(
    const baleen_host* host);
extern "C" const baleen_backend* baleen_cuda_test_entry(
    const baleen_host* host);

namespace {

const baleen_device_table* own_table = nullptr;
baleen_device_table answering_table;

// The tests want to know that the instruction set asked for is what runs.
baleen_status QueryAsReference(baleen_device* device, baleen_op op,
                               const void* args, baleen_op_needs* needs) {
  const baleen_status status = own_table->query(device, op, args, needs);
  if (status == BALEEN_OK) needs->implementation = "reference";
  return status;
}

// A setting of what is tested, as the environment has it: NAME=VALUE.
constexpr char kSettingVariable[] = "BALEEN_CUDA_TEST_SETTING";
const char* SettingOf(void*, const char* name) {
  const char* const set = std::getenv(kSettingVariable);
  const size_t size = std::strlen(name);
  return set != nullptr && std::strncmp(set, name, size) == 0 &&
                 set[size] == '='
             ? set + size + 1
             : nullptr;
}

const baleen_backend* tested = nullptr;
baleen_backend answering;
baleen_host set_host;

baleen_status OpenOnce(const baleen_host* host, uint32_t index,
                       baleen_device** device,
                       const baleen_device_table** table) {
  const char* isa = host->setting(host->user_data, "cpu.isa");
  if (isa != nullptr && std::strcmp(isa, "reference") != 0) {
    return BALEEN_UNSUPPORTED;
  }
  if (std::getenv(kSettingVariable) != nullptr) {
    set_host = *host;
    set_host.setting = SettingOf;
    host = &set_host;
  }
  const baleen_status status =
      tested->device_open(host, index, device, &own_table);
  if (status != BALEEN_OK) return status;
  answering_table = *own_table;
  answering_table.query = QueryAsReference;
  *table = &answering_table;
  return BALEEN_OK;
}

}  // namespace

const baleen_backend* baleen_cuda_test_entry(const baleen_host* host) {
  tested = BALEEN_CUDA_TESTED_ENTRY(host);
  if (tested == nullptr) return nullptr;
  answering = *tested;
  answering.device_open = OpenOnce;
  return &answering;
}
