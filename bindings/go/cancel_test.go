package baleen_test

// What ends a call before its time: contexts, Close, listeners and panics.

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"baleen"
)

func TestContextCancelsPrompts(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var once sync.Once
	session := newSession(t, &baleen.SessionOptions{PrefillChunk: 64,
		Progress: func(done, total uint64) {
			once.Do(func() { // Later calls have other totals.
				if total != 4096 {
					t.Error(total)
				}
				go cancel()
			})
			time.Sleep(5 * time.Millisecond)
		}})
	err := session.Append(ctx, prompt(t, 4096)...)
	if !errors.Is(err, baleen.StatusCancelled) ||
		!errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	read, err := session.Tokens()
	check(t, err)
	if len(read) == 0 || len(read) == 4096 {
		t.Errorf("%d tokens were read", len(read))
	}
	if text := generate(t, session, baleen.Generation{}); text == "" {
		t.Error("the session is of no use any more")
	}
	if err := session.Append(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDeadlineCancelsGeneration(t *testing.T) {
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	session := newSession(t, nil)
	check(t, session.Append(background, prompt(t, 30)...))
	// Nothing in this generation looks at the context, and the end of the
	// model's turn is forbidden.
	end := &baleen.Sampling{Biases: []baleen.TokenBias{{Token: 1, Bias: -1e9}}}
	_, err := session.Generate(ctx, &baleen.Generation{Sampling: end})
	if !errors.Is(err, context.DeadlineExceeded) ||
		!errors.Is(err, baleen.StatusCancelled) {
		t.Error(err)
	}
}

func TestCloseEndsWhatIsAtWork(t *testing.T) {
	session := newSession(t, nil)
	check(t, session.Append(background, prompt(t, 30)...))
	started := make(chan struct{})
	ended := make(chan error)
	var once sync.Once
	go func() {
		_, err := session.Generate(background, &baleen.Generation{
			OnPiece: func(baleen.Piece) error {
				once.Do(func() { close(started) })
				return nil
			},
			Sampling: &baleen.Sampling{Biases: []baleen.TokenBias{
				{Token: 1, Bias: -1e9}}}})
		ended <- err
	}()
	<-started
	if _, err := session.Tokens(); !errors.Is(err, baleen.StatusBusy) {
		t.Error(err)
	}
	check(t, session.Close())
	if err := <-ended; !errors.Is(err, baleen.StatusCancelled) {
		t.Error(err)
	}
	if err := session.Close(); err != baleen.ErrClosed {
		t.Error(err)
	}
	if _, err := session.Tokens(); err != baleen.ErrClosed {
		t.Error(err)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestGenerationStopsForItsListener(t *testing.T) {
	session := newSession(t, nil)
	check(t, session.Append(background, prompt(t, 30)...))
	_, err := session.Generate(background, &baleen.Generation{
		Sampling: greedy, Answer: brokenWriter{}})
	if err != errBroken {
		t.Error(err)
	}
	pieces := 0
	finish, err := session.Generate(background, &baleen.Generation{
		Sampling: greedy, OnPiece: func(baleen.Piece) error {
			pieces++
			if pieces == 3 {
				return baleen.ErrStop
			}
			return nil
		}})
	if err != nil || finish != baleen.FinishCallback || pieces != 3 {
		t.Error(err, finish, pieces)
	}
	finish, err = session.Generate(background, &baleen.Generation{
		Sampling: greedy, MaxTokens: 2})
	if err != nil || finish != baleen.FinishLimit {
		t.Error(err, finish)
	}
}

func TestPanicsPassAroundTheLibrary(t *testing.T) {
	session := newSession(t, nil)
	check(t, session.Append(background, prompt(t, 30)...))
	for name, g := range map[string]*baleen.Generation{
		"listener": {OnPiece: func(baleen.Piece) error { panic("mine") }},
		"editor": {MaxTokens: 9, Sampling: &baleen.Sampling{
			Edit: func([]float32) { panic("mine") }}},
	} {
		func() {
			defer func() {
				if got := recover(); got != "mine" {
					t.Errorf("%s: %v", name, got)
				}
			}()
			session.Generate(background, g)
		}()
	}
	if text := generate(t, session, baleen.Generation{}); text == "" {
		t.Error("the session is of no use any more")
	}
}
