// baleen.hpp - baleen.h for C++17 and later: handles that give themselves back,
// exceptions, and strings.
//
// SPDX-License-Identifier: MIT
//
//   baleen::Context context;
//   baleen::Model model = context.Load("/models/DeepSeek-V4-Flash");
//   baleen::Session session = model.NewSession();
//   session.Append(model.EncodeChat({baleen::Message::User("Who are you?")}));
//   session.Generate({}, [](const baleen::Piece& piece) {
//     std::cout << piece.text << std::flush;
//   });
//
// What the calls do is told in baleen.h, whose rules hold.  What is different:
//
// Failures   A call that fails throws an Error, unless its last argument points
//            to one: then it fills that in, and returns nothing of use.  Where
//            exceptions are disabled, that argument must be given.  Memory of
//            C++'s own that runs out is std::bad_alloc, as everywhere.
// Handles    Context and Model are copied cheaply; all copies are the same one.
//            Session and Reply can only be moved.  They are destroyed in any
//            order.  What was moved from, or could not be made, is empty: it
//            converts to false, and its calls fail with kInvalidArgument.
// Options    Structs whose members have the defaults.  What they point to or
//            view is needed during the call, except where it says otherwise.
// Callbacks  Any callable.  Those that answer return true to go on; those of
//            Generate may return void.  An exception in one ends the call and
//            comes out of it, except in a log, where it is lost.
// The rest   get() gives the handle to what is not here.
//
// Nothing in here has a name that the library's own code has, so that it may be
// linked statically.
#pragma once

#include "hpp/context.hpp"
#include "hpp/error.hpp"
#include "hpp/message.hpp"
#include "hpp/model.hpp"
#include "hpp/reply.hpp"
#include "hpp/sampling.hpp"
#include "hpp/session.hpp"
#include "hpp/span.hpp"
#include "hpp/steps.hpp"
#include "hpp/token_stream.hpp"
