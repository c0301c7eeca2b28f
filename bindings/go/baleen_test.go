package baleen_test

// What every binding shows with the pocket model, but for conversations and
// cancelling, which have files of their own.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"baleen"
)

// pocket is the folder of the pocket model.
func pocket() string {
	if path := os.Getenv("BALEEN_POCKET"); path != "" {
		return path
	}
	return filepath.Join("..", "..", "tests", "data", "pocket")
}

var (
	background = context.Background()
	greedy     = &baleen.Sampling{Greedy: true}
	engine     *baleen.Engine
	model      *baleen.Model
)

func TestMain(m *testing.M) {
	var err error
	if engine, err = baleen.NewEngine(&baleen.EngineOptions{
		Threads: 2}); err != nil {
		panic(err)
	}
	if model, err = engine.Load(background, pocket(), nil); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSession(t *testing.T, options *baleen.SessionOptions) *baleen.Session {
	t.Helper()
	session, err := model.NewSession(options)
	check(t, err)
	t.Cleanup(func() { session.Close() })
	return session
}

// prompt is held-out text of this many tokens.
func prompt(t *testing.T, count int) []baleen.Token {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pocket(), "heldout.txt"))
	check(t, err)
	tokens, err := model.Tokenize(string(text[:6*count]), 0)
	check(t, err)
	return append([]baleen.Token{0}, tokens[:count-1]...)
}

func generate(t *testing.T, s *baleen.Session, g baleen.Generation) string {
	t.Helper()
	var text strings.Builder
	g.Answer = &text
	if g.MaxTokens == 0 {
		g.MaxTokens = 24
	}
	_, err := s.Generate(background, &g)
	check(t, err)
	return text.String()
}

func TestVersion(t *testing.T) {
	if !strings.HasPrefix(baleen.Version(), "1.") ||
		baleen.VersionNumber()/10000 != 1 {
		t.Error(baleen.Version(), baleen.VersionNumber())
	}
	if !baleen.HasFeature("session.fork") || baleen.HasFeature("nothing") ||
		baleen.HasFeature("session.fork\x00") {
		t.Error("features are not as they should be")
	}
}

func TestLoadTellsItsProgress(t *testing.T) {
	var done, total uint64
	m, err := engine.Load(background, pocket(), &baleen.ModelOptions{
		Verify: true,
		Progress: func(d, n uint64) {
			if d < done {
				t.Errorf("%d after %d", d, done)
			}
			done, total = d, n
		}})
	check(t, err)
	defer m.Close()
	if done != total || total < 10_000_000 {
		t.Errorf("%d of %d bytes", done, total)
	}
	info, err := m.Info()
	check(t, err)
	if info.Architecture != "deepseek_v4" || info.LayerCount != 4 ||
		info.VocabularySize != 2048 {
		t.Errorf("%+v", info)
	}
	if value, found := m.Metadata("hidden_size"); !found || value != "256" {
		t.Error(value, found)
	}
	if _, found := m.Metadata("none"); found {
		t.Error("a key that is not there was found")
	}
}

func TestLoadCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	_, err := engine.Load(ctx, pocket(), &baleen.ModelOptions{
		Verify: true, Progress: func(done, total uint64) { cancel() }})
	if !errors.Is(err, baleen.StatusCancelled) ||
		!errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	_, err := engine.Load(background, "/no/such/model", nil)
	if !errors.Is(err, baleen.StatusNotFound) ||
		errors.Is(err, baleen.StatusIO) ||
		!strings.Contains(err.Error(), "/no/such/model") {
		t.Error(err)
	}
	if name := baleen.StatusNotFound.Error(); name != "BALEEN_NOT_FOUND" {
		t.Error(name)
	}
	_, err = engine.Load(background, pocket()+"\x00", nil)
	if !errors.Is(err, baleen.StatusInvalidArgument) {
		t.Error(err)
	}
	_, err = engine.Load(background, pocket(), &baleen.ModelOptions{
		Settings: map[string]string{"cpu.nonsense": "on"}})
	if !errors.Is(err, baleen.StatusNotFound) ||
		!strings.Contains(err.Error(), "cpu.nonsense") {
		t.Error(err)
	}
	session := newSession(t, &baleen.SessionOptions{Capacity: 16})
	err = session.Append(background, prompt(t, 17)...)
	if !errors.Is(err, baleen.StatusSessionFull) {
		t.Error(err)
	}
}

