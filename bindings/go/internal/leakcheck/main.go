// Leakcheck holds a full chat, closes everything, and asks LeakSanitizer, which
// must have been preloaded, what of the library's memory is still there.
//
//	LD_PRELOAD=liblsan.so leakcheck MODEL_FOLDER [forget]
//
// With "forget" there is an engine that nobody closes.
package main

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>

// 1 if there are leaks, 0 if there are none, -1 if nobody looks.
static int find_leaks(void) {
  int (*check)(void) = (int (*)(void))dlsym(
      RTLD_DEFAULT, "__lsan_do_recoverable_leak_check");
  return check == 0 ? -1 : check() != 0;
}
*/
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"baleen"
)

const tools = `[{"type": "function", "function": {"name": "look",
	"description": "Looks.", "parameters": {"type": "object"}}}]`

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func chat(path string) {
	ctx := context.Background()
	engine := must(baleen.NewEngine(&baleen.EngineOptions{Threads: 2,
		LogLevel: baleen.LogDebug, Log: func(baleen.LogLevel, string) {}}))
	model := must(engine.Load(ctx, path, &baleen.ModelOptions{
		Progress: func(done, total uint64) {}}))
	session := must(model.NewSession(&baleen.SessionOptions{
		Progress: func(done, total uint64) {}}))
	reply := must(model.NewReply(nil))
	tokens := must(model.EncodeChat([]baleen.Message{
		{Role: baleen.RoleUser, Content: "Tell me about the whale."},
	}, &baleen.ChatOptions{Tools: json.RawMessage(tools)}))
	must(session.SetTokens(ctx, tokens))
	must(session.Generate(ctx, &baleen.Generation{MaxTokens: 20, Reply: reply,
		Stops:    []string{"never in the text"},
		Sampling: &baleen.Sampling{Edit: func([]float32) {}},
		OnPiece:  func(baleen.Piece) error { return nil }}))
	must(reply.Message())
	fork := must(session.Fork())
	if err := fork.Load(must(session.Save(ctx, nil))); err != nil {
		panic(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	if _, err := fork.Generate(cancelled, &baleen.Generation{
		OnPiece: func(baleen.Piece) error { cancel(); return nil },
	}); err == nil {
		panic("the generation was not cancelled")
	}
	if _, err := engine.Load(ctx, "/no/such/model", nil); err == nil {
		panic("a model that is not there was loaded")
	}
	for _, closer := range []interface{ Close() error }{
		engine, model, reply, session, fork} {
		if err := closer.Close(); err != nil {
			panic(err)
		}
	}
}

// forget leaves engines open.  The last one may still be seen on the stack that
// C uses, the ones before it are not.
func forget() {
	for i := 0; i < 4; i++ {
		must(baleen.NewEngine(&baleen.EngineOptions{Threads: 1}))
	}
}

func main() {
	forgets := len(os.Args) == 3 && os.Args[2] == "forget"
	if len(os.Args) != 2 && !forgets {
		fmt.Fprintln(os.Stderr, "usage: leakcheck MODEL_FOLDER [forget]")
		os.Exit(2)
	}
	// Twice, since the last of what C lost may still be seen on its stack.
	chat(os.Args[1])
	chat(os.Args[1])
	if forgets {
		forget()
	}
	switch C.find_leaks() {
	case 0:
		fmt.Println("no leaks")
	case -1:
		fmt.Fprintln(os.Stderr, "LeakSanitizer was not preloaded")
		os.Exit(2)
	default:
		os.Exit(1)
	}
}
