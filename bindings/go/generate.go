package baleen

// Choosing tokens: one by one, or until there is a reason to stop.

/*
#include <baleen/baleen.h>
extern void baleenGoEdit(void* user, float* logits, size_t count);
extern int32_t baleenGoPiece(void* user, baleen_piece* piece);
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"unsafe"
)

// TokenBias is added to the logit of a token.
type TokenBias struct {
	Token Token
	Bias  float32
}

// Sampling is how to choose a token.  All zero, and nil, is what the model's
// authors advise.
type Sampling struct {
	Greedy        bool // Choose the likeliest token.
	Temperature   float32
	TopP          float32 // Keep the likeliest tokens that make up this much.
	MinP          float32 // Keep those at least this likely, relative to the likeliest.
	TopK          int     // Keep this many.
	RepeatPenalty float32 // Of tokens among the last RepeatWindow.
	RepeatWindow  int     // 0: 256.
	Biases        []TokenBias
	// Edit changes the logits before a token is chosen: a grammar sets those it
	// forbids to minus infinity.  They are lent for the call.
	Edit func(logits []float32)
}

// toC lends the sampling to C; the editor, unless nil, holds its panics.
func (p *Sampling) toC(lent *arena) (*C.baleen_sampling, *editor) {
	if p == nil {
		return nil, nil
	}
	c := &lend[C.baleen_sampling](lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.flags = flag(p.Greedy, C.BALEEN_SAMPLING_GREEDY)
	c.temperature = C.float(p.Temperature)
	c.top_p = C.float(p.TopP)
	c.min_p = C.float(p.MinP)
	c.top_k = C.uint32_t(p.TopK)
	c.repeat_penalty = C.float(p.RepeatPenalty)
	c.repeat_window = C.uint32_t(p.RepeatWindow)
	c.biases = lendCopy[C.baleen_token_bias](lent, p.Biases)
	c.bias_count = C.uint32_t(len(p.Biases))
	if p.Edit == nil {
		return c, nil
	}
	e := &editor{edit: p.Edit}
	c.edit = C.baleen_logits_fn(C.baleenGoEdit)
	c.edit_user_data = lent.callback(e)
	return c, e
}

// choose does what takes a Sampling.
func (s *Session) choose(ctx context.Context, sampling *Sampling,
	body func(*C.baleen_sampling, *C.baleen_error) C.baleen_status) error {
	var lent arena
	defer lent.free()
	c, e := sampling.toC(&lent)
	err := s.call(ctx, func(failure *C.baleen_error) C.baleen_status {
		return body(c, failure)
	})
	if e != nil {
		e.repanic()
	}
	return err
}

// Sample chooses a token from the logits without reading it.  Asking twice
// gives the same.
func (s *Session) Sample(ctx context.Context, sampling *Sampling) (Token,
	error) {
	token := C.baleen_token(NoToken)
	err := s.choose(ctx, sampling, func(c *C.baleen_sampling,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_sample(s.handle, c, &token, failure)
	})
	return Token(token), err
}

// Step chooses tokens and reads them: one, or up to limit where guesses came
// true.
func (s *Session) Step(ctx context.Context, sampling *Sampling,
	limit int) ([]Token, error) {
	tokens := make([]Token, limit)
	var count C.size_t
	err := s.choose(ctx, sampling, func(c *C.baleen_sampling,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_session_step(s.handle, c, tokenPointer(tokens),
			C.size_t(limit), &count, failure)
	})
	return tokens[:count], err
}

// Finish is why a generation stopped.
type Finish int32

// The reasons to stop.
const (
	FinishNone     Finish = C.BALEEN_FINISH_NONE
	FinishEnd      Finish = C.BALEEN_FINISH_END      // The model ended its turn.
	FinishLimit    Finish = C.BALEEN_FINISH_LIMIT    // MaxTokens.
	FinishStop     Finish = C.BALEEN_FINISH_STOP     // One of Stops.
	FinishCallback Finish = C.BALEEN_FINISH_CALLBACK // OnPiece asked.
	FinishFull     Finish = C.BALEEN_FINISH_FULL     // The session is full.
	FinishToolCall Finish = C.BALEEN_FINISH_TOOL_CALL
)

// ErrStop is what OnPiece returns to stop a generation that has not failed.
var ErrStop = errors.New("baleen: stop")

// Generation is what to generate, and where to.  Zero values are the defaults.
type Generation struct {
	Sampling  *Sampling
	Stops     []string // Texts that end the answer; not part of it.
	MaxTokens uint64   // 0: until the end.
	// What the model answers and thinks is written here as it comes, unless
	// nil.  An error stops the generation, and Generate returns it.
	Answer   io.Writer
	Thinking io.Writer
	// OnPiece receives all of it, tool calls too, unless nil.  An error stops
	// the generation, and Generate returns it unless it is ErrStop.
	OnPiece func(Piece) error
	// Reply is a fresh reply that reads along; nil: one of the session's own,
	// which sees from the prompt whether to think.
	Reply *Reply
}

func (g *Generation) hear(piece Piece) error {
	writer := io.Writer(nil)
	switch piece.Channel {
	case ChannelAnswer:
		writer = g.Answer
	case ChannelThinking:
		writer = g.Thinking
	}
	if writer != nil {
		if _, err := io.WriteString(writer, piece.Text); err != nil {
			return err
		}
	}
	if g.OnPiece != nil {
		return g.OnPiece(piece)
	}
	return nil
}

// Generate generates until there is a reason to stop, and says which.
// The generation may be nil.
func (s *Session) Generate(ctx context.Context, generation *Generation) (Finish,
	error) {
	if generation == nil {
		generation = &Generation{}
	}
	var lent arena
	defer lent.free()
	l := &listener{hear: generation.hear}
	c := &lend[C.baleen_generation](&lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.max_tokens = C.uint64_t(generation.MaxTokens)
	c.on_piece = C.baleen_piece_fn(C.baleenGoPiece)
	c.user_data = lent.callback(l)
	stops := lend[*C.char](&lent, len(generation.Stops))
	for i, stop := range generation.Stops {
		var err error
		if stops[i], err = lent.name("a stop text", stop); err != nil {
			return FinishNone, err
		}
	}
	c.stops = first(stops)
	c.stop_count = C.uint32_t(len(stops))
	if generation.Reply != nil {
		done, err := generation.Reply.use()
		if err != nil {
			return FinishNone, err
		}
		defer done()
		c.reply = generation.Reply.handle
	}
	finish := C.baleen_finish(FinishNone)
	err := s.choose(ctx, generation.Sampling, func(sampling *C.baleen_sampling,
		failure *C.baleen_error) C.baleen_status {
		c.sampling = sampling
		return C.baleen_session_generate(s.handle, c, &finish, failure)
	})
	l.repanic()
	if err == nil && l.err != nil && !errors.Is(l.err, ErrStop) {
		err = l.err
	}
	return Finish(finish), err
}