func TestForkGoesItsOwnWay(t *testing.T) {
	first := newSession(t, &baleen.SessionOptions{Seed: 3})
	check(t, first.Append(background, prompt(t, 40)...))
	second, err := first.Fork()
	check(t, err)
	defer second.Close()
	one := generate(t, first, baleen.Generation{})
	two := generate(t, second, baleen.Generation{})
	if one == "" || one != two {
		t.Errorf("%q and %q", one, two)
	}
	check(t, second.Truncate(40))
	check(t, second.Append(background, 300))
	tokens, err := second.Tokens()
	check(t, err)
	if len(tokens) != 41 || tokens[40] != 300 {
		t.Error(tokens)
	}
	if tokens, _ := first.Tokens(); len(tokens) < 42 || tokens[40] == 300 {
		t.Error("the fork changed the first session")
	}
}

func TestStatesAreSavedAndLoaded(t *testing.T) {
	first := newSession(t, &baleen.SessionOptions{Seed: 3})
	check(t, first.Append(background, prompt(t, 200)...))
	state, err := first.Save(background, nil)
	check(t, err)
	path := filepath.Join(t.TempDir(), "state")
	check(t, first.SaveFile(background, path, nil))
	want := generate(t, first, baleen.Generation{Sampling: greedy})
	second := newSession(t, nil)
	check(t, second.Load(state))
	if got := generate(t, second,
		baleen.Generation{Sampling: greedy}); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	check(t, second.LoadFile(path))
	if got := generate(t, second,
		baleen.Generation{Sampling: greedy}); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	changed := append([]byte(nil), state...)
	changed[len(changed)/2] ^= 1
	if err := second.Load(changed); !errors.Is(err, baleen.StatusCorrupt) {
		t.Error(err)
	}
	if err := second.LoadFile(path + "2"); !errors.Is(err,
		baleen.StatusNotFound) {
		t.Error(err)
	}
}

func TestEverythingIsClosedInOddOrder(t *testing.T) {
	var lock sync.Mutex
	var lines []string
	e, err := baleen.NewEngine(&baleen.EngineOptions{Threads: 1,
		LogLevel: baleen.LogDebug, Log: func(_ baleen.LogLevel, line string) {
			lock.Lock()
			defer lock.Unlock()
			lines = append(lines, line)
		}})
	check(t, err)
	m, err := e.Load(background, pocket(), nil)
	check(t, err)
	check(t, e.Close())
	s, err := m.NewSession(nil)
	check(t, err)
	reply, err := m.NewReply(nil)
	check(t, err)
	check(t, m.Close())
	if _, err := m.Info(); err != baleen.ErrClosed {
		t.Error(err)
	}
	check(t, s.Append(background, 0, 300))
	fork, err := s.Fork()
	check(t, err)
	check(t, s.Close())
	if text := generate(t, fork, baleen.Generation{}); text == "" {
		t.Error("the fork says nothing")
	}
	check(t, fork.Close())
	check(t, reply.AddText("Still here."))
	check(t, reply.Close())
	if err := reply.Finish(); err != baleen.ErrClosed {
		t.Error(err)
	}
	if len(lines) == 0 {
		t.Error("nothing was logged")
	}
}

func TestSessionsOfTwoGoroutines(t *testing.T) {
	tokens := prompt(t, 60)
	texts := make([]string, 2)
	var group sync.WaitGroup
	for i := range texts {
		session := newSession(t, &baleen.SessionOptions{
			Seed: uint64(i) + 1, Private: true})
		i := i
		group.Add(1)
		go func() {
			defer group.Done()
			if err := session.Append(background, tokens...); err != nil {
				t.Error(err)
				return
			}
			var text strings.Builder
			_, err := session.Generate(background, &baleen.Generation{
				MaxTokens: 40, Answer: &text})
			if err != nil {
				t.Error(err)
			}
			texts[i] = text.String()
		}()
	}
	group.Wait()
	for i, text := range texts {
		alone := newSession(t, &baleen.SessionOptions{Seed: uint64(i) + 1})
		check(t, alone.Append(background, tokens...))
		if got := generate(t, alone,
			baleen.Generation{MaxTokens: 40}); got != text || text == "" {
			t.Errorf("%q, alone %q", text, got)
		}
	}
}

