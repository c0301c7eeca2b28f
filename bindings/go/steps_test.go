package baleen_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"baleen"
)

func private(t *testing.T, capacity uint64) *baleen.Session {
	return newSession(t, &baleen.SessionOptions{Private: true,
		Capacity: capacity})
}

func stepMany(t *testing.T, steps ...baleen.Step) []baleen.Stepped {
	t.Helper()
	stepped, err := baleen.StepMany(context.Background(), steps)
	if err != nil {
		t.Fatal(err)
	}
	return stepped
}

func TestStepManyTogetherAsAlone(t *testing.T) {
	const count = 8
	ctx := context.Background()
	greedy := &baleen.Sampling{Greedy: true}
	inputs := [][]baleen.Token{prompt(t, 300), prompt(t, 20)}
	var alone [][]baleen.Token
	steps := make([]baleen.Step, len(inputs))
	for i, input := range inputs {
		session := private(t, 0)
		if err := session.Append(ctx, input...); err != nil {
			t.Fatal(err)
		}
		var tokens []baleen.Token
		for len(tokens) < count {
			chosen, err := session.Step(ctx, greedy, 1)
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, chosen...)
		}
		alone = append(alone, tokens)
		steps[i] = baleen.Step{Session: private(t, 0), Input: input,
			Sampling: greedy, Limit: 1}
	}
	together := make([][]baleen.Token, len(inputs))
	for len(together[0]) < count || len(together[1]) < count {
		for i, stepped := range stepMany(t, steps...) {
			if stepped.Err != nil {
				t.Fatal(stepped.Err)
			}
			steps[i].Input = steps[i].Input[stepped.InputDone:]
			together[i] = append(together[i], stepped.Tokens...)
		}
	}
	for i := range together {
		together[i] = together[i][:count]
	}
	if !reflect.DeepEqual(together, alone) {
		t.Errorf("together %v, alone %v", together, alone)
	}
}

func TestStepManyEachHasItsOwnFate(t *testing.T) {
	ctx := context.Background()
	full, fine, reads, closed := private(t, 4), private(t, 0), private(t, 0),
		private(t, 0)
	if err := full.Append(ctx, prompt(t, 4)...); err != nil {
		t.Fatal(err)
	}
	closed.Close()
	input := prompt(t, 9)
	stepped := stepMany(t, baleen.Step{Session: full, Limit: 1},
		baleen.Step{Session: closed, Limit: 1},
		baleen.Step{Session: fine, Input: input, Limit: 1, Scored: true},
		baleen.Step{Session: reads, Input: input},
		baleen.Step{Session: fine, Limit: 1})
	if !errors.Is(stepped[0].Err, baleen.StatusSessionFull) {
		t.Errorf("the full one: %v", stepped[0].Err)
	}
	if !errors.Is(stepped[1].Err, baleen.ErrClosed) {
		t.Errorf("the closed one: %v", stepped[1].Err)
	}
	got := stepped[2]
	if got.Err != nil || got.InputDone != 9 || len(got.Tokens) != 1 ||
		len(got.Scores) != 1 || got.Scores[0].Token != got.Tokens[0] ||
		got.Scores[0].LogProbability >= 0 {
		t.Errorf("the fine one: %+v", got)
	}
	if stepped[3].InputDone != 9 || len(stepped[3].Tokens) != 0 {
		t.Errorf("the one that reads: %+v", stepped[3])
	}
	if !errors.Is(stepped[4].Err, baleen.StatusBusy) {
		t.Errorf("the same one twice: %v", stepped[4].Err)
	}
	if len(stepMany(t)) != 0 {
		t.Error("nothing came to something")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err := baleen.StepMany(done, []baleen.Step{{Session: fine, Limit: 1}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before it began: %v", err)
	}
}

func TestStepManyPanicsGoOn(t *testing.T) {
	session := private(t, 0)
	step := baleen.Step{Session: session, Input: prompt(t, 4), Limit: 1}
	step.Sampling = &baleen.Sampling{Edit: func([]float32) {
		panic("no grammar")
	}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		baleen.StepMany(context.Background(), []baleen.Step{step})
	}()
	step.Sampling = nil
	if stepped := stepMany(t, step); stepped[0].Err != nil {
		t.Error(stepped[0].Err)
	}
}

func TestSavingTellsItsProgress(t *testing.T) {
	ctx := context.Background()
	session := private(t, 0)
	if err := session.Append(ctx, prompt(t, 200)...); err != nil {
		t.Fatal(err)
	}
	var done, total uint64
	options := &baleen.SaveOptions{Progress: func(d, t uint64) {
		done, total = d, t
	}}
	path := filepath.Join(t.TempDir(), "state")
	if err := session.SaveFile(ctx, path, options); err != nil {
		t.Fatal(err)
	}
	if done == 0 || done != total {
		t.Errorf("it ended at %d of %d", done, total)
	}
	state, err := session.Save(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	small, err := session.Save(ctx,
		&baleen.SaveOptions{Window: baleen.WindowNone})
	if err != nil || len(small) >= len(state) {
		t.Errorf("%d bytes without the window, %d with it: %v", len(small),
			len(state), err)
	}
	stopped, cancel := context.WithCancel(ctx)
	options.Progress = func(d, t uint64) { cancel() }
	other := path + "2"
	err = session.SaveFile(stopped, other, options)
	if !errors.Is(err, baleen.StatusCancelled) ||
		!errors.Is(err, context.Canceled) {
		t.Errorf("it was cancelled: %v", err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("half a state was left")
	}
}
