// What every entry of the library is wrapped in.
//
// Inside, the floating-point mode is the default one; no exception gets out;
// and a failure is copied to the caller's baleen_error.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>

#include <baleen/baleen.h>

#include "base/status.h"
#include "numeric/float_mode.h"

namespace baleen {

// `body` returns a Status.
template <typename Body>
baleen_status Guard(baleen_error* error, Body&& body) noexcept {
  const DefaultFloatMode float_scope;
  try {
    return body().CopyTo(error);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("the host has no memory left for this call")
        .CopyTo(error);
  } catch (const std::length_error&) {
    return OutOfMemory("this call needs more memory than can be addressed")
        .CopyTo(error);
  } catch (const std::exception& exception) {
    return Internal("a bug in the library: %s", exception.what()).CopyTo(error);
  } catch (...) {
    return Internal("a bug in the library: an unknown exception").CopyTo(error);
  }
}

// For entries that return something else than a status: `failed` if `body`
// throws.
template <typename T, typename Body>
T GuardValue(T failed, Body&& body) noexcept {
  const DefaultFloatMode float_scope;
  try {
    return body();
  } catch (...) {
    return failed;
  }
}

}  // namespace baleen