func TestMemoryIsPlanned(t *testing.T) {
	options := &baleen.SessionOptions{Capacity: 1024}
	plan, err := engine.Plan(pocket(), nil, options)
	check(t, err)
	loaded, err := model.Plan(options)
	check(t, err)
	if plan != loaded {
		t.Errorf("%+v before, %+v after loading", plan, loaded)
	}
	if plan.WeightsMapped < 10_000_000 || plan.SessionHost == 0 ||
		plan.WeightsByPart[baleen.PartExperts] == 0 {
		t.Errorf("%+v", plan)
	}
	devices, err := engine.Devices()
	check(t, err)
	if len(devices) == 0 || devices[0].Backend != "cpu" {
		t.Errorf("%+v", devices)
	}
}

func TestSeedRepeatsTheText(t *testing.T) {
	sampling := &baleen.Sampling{Temperature: 0.9, TopP: 0.95, TopK: 100}
	run := func(seed uint64) string {
		session := newSession(t, &baleen.SessionOptions{Seed: seed})
		check(t, session.Append(background, prompt(t, 30)...))
		return generate(t, session, baleen.Generation{Sampling: sampling})
	}
	first := run(7)
	if again := run(7); again != first || first == "" {
		t.Errorf("%q and %q", first, again)
	}
	if other := run(8); other == first {
		t.Errorf("two seeds say %q", other)
	}
}

func TestSamplingOneByOne(t *testing.T) {
	session := newSession(t, nil)
	if _, err := session.Logits(background); !errors.Is(err,
		baleen.StatusNotFound) {
		t.Error(err)
	}
	scores, err := session.AppendScored(background, prompt(t, 30)...)
	check(t, err)
	if len(scores) != 30 || scores[0].LogProbability != 0 ||
		scores[29].LogProbability >= 0 {
		t.Error(scores)
	}
	logits, err := session.Logits(background)
	check(t, err)
	top, err := session.TopTokens(background, 3)
	check(t, err)
	if len(logits) != 2048 || len(top) != 3 ||
		logits[top[0].Token] != top[0].Logit ||
		top[0].Logit < top[1].Logit {
		t.Error(len(logits), top)
	}
	token, err := session.Sample(background, greedy)
	check(t, err)
	if token != top[0].Token {
		t.Error(token, top)
	}
	// Without the likeliest, by an editor and by a bias, it is the next one.
	banned := func(sampling *baleen.Sampling) {
		t.Helper()
		sampling.Greedy = true
		if got := must(session.Sample(background,
			sampling)); got != top[1].Token {
			t.Error(got, top)
		}
	}
	banned(&baleen.Sampling{Edit: func(logits []float32) {
		logits[top[0].Token] = -1e9
	}})
	banned(&baleen.Sampling{Biases: []baleen.TokenBias{
		{Token: top[0].Token, Bias: -1e9}}})
	stepped, err := session.Step(background, greedy, 1)
	check(t, err)
	if !reflect.DeepEqual(stepped, []baleen.Token{token}) {
		t.Error(stepped, token)
	}
}

func TestWhatThisVersionLacksIsSaid(t *testing.T) {
	session := newSession(t, nil)
	check(t, session.Append(background, 0, 300))
	if err := session.Evict(); !errors.Is(err, baleen.StatusNotFound) &&
		!errors.Is(err, baleen.StatusUnsupported) {
		t.Error(err)
	}
	if err := engine.LoadBackend("/no/such/backend.so"); !errors.Is(err,
		baleen.StatusNotFound) {
		t.Error(err)
	}
}
