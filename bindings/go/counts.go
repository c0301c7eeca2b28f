package baleen

// Counts of bytes, tokens and operations.

// #include <baleen/baleen.h>
import "C"

import (
	"time"
	"unsafe"
)

// Part is a part of the model, for counts by kind.
type Part int

// The parts.
const (
	PartEmbedding    Part = C.BALEEN_PART_EMBEDDING
	PartHyper        Part = C.BALEEN_PART_HYPER
	PartProjection   Part = C.BALEEN_PART_PROJECTION
	PartCompressor   Part = C.BALEEN_PART_COMPRESSOR
	PartIndexer      Part = C.BALEEN_PART_INDEXER
	PartAttention    Part = C.BALEEN_PART_ATTENTION
	PartRouter       Part = C.BALEEN_PART_ROUTER
	PartExperts      Part = C.BALEEN_PART_EXPERTS
	PartSharedExpert Part = C.BALEEN_PART_SHARED_EXPERT
	PartHead         Part = C.BALEEN_PART_HEAD
	PartDrafter      Part = C.BALEEN_PART_DRAFTER
)

// PerPart has a number for each part, and room for those of later versions.
type PerPart [16]uint64

func newPerPart(c *[16]C.uint64_t) PerPart {
	return *(*PerPart)(unsafe.Pointer(c))
}

// MemoryPlan is where how many bytes go.
type MemoryPlan struct {
	WeightsMapped uint64 // Of files; the system may drop and reread them.
	WeightsHost   uint64 // Allocated.
	WeightsDevice uint64 // Of all devices but the CPU.
	SessionHost   uint64 // Of one session, filled to its capacity.
	SessionDevice uint64
	ScratchHost   uint64 // Of the model, shared by its sessions.
	ScratchDevice uint64
	WeightsByPart PerPart
}

func newMemoryPlan(c *C.baleen_memory_plan) MemoryPlan {
	return MemoryPlan{
		WeightsMapped: uint64(c.weights_mapped),
		WeightsHost:   uint64(c.weights_host),
		WeightsDevice: uint64(c.weights_device),
		SessionHost:   uint64(c.session_host),
		SessionDevice: uint64(c.session_device),
		ScratchHost:   uint64(c.scratch_host),
		ScratchDevice: uint64(c.scratch_device),
		WeightsByPart: newPerPart(&c.weights_by_part),
	}
}

// Plan is what a model and a session of it would take, to the byte, before
// anything is loaded.  Both options may be nil.
func (e *Engine) Plan(path string, model *ModelOptions,
	session *SessionOptions) (MemoryPlan, error) {
	done, err := e.use()
	if err != nil {
		return MemoryPlan{}, err
	}
	defer done()
	var lent arena
	defer lent.free()
	text, err := lent.name("the path", path)
	if err != nil {
		return MemoryPlan{}, err
	}
	cModel, err := model.toC(&lent, nil)
	if err != nil {
		return MemoryPlan{}, err
	}
	cSession, err := session.toC(&lent)
	if err != nil {
		return MemoryPlan{}, err
	}
	var plan C.baleen_memory_plan
	plan.struct_size = C.uint32_t(unsafe.Sizeof(plan))
	var failure C.baleen_error
	status := C.baleen_context_plan(e.handle, text, cModel, cSession, &plan,
		&failure)
	return newMemoryPlan(&plan), check(status, &failure)
}

// Plan is the same for a model that is loaded.  The options may be nil.
func (m *Model) Plan(options *SessionOptions) (MemoryPlan, error) {
	done, err := m.use()
	if err != nil {
		return MemoryPlan{}, err
	}
	defer done()
	var lent arena
	defer lent.free()
	c, err := options.toC(&lent)
	if err != nil {
		return MemoryPlan{}, err
	}
	var plan C.baleen_memory_plan
	plan.struct_size = C.uint32_t(unsafe.Sizeof(plan))
	var failure C.baleen_error
	status := C.baleen_model_plan(m.handle, c, &plan, &failure)
	return newMemoryPlan(&plan), check(status, &failure)
}

// Stats are what a session has done since it was made.
type Stats struct {
	Seed             uint64 // The one in use.
	PromptTokens     uint64 // Read by Append and SetTokens.
	ReusedTokens     uint64
	GeneratedTokens  uint64
	DraftedTokens    uint64
	AcceptedTokens   uint64 // Of those drafted.
	StateBytes       uint64 // Held now, shared pages in full;
	StateBytesShared uint64 // those pages alone.
	Evictions        uint64
	PromptTime       time.Duration
	GenerateTime     time.Duration
}

// Stats tells what the session has done.
func (s *Session) Stats() (Stats, error) {
	done, err := s.use()
	if err != nil {
		return Stats{}, err
	}
	defer done()
	var c C.baleen_session_stats
	c.struct_size = C.uint32_t(unsafe.Sizeof(c))
	var failure C.baleen_error
	status := C.baleen_session_get_stats(s.handle, &c, &failure)
	seconds := func(count C.double) time.Duration {
		return time.Duration(float64(count) * float64(time.Second))
	}
	return Stats{
		Seed:             uint64(c.seed),
		PromptTokens:     uint64(c.prompt_tokens),
		ReusedTokens:     uint64(c.reused_tokens),
		GeneratedTokens:  uint64(c.generated_tokens),
		DraftedTokens:    uint64(c.drafted_tokens),
		AcceptedTokens:   uint64(c.accepted_tokens),
		StateBytes:       uint64(c.state_bytes),
		StateBytesShared: uint64(c.state_bytes_shared),
		Evictions:        uint64(c.evictions),
		PromptTime:       seconds(c.prompt_seconds),
		GenerateTime:     seconds(c.generate_seconds),
	}, check(status, &failure)
}

// Counters are bytes moved and operations done; an addition and a
// multiplication are two.
type Counters struct {
	Positions         uint64 // Computed: read, generated or guessed in vain.
	StateBytesRead    uint64
	StateBytesWritten uint64
	WeightBytes       PerPart
	Operations        PerPart
	OperationsFP4     uint64 // The same sum, by the wider factor's format.
	OperationsFP8     uint64
	OperationsBF16    uint64
	OperationsF32     uint64
	PassWeightBytes   uint64 // A share, by rows, of what steps read.
}

func newCounters(c *C.baleen_session_counters) Counters {
	return Counters{
		Positions:         uint64(c.positions),
		StateBytesRead:    uint64(c.state_bytes_read),
		StateBytesWritten: uint64(c.state_bytes_written),
		WeightBytes:       newPerPart(&c.weight_bytes),
		Operations:        newPerPart(&c.operations),
		OperationsFP4:     uint64(c.operations_fp4),
		OperationsFP8:     uint64(c.operations_fp8),
		OperationsBF16:    uint64(c.operations_bf16),
		OperationsF32:     uint64(c.operations_f32),
		PassWeightBytes:   uint64(c.pass_weight_bytes),
	}
}

// Counters count since the session was made, and in the last call that
// computed.
func (s *Session) Counters() (total, last Counters, err error) {
	done, err := s.use()
	if err != nil {
		return Counters{}, Counters{}, err
	}
	defer done()
	var cTotal, cLast C.baleen_session_counters
	cTotal.struct_size = C.uint32_t(unsafe.Sizeof(cTotal))
	cLast.struct_size = cTotal.struct_size
	var failure C.baleen_error
	status := C.baleen_session_get_counters(s.handle, &cTotal, &cLast, &failure)
	return newCounters(&cTotal), newCounters(&cLast), check(status, &failure)
}
