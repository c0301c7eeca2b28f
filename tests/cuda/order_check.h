// A device that watches the order in which experts are brought and read.
//
// The emulated device does at once what it is told, so it cannot see a copy that
// overtakes a kernel.  This one keeps for each queue how far it knows the others
// to be, and counts where that is not far enough.
#pragma once

#include <baleen/backend.h>

namespace baleen::test {

struct OrderCheck {
  int placed = 0;    // Experts.
  int read = 0;      // By a product.
  int parts = 0;     // Of steps, which have the device compute staged experts.
  int mistakes = 0;  // Overwritten before read, or read before written.
  // As if queues were not joined.
  bool ignores_joins = false;
};

// Of the device opened last.
OrderCheck& TheOrderCheck();
// The emulated backend, watched.
const baleen_backend* WatchedEntry(const baleen_host* host);

}  // namespace baleen::test
