package baleen

// The functions that C calls.  This file's preamble may only declare, since
// what it holds is compiled twice.

// #include <baleen/baleen.h>
import "C"

import (
	"context"
	"unsafe"
)

// guard keeps a panic of the caller's function from passing through C.
type guard struct {
	failed any
}

// run calls the function unless one has panicked already, and tells whether
// all is well.
func (g *guard) run(function func()) bool {
	if g.failed != nil {
		return false
	}
	defer func() { g.failed = recover() }()
	function()
	return true
}

// repanic goes on with what was held back.
func (g *guard) repanic() {
	if g.failed != nil {
		panic(g.failed)
	}
}

// watcher is told of the progress of a long call.
type watcher struct {
	guard
	ctx    context.Context
	report func(done, total uint64)
}

// listener receives pieces.
type listener struct {
	guard
	hear func(Piece) error
	err  error
}

// editor changes logits.
type editor struct {
	guard
	edit func(logits []float32)
}

//export baleenGoLog
func baleenGoLog(user unsafe.Pointer, level C.baleen_log_level,
	message *C.char) {
	called(user).(func(LogLevel, string))(LogLevel(level), C.GoString(message))
}

//export baleenGoProgress
func baleenGoProgress(user unsafe.Pointer, done, total C.uint64_t) C.int32_t {
	w := called(user).(*watcher)
	well := w.run(func() {
		if w.report != nil {
			w.report(uint64(done), uint64(total))
		}
	})
	if !well || w.failed != nil || w.ctx != nil && w.ctx.Err() != nil {
		return 1
	}
	return 0
}

//export baleenGoPiece
func baleenGoPiece(user unsafe.Pointer, piece *C.baleen_piece) C.int32_t {
	l := called(user).(*listener)
	if l.err == nil {
		l.run(func() { l.err = l.hear(newPiece(piece)) })
	}
	if l.failed != nil || l.err != nil {
		return 1
	}
	return 0
}

//export baleenGoEdit
func baleenGoEdit(user unsafe.Pointer, logits *C.float, count C.size_t) {
	e := called(user).(*editor)
	e.run(func() {
		e.edit(unsafe.Slice((*float32)(unsafe.Pointer(logits)), int(count)))
	})
}
