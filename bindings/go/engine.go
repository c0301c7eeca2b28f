package baleen

// What the whole process shares.

/*
#include <baleen/baleen.h>
extern void baleenGoLog(void* user, baleen_log_level level, char* message);
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// LogLevel is how much the log tells.
type LogLevel int32

// The levels.  LogOff is the default.
const (
	LogOff     LogLevel = C.BALEEN_LOG_OFF
	LogError   LogLevel = C.BALEEN_LOG_ERROR
	LogWarning LogLevel = C.BALEEN_LOG_WARNING
	LogInfo    LogLevel = C.BALEEN_LOG_INFO
	LogDebug   LogLevel = C.BALEEN_LOG_DEBUG
)

// EngineOptions say how to make an Engine.  Zero values are the defaults.
type EngineOptions struct {
	Threads  int // 0: one for each core that this process may use.
	LogLevel LogLevel
	// Log receives the lines of the log, from any goroutine and also from
	// threads of the library, so it must not panic.
	Log func(level LogLevel, message string)
	// Plugins says to load the backend plug-ins in BackendPath, or beside the
	// library if that is empty; otherwise there are only those built into it.
	Plugins     bool
	BackendPath string
	// StateMemoryLimit is the most bytes that the states of all sessions take,
	// of the host; 0: no limit.  The states of idle sessions go to the folder
	// StatePath when it is reached.
	StateMemoryLimit uint64
	StatePath        string
}

// Engine is what the whole process shares: devices and worker threads.
type Engine struct {
	lock   sync.RWMutex
	handle *C.baleen_context
	hooks  *hooks
}

// hooks are what the library may call as long as anything made from the engine
// lives, however long ago the engine itself was closed.
type hooks struct {
	users int32
	log   *callback
}

func (h *hooks) retain() *hooks {
	atomic.AddInt32(&h.users, 1)
	return h
}

func (h *hooks) release() {
	if atomic.AddInt32(&h.users, -1) == 0 && h.log != nil {
		h.log.free()
	}
}

// NewEngine makes an Engine.  The options may be nil.
func NewEngine(options *EngineOptions) (*Engine, error) {
	var lent arena
	defer lent.free()
	if options == nil {
		options = &EngineOptions{}
	}
	c := &lend[C.baleen_context_options](&lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.thread_count = C.uint32_t(options.Threads)
	c.log_level = C.baleen_log_level(options.LogLevel)
	c.state_memory_limit = C.uint64_t(options.StateMemoryLimit)
	var err error
	if options.Plugins || options.BackendPath != "" {
		c.backend_path, err = lent.name("BackendPath", options.BackendPath)
		if err != nil {
			return nil, err
		}
	}
	c.state_path, err = lent.optional("StatePath", options.StatePath)
	if err != nil {
		return nil, err
	}
	hooks := (&hooks{}).retain()
	if options.Log != nil {
		log := newCallback(options.Log)
		hooks.log = &log
		c.log = C.baleen_log_fn(C.baleenGoLog)
		c.log_user_data = log.cell
	}
	engine := &Engine{hooks: hooks}
	var failure C.baleen_error
	status := C.baleen_context_create(c, &engine.handle, &failure)
	if err := check(status, &failure); err != nil {
		hooks.release()
		return nil, err
	}
	return engine, nil
}

// Close gives the engine back.  What was made from it stays usable.
func (e *Engine) Close() error {
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.handle == nil {
		return ErrClosed
	}
	C.baleen_context_release(e.handle)
	e.handle = nil
	e.hooks.release()
	return nil
}

// use keeps the engine open until done is called.
func (e *Engine) use() (done func(), err error) {
	e.lock.RLock()
	if e.handle == nil {
		e.lock.RUnlock()
		return nil, ErrClosed
	}
	return e.lock.RUnlock, nil
}

// LoadBackend loads a backend plug-in by its absolute path.  Its devices come
// after those already there.
func (e *Engine) LoadBackend(path string) error {
	done, err := e.use()
	if err != nil {
		return err
	}
	defer done()
	var lent arena
	defer lent.free()
	text, err := lent.name("the path", path)
	if err != nil {
		return err
	}
	var failure C.baleen_error
	return check(C.baleen_context_load_backend(e.handle, text, &failure),
		&failure)
}

// Device is something that computes.
type Device struct {
	Backend       string // "cpu", "cuda", ...
	Name          string // "NVIDIA H200", ...
	MemoryTotal   uint64 // Bytes; 0 if the device does not say.
	MemoryFree    uint64
	UnifiedMemory bool // Shares its memory with the host.
}

// Devices lists the devices.  The first is the CPU.
func (e *Engine) Devices() ([]Device, error) {
	done, err := e.use()
	if err != nil {
		return nil, err
	}
	defer done()
	devices := make([]Device, C.baleen_context_device_count(e.handle))
	for i := range devices {
		var info C.baleen_device_info
		info.struct_size = C.uint32_t(unsafe.Sizeof(info))
		var failure C.baleen_error
		status := C.baleen_context_device_info(e.handle, C.uint32_t(i), &info,
			&failure)
		if err := check(status, &failure); err != nil {
			return nil, err
		}
		devices[i] = Device{
			Backend:       C.GoString(&info.backend[0]),
			Name:          C.GoString(&info.name[0]),
			MemoryTotal:   uint64(info.memory_total),
			MemoryFree:    uint64(info.memory_free),
			UnifiedMemory: info.flags&C.BALEEN_DEVICE_UNIFIED_MEMORY != 0,
		}
	}
	return devices, nil
}
