package baleen

// One sequence of tokens: who may be inside, how that ends, and what is read.

/*
#include <baleen/baleen.h>
extern int32_t baleenGoProgress(void* user, uint64_t done, uint64_t total);
*/
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Mode is how numbers are rounded.
type Mode int32

// The modes.
const (
	ModeFast      Mode = C.BALEEN_MODE_FAST      // Rounds less than
	ModeReference Mode = C.BALEEN_MODE_REFERENCE // DeepSeek's own code.
)

// Draft is where guesses at further tokens come from.
type Draft int32

// The sources of guesses.  DraftDefault is whatever pays, or none.
const (
	DraftDefault Draft = C.BALEEN_DRAFT_DEFAULT
	DraftOff     Draft = C.BALEEN_DRAFT_OFF
	DraftModel   Draft = C.BALEEN_DRAFT_MODEL  // The model's own drafter.
	DraftLookup  Draft = C.BALEEN_DRAFT_LOOKUP // Earlier tokens of the session.
)

// Window is which states of the attention window are kept, to go back there
// without computing again.
type Window int32

// The windows.
const (
	WindowDefault  Window = C.BALEEN_WINDOW_DEFAULT
	WindowNone     Window = C.BALEEN_WINDOW_NONE
	WindowPeriodic Window = C.BALEEN_WINDOW_PERIODIC
	WindowFull     Window = C.BALEEN_WINDOW_FULL
)

// SessionOptions say how to make a session.  Zero values are the defaults.
type SessionOptions struct {
	Capacity     uint64 // Most tokens it can hold; 0: the model's limit.
	Seed         uint64 // Of its random numbers; 0: a fresh one.
	Mode         Mode
	PrefillChunk int // Tokens between looks at progress and cancel.
	Draft        Draft
	DraftLimit   int // Most tokens to guess ahead; 0: the library chooses.
	Window       Window
	WindowPeriod int  // Positions, a multiple of 256; 0: 4096.
	Private      bool // Shares no prefix with other sessions.
	// LogPath is a file to which the seed and each token are written before a
	// call returns; Resume reads what it holds first.
	LogPath string
	Resume  bool
	// Progress is told of the tokens of a long prompt.
	Progress func(done, total uint64)
}

func (o *SessionOptions) toC(lent *arena) (*C.baleen_session_options, error) {
	if o == nil {
		o = &SessionOptions{}
	}
	c := &lend[C.baleen_session_options](lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.flags = flag(o.Private, C.BALEEN_SESSION_PRIVATE) |
		flag(o.Resume, C.BALEEN_SESSION_RESUME)
	c.capacity = C.uint64_t(o.Capacity)
	c.seed = C.uint64_t(o.Seed)
	c.mode = C.baleen_mode(o.Mode)
	c.prefill_chunk = C.uint32_t(o.PrefillChunk)
	c.draft = C.baleen_draft(o.Draft)
	c.draft_limit = C.uint32_t(o.DraftLimit)
	c.window = C.baleen_window(o.Window)
	c.window_period = C.uint32_t(o.WindowPeriod)
	var err error
	c.log_path, err = lent.optional("LogPath", o.LogPath)
	return c, err
}

// Session is one sequence of tokens: its attention state, its logits, and its
// random numbers.
type Session struct {
	lock     sync.Mutex // Held by the call that is at work.
	handle   *C.baleen_session
	hooks    *hooks
	closing  int32
	watcher  *watcher // Of its own progress function, or nil,
	progress callback // and what C knows of it.
}

// NewSession makes an empty session.  The options may be nil.
func (m *Model) NewSession(options *SessionOptions) (*Session, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var lent arena
	defer lent.free()
	c, err := options.toC(&lent)
	if err != nil {
		return nil, err
	}
	s := &Session{hooks: m.hooks}
	if options != nil && options.Progress != nil {
		s.watcher = &watcher{report: options.Progress}
		s.progress = newCallback(s.watcher)
		c.progress = C.baleen_progress_fn(C.baleenGoProgress)
		c.progress_user_data = s.progress.cell
	}
	var failure C.baleen_error
	status := C.baleen_session_create(m.handle, c, &s.handle, &failure)
	if err := check(status, &failure); err != nil {
		s.forget()
		return nil, err
	}
	s.hooks.retain()
	return s, nil
}

func (s *Session) forget() {
	if s.watcher != nil {
		s.progress.free()
		s.watcher = nil
	}
}

// Close gives the session back.  A call that is at work is cancelled first; a
// function that it calls must not call Close.
func (s *Session) Close() error {
	if !atomic.CompareAndSwapInt32(&s.closing, 0, 1) {
		return ErrClosed
	}
	for !s.lock.TryLock() {
		// Whoever holds the lock may not have come to the library yet, where
		// this would do nothing, so it is done until it helps.
		C.baleen_session_cancel(s.handle)
		time.Sleep(time.Millisecond)
	}
	defer s.lock.Unlock()
	C.baleen_session_release(s.handle)
	s.handle = nil
	s.forget()
	s.hooks.release()
	return nil
}

// use keeps the session open, and others out, until done is called.
func (s *Session) use() (done func(), err error) {
	if atomic.LoadInt32(&s.closing) != 0 {
		return nil, ErrClosed
	}
	if !s.lock.TryLock() {
		return nil, busy("session")
	}
	if s.handle == nil {
		s.lock.Unlock()
		return nil, ErrClosed
	}
	return s.lock.Unlock, nil
}

// call does what can be cancelled.
func (s *Session) call(ctx context.Context,
	body func(failure *C.baleen_error) C.baleen_status) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	stop := s.watch(ctx)
	var failure C.baleen_error
	status := body(&failure)
	stop()
	s.repanic()
	return withCause(check(status, &failure), ctx)
}

