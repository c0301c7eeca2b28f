package baleen

// Weights and a tokenizer: loading, packing, and what they are.

/*
#include <baleen/baleen.h>
extern int32_t baleenGoProgress(void* user, uint64_t done, uint64_t total);
*/
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// Token is an index into the vocabulary; NoToken is none.
type Token int32

// NoToken is what Model.FindToken returns for an unknown name.
const NoToken Token = -1

// ModelOptions say how to load a model.  Zero values are the defaults.
type ModelOptions struct {
	TokenizerOnly bool // No weights, so no sessions.
	ShapesOnly    bool // No weights; sessions take memory and compute nothing.
	Verify        bool // Check every weight; slow.
	LockMemory    bool // Keep the weights out of swap.
	Repack        bool // Copy the weights to the fast layout in memory.
	FetchExperts  bool // Bring experts to the device, whatever it takes.
	// Devices to spread the layers over; nil: the library chooses.
	Devices []uint32
	// DeviceMemoryLimit is in bytes of each device; 0: what is free.
	DeviceMemoryLimit uint64
	// Settings are for what is too special for a member here, such as
	// "cpu.isa": "avx2".
	Settings map[string]string
	// Progress is told how many bytes are done.
	Progress func(done, total uint64)
}

// toC lends the options to C, and w as what is told of the progress.
func (o *ModelOptions) toC(lent *arena, w *watcher) (*C.baleen_model_options,
	error) {
	if o == nil {
		o = &ModelOptions{}
	}
	c := &lend[C.baleen_model_options](lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.flags = flag(o.TokenizerOnly, C.BALEEN_MODEL_TOKENIZER_ONLY) |
		flag(o.ShapesOnly, C.BALEEN_MODEL_SHAPES_ONLY) |
		flag(o.Verify, C.BALEEN_MODEL_VERIFY) |
		flag(o.LockMemory, C.BALEEN_MODEL_LOCK_MEMORY) |
		flag(o.Repack, C.BALEEN_MODEL_REPACK) |
		flag(o.FetchExperts, C.BALEEN_MODEL_FETCH_EXPERTS)
	c.devices = lendCopy[C.uint32_t](lent, o.Devices)
	c.device_count = C.uint32_t(len(o.Devices))
	c.device_memory_limit = C.uint64_t(o.DeviceMemoryLimit)
	settings := lend[C.baleen_setting](lent, len(o.Settings))
	i := 0
	for name, value := range o.Settings {
		var err error
		settings[i].name, err = lent.name("a setting", name)
		if err != nil {
			return nil, err
		}
		settings[i].value, err = lent.name("a setting", value)
		if err != nil {
			return nil, err
		}
		i++
	}
	c.settings = first(settings)
	c.setting_count = C.uint32_t(len(settings))
	if w != nil {
		w.report = o.Progress
		c.progress = C.baleen_progress_fn(C.baleenGoProgress)
		c.progress_user_data = lent.callback(w)
	}
	return c, nil
}

// Model is a set of weights and its tokenizer; it never changes.
type Model struct {
	lock   sync.RWMutex
	handle *C.baleen_model
	hooks  *hooks
}

// Load loads the model in a folder or packed file.  The options may be nil.
func (e *Engine) Load(ctx context.Context, path string,
	options *ModelOptions) (*Model, error) {
	model := &Model{hooks: e.hooks}
	err := e.withModel(ctx, path, options, func(path *C.char,
		c *C.baleen_model_options, failure *C.baleen_error) C.baleen_status {
		return C.baleen_model_load(e.handle, path, c, &model.handle, failure)
	})
	if err != nil {
		return nil, err
	}
	model.hooks.retain()
	return model, nil
}

// Pack writes the model in a folder to one file in the fast layout of the
// device that the options name, which Load opens at once.
func (e *Engine) Pack(ctx context.Context, path, packedPath string,
	options *ModelOptions) error {
	var lent arena
	defer lent.free()
	packed, err := lent.name("the path", packedPath)
	if err != nil {
		return err
	}
	return e.withModel(ctx, path, options, func(path *C.char,
		c *C.baleen_model_options, failure *C.baleen_error) C.baleen_status {
		return C.baleen_model_pack(e.handle, path, packed, c, failure)
	})
}

// withModel does what takes a path, options and time.
func (e *Engine) withModel(ctx context.Context, path string,
	options *ModelOptions, body func(*C.char, *C.baleen_model_options,
		*C.baleen_error) C.baleen_status) error {
	if err := ctx.Err(); err != nil {
		return err
	}
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
	w := &watcher{ctx: ctx}
	c, err := options.toC(&lent, w)
	if err != nil {
		return err
	}
	var failure C.baleen_error
	status := body(text, c, &failure)
	w.repanic()
	return withCause(check(status, &failure), ctx)
}

// Close gives the model back.  Its sessions and replies stay usable.
func (m *Model) Close() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.handle == nil {
		return ErrClosed
	}
	C.baleen_model_release(m.handle)
	m.handle = nil
	m.hooks.release()
	return nil
}

