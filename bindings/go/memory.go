package baleen

// What is lent to C and copied back, in one place, since cgo's rules about
// pointers are easy to break: C gets no pointer to Go memory that has pointers.

// #include <stdlib.h>
// #include <baleen/baleen.h>
import "C"

import (
	"runtime/cgo"
	"strings"
	"unsafe"
)

// arena holds what is lent to C for one call.  C may not keep pointers into
// Go's memory within Go's memory, so structs with pointers are built here.
type arena struct {
	blocks    []unsafe.Pointer
	callbacks []callback
}

func (a *arena) free() {
	for _, block := range a.blocks {
		C.free(block)
	}
	for _, c := range a.callbacks {
		c.free()
	}
}

// lend makes room for count values, all zero; nil if there are none.
func lend[T any](a *arena, count int) []T {
	if count == 0 {
		return nil
	}
	var zero T
	block := C.calloc(C.size_t(count), C.size_t(unsafe.Sizeof(zero)))
	if block == nil {
		panic("baleen: out of memory")
	}
	a.blocks = append(a.blocks, block)
	return unsafe.Slice((*T)(block), count)
}

// lendCopy lends a copy of values; nil if there are none.
func lendCopy[To, From any](a *arena, values []From) *To {
	copied := lend[From](a, len(values))
	copy(copied, values)
	return (*To)(unsafe.Pointer(first(copied)))
}

// text lends text of any bytes; never nil.
func (a *arena) text(text string) (*C.char, C.size_t) {
	bytes := lend[byte](a, len(text)+1)
	copy(bytes, text)
	return (*C.char)(unsafe.Pointer(&bytes[0])), C.size_t(len(text))
}

// name lends text that ends in NUL, which must therefore hold none.
func (a *arena) name(what, text string) (*C.char, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, &Error{Status: StatusInvalidArgument,
			Message: "There is a NUL in " + what + "."}
	}
	lent, _ := a.text(text)
	return lent, nil
}

// optional is name, but nil for an empty text.
func (a *arena) optional(what, text string) (*C.char, error) {
	if text == "" {
		return nil, nil
	}
	return a.name(what, text)
}

// callback lends a Go value to C: what goes through C is a pointer to its
// handle, in C's memory.
func (a *arena) callback(value any) unsafe.Pointer {
	c := newCallback(value)
	a.callbacks = append(a.callbacks, c)
	return c.cell
}

type callback struct {
	handle cgo.Handle
	cell   unsafe.Pointer
}

func newCallback(value any) callback {
	handle := cgo.NewHandle(value)
	cell := C.malloc(C.size_t(unsafe.Sizeof(handle)))
	*(*cgo.Handle)(cell) = handle
	return callback{handle, cell}
}

func (c callback) free() {
	c.handle.Delete()
	C.free(c.cell)
}

// called is the value that a callback was made of.
func called(cell unsafe.Pointer) any {
	return (*(*cgo.Handle)(cell)).Value()
}

func first[T any](values []T) *T {
	if len(values) == 0 {
		return nil
	}
	return &values[0]
}

// tokenPointer is where the tokens lie, which may be Go's memory: they hold no
// pointers.
func tokenPointer(tokens []Token) *C.baleen_token {
	return (*C.baleen_token)(unsafe.Pointer(first(tokens)))
}

// filled calls fill with a buffer, and once more with a larger one if need be.
// That the second call finds its result grown happens only to what another
// goroutine changes meanwhile, and is tried again.
func filled[T any](guess int, fill func(buffer *T, capacity C.size_t,
	count *C.size_t, failure *C.baleen_error) C.baleen_status) ([]T, error) {
	for {
		buffer := make([]T, guess)
		var count C.size_t
		var failure C.baleen_error
		status := fill(first(buffer), C.size_t(guess), &count, &failure)
		if status != C.BALEEN_BUFFER_TOO_SMALL {
			return buffer[:count], check(status, &failure)
		}
		guess = int(count)
	}
}

func flag(set bool, value C.uint32_t) C.uint32_t {
	if set {
		return value
	}
	return 0
}
