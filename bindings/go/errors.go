package baleen

// What calls come to: a status for errors.Is, a sentence for people, and the
// context's error where that ended the call.

// #include <baleen/baleen.h>
import "C"

import (
	"context"
	"errors"
)

// ErrClosed is what methods of a closed Engine, Model, Session or Reply return.
var ErrClosed = errors.New("baleen: used after Close")

// Status is what a call came to.  It is an error, for use with errors.Is:
//
//	if errors.Is(err, baleen.StatusSessionFull) { ... }
type Status int32

// The ways to fail.  Later versions may add some.
const (
	StatusInternal        Status = C.BALEEN_INTERNAL         // A bug in the library.
	StatusInvalidArgument Status = C.BALEEN_INVALID_ARGUMENT // A bug in the calling program.
	StatusOutOfMemory     Status = C.BALEEN_OUT_OF_MEMORY    // Of the host or a device.
	StatusNotFound        Status = C.BALEEN_NOT_FOUND        // No such file, device, token or name.
	StatusIO              Status = C.BALEEN_IO               // The system refused a read or write.
	StatusCorrupt         Status = C.BALEEN_CORRUPT          // A file, state or reply is malformed.
	StatusUnsupported     Status = C.BALEEN_UNSUPPORTED      // Not by this build, model or device.
	StatusSessionFull     Status = C.BALEEN_SESSION_FULL     // No room for another token.
	StatusCancelled       Status = C.BALEEN_CANCELLED        // Somebody asked for it.
	StatusBusy            Status = C.BALEEN_BUSY             // In use by another goroutine or session.
	StatusDeviceLost      Status = C.BALEEN_DEVICE_LOST      // It failed; close what lives on it.
)

// Error is the name that C knows the status by, such as "BALEEN_NOT_FOUND".
func (s Status) Error() string {
	return C.GoString(C.baleen_status_name(C.baleen_status(s)))
}

// Error is why a call failed.
type Error struct {
	Status  Status
	Message string // One sentence of plain English.
	cause   error  // The context's error, if that ended the call.
}

// Error is the message.
func (e *Error) Error() string {
	return "baleen: " + e.Message
}

// Is makes an Error match its Status.
func (e *Error) Is(target error) bool {
	return target == error(e.Status)
}

// Unwrap is the error of the context that ended the call, or nil.
func (e *Error) Unwrap() error {
	return e.cause
}

func busy(what string) error {
	return &Error{Status: StatusBusy,
		Message: "The " + what + " is in use by another goroutine."}
}

// check makes an error of what a call returned and wrote.
func check(status C.baleen_status, failure *C.baleen_error) error {
	if status == C.BALEEN_OK {
		return nil
	}
	return &Error{Status: Status(status),
		Message: C.GoString(&failure.message[0])}
}

// withCause says that the end of ctx was why the call was cancelled.
func withCause(err error, ctx context.Context) error {
	var failure *Error
	if errors.As(err, &failure) && failure.Status == StatusCancelled {
		failure.cause = ctx.Err()
	}
	return err
}