// use keeps the model open until done is called.
func (m *Model) use() (done func(), err error) {
	m.lock.RLock()
	if m.handle == nil {
		m.lock.RUnlock()
		return nil, ErrClosed
	}
	return m.lock.RUnlock, nil
}

// Encoder is one of those that write conversations for V4 checkpoints.
type Encoder int32

// The encoders.  EncoderDefault is the checkpoint's own.
const (
	EncoderDefault Encoder = C.BALEEN_ENCODER_DEFAULT
	EncoderPreview Encoder = C.BALEEN_ENCODER_PREVIEW // April 2026.
	EncoderGA      Encoder = C.BALEEN_ENCODER_GA      // Flash-0731, Pro-0813.
)

// ModelInfo tells about a model.
type ModelInfo struct {
	Name             string
	Architecture     string // "deepseek_v4"
	Drafter          string // "mtp", "dspark" or ""
	Encoder          Encoder
	VocabularySize   int
	HiddenSize       int
	LayerCount       int
	WindowLayerCount int // Layers by kind of attention: window only,
	CSALayerCount    int // compressed sparse,
	HCALayerCount    int // heavily compressed.
	DraftLayerCount  int // Layers that guess further tokens; 0: none.
	ExpertCount      int // Routed experts of a layer,
	ExpertsPerToken  int // and how many of them a token visits.
	PositionLimit    uint64
	ParameterCount   uint64
	WeightBytes      uint64 // In the files.
}

// Info tells about the model.
func (m *Model) Info() (ModelInfo, error) {
	done, err := m.use()
	if err != nil {
		return ModelInfo{}, err
	}
	defer done()
	var info C.baleen_model_info
	info.struct_size = C.uint32_t(unsafe.Sizeof(info))
	var failure C.baleen_error
	status := C.baleen_model_get_info(m.handle, &info, &failure)
	if err := check(status, &failure); err != nil {
		return ModelInfo{}, err
	}
	return ModelInfo{
		Name:             C.GoString(&info.name[0]),
		Architecture:     C.GoString(&info.architecture[0]),
		Drafter:          C.GoString(&info.drafter[0]),
		Encoder:          Encoder(info.encoder),
		VocabularySize:   int(info.vocabulary_size),
		HiddenSize:       int(info.hidden_size),
		LayerCount:       int(info.layer_count),
		WindowLayerCount: int(info.window_layer_count),
		CSALayerCount:    int(info.csa_layer_count),
		HCALayerCount:    int(info.hca_layer_count),
		DraftLayerCount:  int(info.draft_layer_count),
		ExpertCount:      int(info.expert_count),
		ExpertsPerToken:  int(info.experts_per_token),
		PositionLimit:    uint64(info.position_limit),
		ParameterCount:   uint64(info.parameter_count),
		WeightBytes:      uint64(info.weight_bytes),
	}, nil
}

// Metadata is the value of a key of the model's configuration as JSON text, and
// whether there is one.
func (m *Model) Metadata(key string) (string, bool) {
	done, err := m.use()
	if err != nil {
		return "", false
	}
	defer done()
	var lent arena
	defer lent.free()
	name, err := lent.name("the key", key)
	if err != nil {
		return "", false
	}
	value := C.baleen_model_metadata(m.handle, name)
	if value == nil {
		return "", false
	}
	return C.GoString(value), true
}
