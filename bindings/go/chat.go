package baleen

// Conversations: messages in, the tokens of a prompt out.

// #include <baleen/baleen.h>
import "C"

import (
	"encoding/json"
	"unsafe"
)

// Role is who says a message.
type Role string

// The roles.
const (
	RoleSystem         Role = "system"
	RoleUser           Role = "user"
	RoleAssistant      Role = "assistant"
	RoleTool           Role = "tool"
	RoleDeveloper      Role = "developer"
	RoleLatestReminder Role = "latest_reminder"
)

// ToolCall is a wish of the model that a tool be run.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON, as the model wrote it.
}

// Message is one message of a conversation.
type Message struct {
	Role    Role
	Content string
	// NoContent says that there is none, which is not the same as empty.
	NoContent bool
	Reasoning string // What the assistant thought; "": nothing.
	ToolCalls []ToolCall
	// ToolCallID is the ID of the call that a tool's message answers.
	ToolCallID string
	// Extra is a JSON object for what is rare; see baleen_message in baleen.h.
	Extra json.RawMessage
	// Tokens are those an assistant's message was written with.  They go into
	// the prompt as they are, so that a session still holds them.
	Tokens []Token
}

// Thinking is how long the model thinks before it answers.
type Thinking int32

// The ways to think.  ThinkingDefault is ThinkingOn.
const (
	ThinkingDefault Thinking = C.BALEEN_THINKING_DEFAULT
	ThinkingOff     Thinking = C.BALEEN_THINKING_OFF
	ThinkingOn      Thinking = C.BALEEN_THINKING_ON
	ThinkingLow     Thinking = C.BALEEN_THINKING_LOW // EncoderGA only.
	ThinkingHigh    Thinking = C.BALEEN_THINKING_HIGH
	ThinkingMax     Thinking = C.BALEEN_THINKING_MAX
)

// ChatOptions say how to write a conversation.  Zero values are the defaults.
type ChatOptions struct {
	Thinking Thinking
	Encoder  Encoder
	// Tools is a JSON array of the tools on offer.
	Tools json.RawMessage
	// ResponseFormat is JSON that the answer must follow.
	ResponseFormat json.RawMessage
	// ContextCount is how many of the messages are already in the session.
	ContextCount  int
	NoBegin       bool // No token that begins a sequence.
	KeepReasoning bool // Of earlier turns too.
	Special       bool // TextSpecial for what messages hold.
}

func (o *ChatOptions) toC(lent *arena) (*C.baleen_chat_options, error) {
	if o == nil {
		return nil, nil
	}
	c := &lend[C.baleen_chat_options](lent, 1)[0]
	c.struct_size = C.uint32_t(unsafe.Sizeof(*c))
	c.flags = flag(o.NoBegin, C.BALEEN_CHAT_NO_BEGIN) |
		flag(o.KeepReasoning, C.BALEEN_CHAT_KEEP_REASONING) |
		flag(o.Special, C.BALEEN_CHAT_SPECIAL)
	c.thinking = C.baleen_thinking(o.Thinking)
	c.encoder = C.baleen_encoder(o.Encoder)
	c.context_count = C.size_t(o.ContextCount)
	var err error
	if c.tools, err = lent.optional("Tools", string(o.Tools)); err != nil {
		return nil, err
	}
	c.response_format, err = lent.optional("ResponseFormat",
		string(o.ResponseFormat))
	return c, err
}

// jsonToolCall is a ToolCall as C and the public service's API have it.
type jsonToolCall struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func toolCallsToJSON(calls []ToolCall) (string, error) {
	if len(calls) == 0 {
		return "", nil
	}
	list := make([]jsonToolCall, len(calls))
	for i, call := range calls {
		list[i].ID = call.ID
		list[i].Type = "function"
		list[i].Function.Name = call.Name
		list[i].Function.Arguments = call.Arguments
	}
	text, err := json.Marshal(list)
	return string(text), err
}

func toolCallsFromJSON(text string) ([]ToolCall, error) {
	var list []jsonToolCall
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	calls := make([]ToolCall, len(list))
	for i, call := range list {
		calls[i] = ToolCall{call.ID, call.Function.Name,
			call.Function.Arguments}
	}
	return calls, nil
}

// toC writes the message to c, which lives in C's memory.
func (m *Message) toC(lent *arena, c *C.baleen_message) error {
	calls, err := toolCallsToJSON(m.ToolCalls)
	if err != nil {
		return err
	}
	if c.role, err = lent.name("a role", string(m.Role)); err != nil {
		return err
	}
	if !m.NoContent {
		c.content, c.content_size = lent.text(m.Content)
	}
	if m.Reasoning != "" {
		c.reasoning, c.reasoning_size = lent.text(m.Reasoning)
	}
	if c.tool_calls, err = lent.optional("tool calls", calls); err != nil {
		return err
	}
	c.tool_call_id, err = lent.optional("ToolCallID", m.ToolCallID)
	if err != nil {
		return err
	}
	if c.extra, err = lent.optional("Extra", string(m.Extra)); err != nil {
		return err
	}
	c.tokens = lendCopy[C.baleen_token](lent, m.Tokens)
	c.token_count = C.size_t(len(m.Tokens))
	return nil
}

// newMessage copies what C lends.
func newMessage(c *C.baleen_message) (Message, error) {
	m := Message{
		Role:      Role(C.GoString(c.role)),
		Content:   newText(c.content, c.content_size),
		NoContent: c.content == nil,
		Reasoning: newText(c.reasoning, c.reasoning_size),
		Tokens:    newTokens(c.tokens, c.token_count),
	}
	if c.tool_call_id != nil {
		m.ToolCallID = C.GoString(c.tool_call_id)
	}
	if c.extra != nil {
		m.Extra = json.RawMessage(C.GoString(c.extra))
	}
	var err error
	if c.tool_calls != nil {
		m.ToolCalls, err = toolCallsFromJSON(C.GoString(c.tool_calls))
	}
	return m, err
}

// newText copies text, which may be longer than C.GoStringN can count.
func newText(text *C.char, size C.size_t) string {
	if text == nil {
		return ""
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(text)), int(size)))
}

func newTokens(tokens *C.baleen_token, count C.size_t) []Token {
	if tokens == nil {
		return nil
	}
	lent := unsafe.Slice((*Token)(unsafe.Pointer(tokens)), int(count))
	return append([]Token(nil), lent...)
}

// EncodeChat writes a conversation as the tokens the model was trained on, up
// to where the model's next turn begins.  The options may be nil.
func (m *Model) EncodeChat(messages []Message, options *ChatOptions) ([]Token,
	error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var lent arena
	defer lent.free()
	cOptions, err := options.toC(&lent)
	if err != nil {
		return nil, err
	}
	cMessages := lend[C.baleen_message](&lent, len(messages))
	guess := 64
	for i := range messages {
		if err := messages[i].toC(&lent, &cMessages[i]); err != nil {
			return nil, err
		}
		guess += 16 + len(messages[i].Content)/2 + len(messages[i].Tokens)
	}
	return filled(guess, func(buffer *Token, capacity C.size_t,
		count *C.size_t, failure *C.baleen_error) C.baleen_status {
		return C.baleen_model_encode_chat(m.handle, first(cMessages),
			C.size_t(len(messages)), cOptions,
			(*C.baleen_token)(unsafe.Pointer(buffer)), capacity, count,
			failure)
	})
}
