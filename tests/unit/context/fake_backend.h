// Backends for the tests of lib/context: one that stands in for the CPU, and
// variants that are wrong in one way each.
#pragma once

#include <baleen/backend.h>

namespace baleen {

// "fake": two devices.  Device 0 asks for the setting "fake.speed" when it is
// opened and refuses the value "never"; device 1 lacks a required function.
const baleen_backend* FakeEntry(const baleen_host* host);
// Was built for the next major version.
const baleen_backend* NewerEntry(const baleen_host* host);
// Finds nothing, and says why.
const baleen_backend* AbsentEntry(const baleen_host* host);
// Its table ends before device_close.
const baleen_backend* ShortEntry(const baleen_host* host);

// How many devices of FakeEntry are open.
int OpenFakeDevices();

}  // namespace baleen
