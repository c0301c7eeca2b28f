package baleen

// Saved states.

/*
#include <baleen/baleen.h>
extern int32_t baleenGoProgress(void* user, uint64_t done, uint64_t total);
*/
import "C"

import (
	"context"
	"unsafe"
)

// SaveOptions say how to save a state.  Zero values are the defaults.
type SaveOptions struct {
	Window   Window                   // At most what the session keeps.
	Progress func(done, total uint64) // Told of the bytes that are done.
}

// saving lends options to C; the watcher holds a panic of their function.
func (s *Session) saving(ctx context.Context, options *SaveOptions,
	body func(*C.baleen_save_options, *C.baleen_error) C.baleen_status) error {
	var lent arena
	defer lent.free()
	c := &lend[C.baleen_save_options](&lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	w := &watcher{ctx: ctx}
	if options != nil {
		c.window = C.baleen_window(options.Window)
		w.report = options.Progress
	}
	c.progress = C.baleen_progress_fn(C.baleenGoProgress)
	c.progress_user_data = lent.callback(w)
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return body(c, failure)
	})
	w.repanic()
	return err
}

// Save is the session's state, for Load with the same model, on any device, by
// this and any later version of the same major number.  The options may be nil.
func (s *Session) Save(ctx context.Context, options *SaveOptions) ([]byte,
	error) {
	var state []byte
	err := s.saving(ctx, options, func(c *C.baleen_save_options,
		failure *C.baleen_error) C.baleen_status {
		var size C.size_t
		for {
			status := C.baleen_session_save(s.handle, c,
				unsafe.Pointer(first(state)), C.size_t(len(state)), &size,
				failure)
			if status != C.BALEEN_BUFFER_TOO_SMALL {
				return status
			}
			state = make([]byte, size)
		}
	})
	if err != nil {
		return nil, err
	}
	return state, nil
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

// SaveFile is Save to a file, which has the old bytes or the new ones, whatever
// happens meanwhile.  The options may be nil.
func (s *Session) SaveFile(ctx context.Context, path string,
	options *SaveOptions) error {
	var lent arena
	defer lent.free()
	text, err := lent.name("the path", path)
	if err != nil {
		return err
	}
	return s.saving(ctx, options, func(c *C.baleen_save_options,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_save_file(s.handle, c, text, failure)
	})
}

// LoadFile reads what SaveFile wrote.
func (s *Session) LoadFile(path string) error {
	var lent arena
	defer lent.free()
	text, err := lent.name("the path", path)
	if err != nil {
		return err
	}
	return s.call(context.Background(), func(
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_load_file(s.handle, text, failure)
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
