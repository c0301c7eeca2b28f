package baleen

// Text to tokens and back.

// #include <baleen/baleen.h>
import "C"

import "unsafe"

// TextFlags say how text and tokens become each other.
type TextFlags uint32

// TextSpecial reads special tokens from, or writes them to, the text under
// their names.  Never use it to tokenize strangers' text.
const TextSpecial TextFlags = C.BALEEN_TEXT_SPECIAL

// Tokenize splits text into tokens.
func (m *Model) Tokenize(text string, flags TextFlags) ([]Token, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var lent arena
	defer lent.free()
	bytes, size := lent.text(text)
	// Three bytes a token, and a few for short texts.
	return filled(len(text)/3+8, func(buffer *Token, capacity C.size_t,
		count *C.size_t, failure *C.baleen_error) C.baleen_status {
		return C.baleen_model_tokenize(m.handle, bytes, size,
			C.uint32_t(flags), (*C.baleen_token)(unsafe.Pointer(buffer)),
			capacity, count, failure)
	})
}

// Detokenize joins tokens into text.  That of a few tokens may begin or end
// inside a character.
func (m *Model) Detokenize(tokens []Token, flags TextFlags) (string, error) {
	done, err := m.use()
	if err != nil {
		return "", err
	}
	defer done()
	text, err := filled(len(tokens)*6+8, func(buffer *byte,
		capacity C.size_t, count *C.size_t,
		failure *C.baleen_error) C.baleen_status {
		return C.baleen_model_detokenize(m.handle, tokenPointer(tokens),
			C.size_t(len(tokens)), C.uint32_t(flags),
			(*C.char)(unsafe.Pointer(buffer)), capacity, count, failure)
	})
	return string(text), err
}

// FindToken is the token with exactly this name, such as "</think>", or
// NoToken.
func (m *Model) FindToken(name string) Token {
	done, err := m.use()
	if err != nil {
		return NoToken
	}
	defer done()
	var lent arena
	defer lent.free()
	text, err := lent.name("the name", name)
	if err != nil {
		return NoToken
	}
	return Token(C.baleen_model_find_token(m.handle, text))
}

// IsEnd tells whether the model ends its turn with this token.
func (m *Model) IsEnd(token Token) bool {
	done, err := m.use()
	if err != nil {
		return false
	}
	defer done()
	return C.baleen_model_is_end(m.handle, C.baleen_token(token)) != 0
}
