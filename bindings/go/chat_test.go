package baleen_test

// Conversations with the pocket model, and a tool call made for it.

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"baleen"
)

func TestTextBecomesTokensAndBack(t *testing.T) {
	const text = "Call me Ishmael.\x00 Größe 鯨"
	tokens, err := model.Tokenize(text, 0)
	check(t, err)
	back, err := model.Detokenize(tokens, 0)
	check(t, err)
	if back != text {
		t.Errorf("%q", back)
	}
	end := model.FindToken("</think>")
	if end == baleen.NoToken || model.IsEnd(end) ||
		model.FindToken("</thinking>") != baleen.NoToken {
		t.Error(end)
	}
	special, err := model.Tokenize("</think>", baleen.TextSpecial)
	check(t, err)
	if !reflect.DeepEqual(special, []baleen.Token{end}) {
		t.Error(special)
	}
}

func TestChatStreams(t *testing.T) {
	messages := []baleen.Message{
		{Role: baleen.RoleUser, Content: "Tell me about the whale."}}
	options := &baleen.ChatOptions{Thinking: baleen.ThinkingOff}
	session := newSession(t, &baleen.SessionOptions{Seed: 5})
	for turn := 0; turn < 2; turn++ {
		tokens, err := model.EncodeChat(messages, options)
		check(t, err)
		before, err := session.Tokens()
		check(t, err)
		reused, err := session.SetTokens(background, tokens)
		check(t, err)
		// The session still holds what the answer was written by; the last
		// token may have been chosen, but not read.
		if reused+1 < len(before) {
			t.Errorf("%d of %d tokens were reused", reused, len(before))
		}
		reply, err := model.NewReply(&baleen.ReplyOptions{
			Thinking: baleen.ThinkingOff})
		check(t, err)
		defer reply.Close()
		var answer, pieces strings.Builder
		_, err = session.Generate(background, &baleen.Generation{
			MaxTokens: 30, Answer: &answer, Reply: reply,
			OnPiece: func(piece baleen.Piece) error {
				pieces.WriteString(piece.Text)
				return nil
			}})
		check(t, err)
		check(t, reply.Finish())
		message, err := reply.Message()
		check(t, err)
		if answer.Len() == 0 || answer.String() != pieces.String() ||
			message.Content != answer.String() || len(message.Tokens) == 0 {
			t.Errorf("%q %q %+v", answer.String(), pieces.String(), message)
		}
		messages = append(messages, message, baleen.Message{
			Role: baleen.RoleUser, Content: "And of the sea?"})
	}
	stats, err := session.Stats()
	check(t, err)
	if stats.Seed != 5 || stats.GeneratedTokens == 0 ||
		stats.ReusedTokens == 0 || stats.GenerateTime <= 0 {
		t.Errorf("%+v", stats)
	}
}

const tools = `[{"type": "function", "function": {
	"name": "get_weather", "description": "The weather of a place.",
	"parameters": {"type": "object", "required": ["city"],
		"properties": {"city": {"type": "string"}}}}}]`

func TestToolCallGoesRoundTrip(t *testing.T) {
	options := &baleen.ChatOptions{Thinking: baleen.ThinkingOff,
		Tools: json.RawMessage(tools)}
	messages := []baleen.Message{
		{Role: baleen.RoleUser, Content: "How is the weather in <Paris>?"}}
	asked, err := model.EncodeChat(messages, options)
	check(t, err)
	text, err := model.Detokenize(asked, baleen.TextSpecial)
	check(t, err)
	if !strings.Contains(text, `"name": "get_weather"`) {
		t.Errorf("the prompt does not offer the tool: %s", text)
	}

	// What a larger model would answer.
	const answer = "I look.\n\n<｜DSML｜tool_calls>\n" +
		"<｜DSML｜invoke name=\"get_weather\">\n" +
		"<｜DSML｜parameter name=\"city\" string=\"true\">Paris" +
		"</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>" +
		"<｜end▁of▁sentence｜>"
	written, err := model.Tokenize(answer, baleen.TextSpecial)
	check(t, err)
	reply, err := model.NewReply(&baleen.ReplyOptions{
		Thinking: baleen.ThinkingOff, Tools: options.Tools})
	check(t, err)
	defer reply.Close()
	var said, arguments, id string
	for _, token := range written {
		check(t, reply.Add(token))
		for piece, more := reply.Next(); more; piece, more = reply.Next() {
			if piece.Channel == baleen.ChannelToolCall {
				if piece.Tool != "get_weather" || piece.Call != 0 {
					t.Errorf("%+v", piece)
				}
				arguments += piece.Text
				id = piece.CallID
			} else {
				said += piece.Text
			}
		}
	}
	check(t, reply.Finish())
	message, err := reply.Message()
	check(t, err)
	want := []baleen.ToolCall{{ID: id, Name: "get_weather",
		Arguments: `{"city": "Paris"}`}}
	if said != "I look." || message.Content != said || id == "" ||
		arguments != want[0].Arguments ||
		!reflect.DeepEqual(message.ToolCalls, want) {
		t.Fatalf("%q %q %+v", said, arguments, message)
	}

	// The tool's answer goes behind it, whether the call is given as tokens or
	// as text.
	messages = append(messages, message, baleen.Message{
		Role: baleen.RoleTool, Content: "Rain.", ToolCallID: id})
	byTokens, err := model.EncodeChat(messages, options)
	check(t, err)
	messages[1].Tokens = nil
	byText, err := model.EncodeChat(messages, options)
	check(t, err)
	if !reflect.DeepEqual(byTokens, byText) ||
		!reflect.DeepEqual(byTokens[:len(asked)], asked) {
		t.Error("the call was written otherwise than it was read")
	}
}

func TestBrokenReplyIsRefused(t *testing.T) {
	reply, err := model.NewReply(&baleen.ReplyOptions{Strict: true,
		Thinking: baleen.ThinkingOff})
	check(t, err)
	defer reply.Close()
	check(t, reply.AddText("Hello."))
	if err := reply.Finish(); !errors.Is(err, baleen.StatusCorrupt) {
		t.Error(err)
	}
}
