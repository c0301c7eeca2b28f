package baleen

// Saved states.

// #include <baleen/baleen.h>
import "C"

import (
	"context"
	"unsafe"
)

// Save is the session's state, for Load with the same model, on any device, by
// this and any later version of the same major number.
func (s *Session) Save(ctx context.Context) ([]byte, error) {
	return s.SaveWindow(ctx, WindowDefault)
}

// SaveWindow is Save with at most these states of the attention window.
func (s *Session) SaveWindow(ctx context.Context, window Window) ([]byte,
	error) {
	var options C.baleen_save_options
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	options.window = C.baleen_window(window)
	var state []byte
	var failed error
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		state, failed = filled(0, func(buffer *byte, capacity C.size_t,
			size *C.size_t, failure *C.baleen_error) C.baleen_status {
			return C.baleen_session_save(s.handle, &options,
				unsafe.Pointer(buffer), capacity, size, failure)
		})
		return C.BALEEN_OK
	})
	if err == nil {
		err = withCause(failed, ctx)
	}
	return state, err
}

// Load replaces the session's state by a saved one.  Bytes that were changed
// are refused with StatusCorrupt.
func (s *Session) Load(state []byte) error {
	return s.call(context.Background(), func(
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_load(s.handle, unsafe.Pointer(first(state)),
			C.size_t(len(state)), failure)
	})
}

// withPath does what takes a path.
func (s *Session) withPath(ctx context.Context, path string,
	body func(*C.char, *C.baleen_error) C.baleen_status) error {
	var lent arena
	defer lent.free()
	text, err := lent.name("the path", path)
	if err != nil {
		return err
	}
	return s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return body(text, failure)
	})
}

// SaveFile is Save to a file, which has the old bytes or the new ones, whatever
// happens meanwhile.
func (s *Session) SaveFile(ctx context.Context, path string) error {
	return s.withPath(ctx, path, func(path *C.char,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_save_file(s.handle, nil, path, failure)
	})
}

// LoadFile reads what SaveFile wrote.
func (s *Session) LoadFile(path string) error {
	return s.withPath(context.Background(), path, func(path *C.char,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_load_file(s.handle, path, failure)
	})
}

// Evict writes the state to the engine's StatePath and frees its memory; the
// next call that needs it brings it back.
func (s *Session) Evict() error {
	return s.call(context.Background(), func(
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_evict(s.handle, failure)
	})
}
