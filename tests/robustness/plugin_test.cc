// Plug-ins through the public headers: loaded, refused, and a model on a device
// without operators, which runs through the CPU.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <baleen/backend.h>

#include "robustness/pocket.h"

namespace baleen_test {
namespace {

TEST(PluginTest, ItsDevicesComeAfterTheCpu) {
  const ContextPointer context = MakeContext();
  baleen_error error = {};
  ASSERT_EQ(
      baleen_context_load_backend(context.get(), BALEEN_NULL_PLUGIN, &error),
      BALEEN_OK)
      << error.message;
  ASSERT_EQ(baleen_context_device_count(context.get()), 2u);
  baleen_device_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(baleen_context_device_info(context.get(), 1, &info, &error),
            BALEEN_OK);
  EXPECT_STREQ(info.backend, "null");
  ASSERT_EQ(baleen_context_device_info(context.get(), 0, &info, &error),
            BALEEN_OK);
  EXPECT_STREQ(info.backend, "cpu");
}

TEST(PluginTest, OneOfAnotherMajorVersionIsRefused) {
  const ContextPointer context = MakeContext();
  baleen_error error = {};
  EXPECT_EQ(
      baleen_context_load_backend(context.get(), BALEEN_NEWER_PLUGIN, &error),
      BALEEN_UNSUPPORTED);
  EXPECT_NE(std::string(error.message)
                .find("was built for version 2 of the backend interface"),
            std::string::npos)
      << error.message;
  EXPECT_EQ(baleen_context_device_count(context.get()), 1u);
}

TEST(PluginTest, RefusesAHostOfAnotherMajorVersion) {
  void* library = dlopen(BALEEN_NULL_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  void* symbol = dlsym(library, BALEEN_BACKEND_ENTRY);
  ASSERT_NE(symbol, nullptr);
  baleen_backend_entry_fn entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof entry);
  baleen_host host = {};
  host.struct_size = sizeof host;
  host.major = BALEEN_BACKEND_MAJOR + 1;
  EXPECT_EQ(entry(&host), nullptr);
}

TEST(PluginTest, AFileThatIsNoneIsRefused) {
  const ContextPointer context = MakeContext();
  baleen_error error = {};
  EXPECT_EQ(
      baleen_context_load_backend(context.get(), "/no/such/plugin.so", &error),
      BALEEN_NOT_FOUND);
  EXPECT_EQ(baleen_context_load_backend(context.get(), "plugin.so", &error),
            BALEEN_INVALID_ARGUMENT);
}

TEST(PluginTest, AModelOnADeviceWithoutOperatorsRunsThroughTheCpu) {
  const ContextPointer context = MakeContext();
  baleen_error error = {};
  ASSERT_EQ(
      baleen_context_load_backend(context.get(), BALEEN_NULL_PLUGIN, &error),
      BALEEN_OK);
  const ModelPointer on_cpu = LoadPocket(context.get());
  const uint32_t device = 1;
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.devices = &device;
  options.device_count = 1;
  const ModelPointer on_null = LoadPocket(context.get(), &options);
  ASSERT_TRUE(on_null != nullptr);
  const std::vector<baleen_token> prompt = Prompt(on_cpu.get(), 150);
  for (const baleen_mode mode : {BALEEN_MODE_FAST, BALEEN_MODE_REFERENCE}) {
    baleen_session_options session_options = SessionOptions();
    session_options.mode = mode;
    const SessionPointer one = MakeSession(on_cpu.get(), &session_options);
    const SessionPointer other = MakeSession(on_null.get(), &session_options);
    ASSERT_TRUE(one != nullptr && other != nullptr);
    for (baleen_session* session : {one.get(), other.get()}) {
      ASSERT_EQ(
          baleen_session_append(session, prompt.data(), prompt.size(), &error),
          BALEEN_OK)
          << error.message;
    }
    EXPECT_EQ(Logits(one.get()), Logits(other.get()));
  }
}

}  // namespace
}  // namespace baleen_test