// watch makes what comes next be ended by ctx, until stop is called.
func (s *Session) watch(ctx context.Context) (stop func()) {
	if s.watcher != nil {
		s.watcher.guard = guard{}
		s.watcher.ctx = ctx
	}
	return s.cancelWith(ctx)
}

// repanic goes on with a panic of the progress function.
func (s *Session) repanic() {
	if s.watcher != nil {
		s.watcher.repanic()
	}
}

// cancelWith cancels the session when ctx is done, until stop is called.  It
// repeats that: a cancel that comes before the call does is lost.
func (s *Session) cancelWith(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	finished := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			C.baleen_session_cancel(s.handle)
			select {
			case <-finished:
				return
			case <-ticker.C:
			}
		}
	}()
	return func() {
		close(finished)
		<-stopped
	}
}

// Fork makes a second session that goes on from where this one stands.  They
// share state until they differ, so it is cheap.  The progress function and
// the log stay with the first.
func (s *Session) Fork() (*Session, error) {
	fork := &Session{hooks: s.hooks}
	err := s.call(context.Background(), func(
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_fork(s.handle, &fork.handle, failure)
	})
	if err != nil {
		return nil, err
	}
	fork.hooks.retain()
	return fork, nil
}

// Tokens are those of the session so far.
func (s *Session) Tokens() ([]Token, error) {
	done, err := s.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var count C.size_t
	return newTokens(C.baleen_session_tokens(s.handle, &count), count), nil
}

// Append reads tokens after those already there, and computes the logits of
// what follows.
func (s *Session) Append(ctx context.Context, tokens ...Token) error {
	return s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_append(s.handle, tokenPointer(tokens),
			C.size_t(len(tokens)), failure)
	})
}

// SetTokens makes the session hold exactly these tokens, keeping the work done
// for as many as it can, and returns how many cost nothing: a chat program just
// passes the whole conversation each time.
func (s *Session) SetTokens(ctx context.Context, tokens []Token) (reused int,
	err error) {
	var count C.size_t
	err = s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_set_tokens(s.handle, tokenPointer(tokens),
			C.size_t(len(tokens)), &count, failure)
	})
	return int(count), err
}

// Truncate drops all but the first tokens.
func (s *Session) Truncate(keep int) error {
	return s.call(context.Background(), func(
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_truncate(s.handle, C.size_t(keep), failure)
	})
}

// Logits are those of the token that follows, one for each of the vocabulary.
func (s *Session) Logits(ctx context.Context) ([]float32, error) {
	var logits []float32
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		var lent *C.float
		var count C.size_t
		status := C.baleen_session_logits(s.handle, &lent, &count, failure)
		if status == C.BALEEN_OK {
			logits = append(logits, unsafe.Slice(
				(*float32)(unsafe.Pointer(lent)), int(count))...)
		}
		return status
	})
	return logits, err
}

// TokenScore is a token and how likely it is.
type TokenScore struct {
	Token          Token
	Logit          float32
	LogProbability float32 // Over the whole vocabulary, at temperature 1.
}

// TopTokens are the likeliest tokens, likeliest first; at most count.
func (s *Session) TopTokens(ctx context.Context, count int) ([]TokenScore,
	error) {
	scores := make([]TokenScore, count)
	var got C.size_t
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_top_tokens(s.handle,
			(*C.baleen_token_score)(unsafe.Pointer(first(scores))),
			C.size_t(count), &got, failure)
	})
	return scores[:got], err
}

// AppendScored is Append, which also says how likely each of the tokens was
// where it stood.  That of the first token of an empty session is zero.
func (s *Session) AppendScored(ctx context.Context,
	tokens ...Token) ([]TokenScore, error) {
	scores := make([]TokenScore, len(tokens))
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_append_scored(s.handle, tokenPointer(tokens),
			C.size_t(len(tokens)),
			(*C.baleen_token_score)(unsafe.Pointer(first(scores))), failure)
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}
