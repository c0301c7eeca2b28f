// Package baleen runs DeepSeek-V4 language models inside a Go program.
//
// It is a thin layer over Baleen's C interface, whose manual is the header
// baleen.h; names and rules are the same unless said otherwise here.
//
// An Engine is what the whole process shares (the C interface calls it a
// context, which in Go is something else).  It loads a Model, a set of weights
// and its tokenizer.  A Session is one sequence of tokens and what the model
// remembers of it.  A Reply reads one turn of the model back into thinking,
// answer and tool calls.
//
// # Memory
//
// What the library holds is no concern of Go's garbage collector: close each
// Engine, Model, Session and Reply when you are done with it.  The order does
// not matter, since each keeps alive what it was made from.  A method of
// something closed returns ErrClosed.  Everything that methods return is a copy
// and yours.
//
// # Goroutines
//
// Methods of Engine and Model may be called at any time.  In a Session or Reply
// one call may be at work at a time; a second one fails with StatusBusy.  Close
// ends the call that is at work and waits for it.
//
// # Cancelling
//
// What takes long takes a context.Context.  When that is done, the call ends
// within about one layer of one chunk, and its error is context.Canceled or
// context.DeadlineExceeded as well as StatusCancelled, as errors.Is sees it.
// The session stays usable, and keeps the tokens it has read by then.
//
// # Panics
//
// A panic in a function that you passed here ends the call, and goes on when
// the library has returned.  Only one in EngineOptions.Log, which may run on a
// thread of the library, ends the program.
package baleen

// #cgo pkg-config: baleen
// #include <baleen/baleen.h>
import "C"

// Version is the version of the library that is running, such as "1.4.2".
func Version() string {
	return C.GoString(C.baleen_version_string())
}

// VersionNumber is the same as major * 10000 + minor * 100 + patch.
func VersionNumber() int {
	return int(C.baleen_version())
}

// HasFeature tells whether the library can do what the name stands for; Baleen's
// docs/features.md lists the names.
func HasFeature(name string) bool {
	var lent arena
	defer lent.free()
	text, err := lent.name("a feature's name", name)
	return err == nil && C.baleen_has_feature(text) != 0
}
