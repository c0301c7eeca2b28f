package baleen

// Several sessions in one pass over the weights.

// #include <baleen/baleen.h>
import "C"

import (
	"context"
	"unsafe"
)

// Step is one session's part in StepMany.
type Step struct {
	Session  *Session
	Input    []Token   // To be read first.
	Sampling *Sampling // May be nil.
	Limit    int       // Of chosen tokens; 0: read the input only.
	Scored   bool      // Say also how likely each chosen token was.
}

// Stepped is what became of one session in StepMany.
type Stepped struct {
	// InputDone is how much of the input was read.  If it is not all of it,
	// nothing was chosen: pass the rest next time.
	InputDone int
	Tokens    []Token      // Those chosen.
	Scores    []TokenScore // Of each, if they were asked for.
	Err       error        // Of this session; the others go on.
}

// stepPart is a Step with what is lent to C for it.
type stepPart struct {
	step   *Step
	c      *C.baleen_step
	editor *editor
	tokens []Token
	scores []TokenScore
}

func (p *stepPart) fill(lent *arena) {
	p.tokens = lend[Token](lent, p.step.Limit)
	p.c.session = p.step.Session.handle
	p.c.input = lendCopy[C.baleen_token](lent, p.step.Input)
	p.c.input_count = C.size_t(len(p.step.Input))
	p.c.sampling, p.editor = p.step.Sampling.toC(lent)
	p.c.tokens = tokenPointer(p.tokens)
	p.c.capacity = C.size_t(p.step.Limit)
	if p.step.Scored {
		p.scores = lend[TokenScore](lent, p.step.Limit)
		p.c.scores = (*C.baleen_token_score)(unsafe.Pointer(first(p.scores)))
	}
}

// result copies what C wrote.
func (p *stepPart) result(ctx context.Context) Stepped {
	count := int(p.c.count)
	stepped := Stepped{
		InputDone: int(p.c.input_done),
		Tokens:    append([]Token(nil), p.tokens[:count]...),
	}
	if p.step.Scored {
		stepped.Scores = append([]TokenScore(nil), p.scores[:count]...)
	}
	if p.c.status != C.BALEEN_OK {
		status := Status(p.c.status)
		stepped.Err = withCause(&Error{Status: status, Message: "A session's " +
			"part of StepMany failed with " + status.Error() + "."}, ctx)
	}
	return stepped
}

// StepMany is Step for several sessions of one model and mode in one pass over
// its weights, with what became of each.  Long inputs are read in chunks, each
// session getting its share.  The end of ctx ends the parts of all.  The call
// fails only if it could not begin.
func StepMany(ctx context.Context, steps []Step) ([]Stepped, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var lent arena
	defer lent.free()
	stepped := make([]Stepped, len(steps))
	structs := lend[C.baleen_step](&lent, len(steps))
	parts := make(map[int]*stepPart, len(steps))
	for i := range steps {
		done, err := steps[i].Session.use()
		if err != nil {
			stepped[i].Err = err
			continue
		}
		defer done()
		parts[i] = &stepPart{step: &steps[i], c: &structs[len(parts)]}
		parts[i].fill(&lent)
	}
	if len(parts) == 0 {
		return stepped, nil
	}
	for _, part := range parts {
		defer part.step.Session.watch(ctx)()
	}
	var failure C.baleen_error
	status := C.baleen_session_step_many(&structs[0], C.size_t(len(parts)),
		&failure)
	for _, part := range parts {
		if part.editor != nil {
			part.editor.repanic()
		}
		part.step.Session.repanic()
	}
	if err := check(status, &failure); err != nil {
		return nil, err
	}
	for i, part := range parts {
		stepped[i] = part.result(ctx)
	}
	return stepped, nil
}
