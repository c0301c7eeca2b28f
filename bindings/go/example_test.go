package baleen_test

// Programs to begin with.  go test runs them and compares what they print.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"baleen"
)

// A program asks a model one question and prints the answer as it comes.
func Example() {
	engine, err := baleen.NewEngine(nil)
	if err != nil {
		panic(err)
	}
	defer engine.Close()
	model, err := engine.Load(context.Background(), pocket(), nil)
	if err != nil {
		panic(err)
	}
	defer model.Close()
	session, err := model.NewSession(nil)
	if err != nil {
		panic(err)
	}
	defer session.Close()

	tokens, err := model.EncodeChat([]baleen.Message{
		{Role: baleen.RoleUser, Content: "Tell me about the sea."},
	}, nil)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := session.Append(ctx, tokens...); err != nil {
		panic(err)
	}
	finish, err := session.Generate(ctx, &baleen.Generation{
		MaxTokens: 20, Thinking: io.Discard, Answer: os.Stderr,
	})
	fmt.Println(finish == baleen.FinishLimit || finish == baleen.FinishEnd, err)
	// Output: true <nil>
}

// The context of a call ends it, however long it would take.
func ExampleSession_Generate_cancel() {
	session := must(model.NewSession(nil))
	defer session.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session.Append(ctx, 0)
	_, err := session.Generate(ctx, &baleen.Generation{
		OnPiece: func(baleen.Piece) error {
			cancel() // Such as when a button is pressed.
			return nil
		}})
	fmt.Println(errors.Is(err, context.Canceled))
	// Output: true
}

// In reference mode the likeliest tokens are the same on every processor.
func ExampleSession_Step() {
	session := must(model.NewSession(&baleen.SessionOptions{
		Mode: baleen.ModeReference}))
	defer session.Close()
	ctx := context.Background()
	session.Append(ctx, 0)
	session.Append(ctx, must(model.Tokenize(
		"It is a truth universally acknowledged, that", 0))...)
	for i := 0; i < 12; i++ {
		tokens := must(session.Step(ctx, &baleen.Sampling{Greedy: true}, 1))
		fmt.Print(must(model.Detokenize(tokens, 0)))
	}
	// Output: the greatest desire of the world is not a good
}

// A fork tries one continuation while the session waits for another.
func ExampleSession_Fork() {
	session := must(model.NewSession(nil))
	defer session.Close()
	ctx := context.Background()
	session.Append(ctx, must(model.Tokenize("The whale", 0))...)
	fork := must(session.Fork())
	defer fork.Close()
	fork.Append(ctx, must(model.Tokenize(" dived.", 0))...)
	fmt.Println(len(must(session.Tokens())) < len(must(fork.Tokens())))
	// Output: true
}

// What a model and a session would take is known before anything is loaded.
func ExampleEngine_Plan() {
	plan := must(engine.Plan(pocket(), nil,
		&baleen.SessionOptions{Capacity: 4096}))
	fmt.Println(plan.WeightsMapped>>20, "MiB of weights,",
		plan.WeightsDevice, "bytes on other devices")
	// Output: 11 MiB of weights, 0 bytes on other devices
}
