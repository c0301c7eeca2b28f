package baleen

// The way back from tokens to thinking, answer and tool calls.

// #include <baleen/baleen.h>
import "C"

import (
	"encoding/json"
	"sync"
	"unsafe"
)

// Channel is what a piece of the model's text is part of.
type Channel int32

// The channels.
const (
	ChannelAnswer   Channel = C.BALEEN_CHANNEL_ANSWER
	ChannelThinking Channel = C.BALEEN_CHANNEL_THINKING
	ChannelToolCall Channel = C.BALEEN_CHANNEL_TOOL_CALL
)

// Piece is a part of what the model writes: whole characters, and never a part
// of a special token or tag.
type Piece struct {
	Channel Channel
	// Text is, of a tool call, the next part of its arguments, JSON.
	Text   string
	Call   int    // Of a tool call: which one, from 0.
	CallID string // Of a tool call: its name for Message.ToolCallID.
	Tool   string // Of a tool call: what is called.
}

func newPiece(c *C.baleen_piece) Piece {
	piece := Piece{
		Channel: Channel(c.channel),
		Text:    newText(c.text, c.text_size),
		Call:    int(c.call_index),
	}
	if c.call_id != nil {
		piece.CallID = C.GoString(c.call_id)
	}
	if c.tool != nil {
		piece.Tool = C.GoString(c.tool)
	}
	return piece
}

// ReplyOptions say how to read a turn.  Zero values are the defaults.
type ReplyOptions struct {
	Thinking Thinking        // That of the prompt's ChatOptions,
	Tools    json.RawMessage // and its tools.
	// Strict accepts only what the authors' parser does; else what models are
	// known to get wrong is mended.
	Strict bool
	// NoImplicitEnd says that a tool call inside thinking that was not closed
	// is thinking; else it closes it.
	NoImplicitEnd bool
}

// Reply reads one turn of the model.
type Reply struct {
	lock   sync.Mutex
	handle *C.baleen_reply
	hooks  *hooks
}

// NewReply makes a Reply.  The options may be nil.
func (m *Model) NewReply(options *ReplyOptions) (*Reply, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	if options == nil {
		options = &ReplyOptions{}
	}
	var lent arena
	defer lent.free()
	c := &lend[C.baleen_reply_options](&lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.flags = flag(options.Strict, C.BALEEN_REPLY_STRICT) |
		flag(options.NoImplicitEnd, C.BALEEN_REPLY_NO_IMPLICIT_END)
	c.thinking = C.baleen_thinking(options.Thinking)
	if c.tools, err = lent.optional("Tools", string(options.Tools)); err != nil {
		return nil, err
	}
	reply := &Reply{hooks: m.hooks}
	var failure C.baleen_error
	status := C.baleen_reply_create(m.handle, c, &reply.handle, &failure)
	if err := check(status, &failure); err != nil {
		return nil, err
	}
	reply.hooks.retain()
	return reply, nil
}

// Close gives the reply back.
func (r *Reply) Close() error {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.handle == nil {
		return ErrClosed
	}
	C.baleen_reply_release(r.handle)
	r.handle = nil
	r.hooks.release()
	return nil
}

// use keeps the reply open, and others out, until done is called.
func (r *Reply) use() (done func(), err error) {
	if !r.lock.TryLock() {
		return nil, busy("reply")
	}
	if r.handle == nil {
		r.lock.Unlock()
		return nil, ErrClosed
	}
	return r.lock.Unlock, nil
}

// Add reads further tokens of the turn.
func (r *Reply) Add(tokens ...Token) error {
	done, err := r.use()
	if err != nil {
		return err
	}
	defer done()
	var failure C.baleen_error
	return check(C.baleen_reply_add(r.handle, tokenPointer(tokens),
		C.size_t(len(tokens)), &failure), &failure)
}

// AddText is Add for a model that runs elsewhere: text with special tokens
// under their names.
func (r *Reply) AddText(text string) error {
	done, err := r.use()
	if err != nil {
		return err
	}
	defer done()
	var lent arena
	defer lent.free()
	bytes, size := lent.text(text)
	var failure C.baleen_error
	return check(C.baleen_reply_add_text(r.handle, bytes, size, &failure),
		&failure)
}

// Finish says that the turn is over.  What was held back becomes a piece; a
// tool call that was cut off does not count.
func (r *Reply) Finish() error {
	done, err := r.use()
	if err != nil {
		return err
	}
	defer done()
	var failure C.baleen_error
	return check(C.baleen_reply_finish(r.handle, &failure), &failure)
}

// Next takes the next piece, and tells whether there was one.
func (r *Reply) Next() (Piece, bool) {
	done, err := r.use()
	if err != nil {
		return Piece{}, false
	}
	defer done()
	var piece C.baleen_piece
	piece.struct_size = C.uint32_t(unsafe.Sizeof(piece))
	if C.baleen_reply_next(r.handle, &piece) == 0 {
		return Piece{}, false
	}
	return newPiece(&piece), true
}

// Message is the turn so far as a message, with its tokens, fit to be the next
// prompt's last.
func (r *Reply) Message() (Message, error) {
	done, err := r.use()
	if err != nil {
		return Message{}, err
	}
	defer done()
	var c C.baleen_message
	var failure C.baleen_error
	status := C.baleen_reply_message(r.handle, &c, &failure)
	if err := check(status, &failure); err != nil {
		return Message{}, err
	}
	return newMessage(&c)
}
