"""What every binding shows with the pocket model: conversations."""

import unittest

from pocket import ENDLESS, GREEDY, baleen, generate, model, prompt

from baleen import Channel, Finish, Status, Thinking

OFF = {"thinking": Thinking.OFF}

TOOLS = """[{"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a place.",
    "parameters": {"type": "object", "required": ["city"],
        "properties": {"city": {"type": "string"}}}}}]"""

# What a larger model would answer.
CALL = """I look.

<｜DSML｜tool_calls>
<｜DSML｜invoke name="get_weather">
<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>
</｜DSML｜invoke>
</｜DSML｜tool_calls><｜end▁of▁sentence｜>"""


def dictate(tokens):
    """Makes a session choose exactly these tokens."""
    following = iter(tokens)

    def edit(logits):
        for token in range(len(logits)):
            logits[token] = -1e9
        logits[next(following)] = 0

    return baleen.Sampling(edit=edit)


class ChatTest(unittest.TestCase):
    def test_text_becomes_tokens_and_back(self):
        text = "Call me Ishmael.\0 Größe 鯨"
        tokens = model().tokenize(text)
        self.assertEqual(model().detokenize(tokens), text)
        end = model().find_token("</think>")
        self.assertFalse(model().is_end(end))
        self.assertTrue(model().is_end(1))
        self.assertIsNone(model().find_token("</thinking>"))
        self.assertEqual(model().tokenize("</think>", special=True), [end])
        self.assertEqual(model().detokenize([end], special=True), "</think>")
        self.assertEqual(model().tokenize(""), [])
        self.assertEqual(model().detokenize([]), "")

    def test_turns_stream_and_keep_the_work(self):
        messages = [baleen.user("Tell me about the whale.")]
        session = model().session(seed=5)
        for _ in range(2):
            before = len(session.tokens())
            reused = session.set_tokens(model().encode_chat(messages, **OFF))
            # The session still holds what the answer was written by; the last
            # token may have been chosen, but not read.
            self.assertGreaterEqual(reused + 1, before)
            stream = session.stream(max_tokens=30)
            text = ""
            for piece in stream:
                self.assertEqual(piece.channel, Channel.ANSWER)
                text += piece.text
            self.assertIn(stream.finish, (Finish.END, Finish.LIMIT))
            message = stream.message()
            self.assertEqual((message.role, message.content),
                             ("assistant", text))
            self.assertTrue(text and message.tokens)
            messages += [message, baleen.user("And of the sea?")]
        stats = session.stats()
        self.assertEqual(stats.seed, 5)
        self.assertGreater(stats.generated_tokens, 0)
        self.assertGreater(stats.reused_tokens, 0)
        self.assertGreater(stats.generate_seconds, 0)

    def test_thinking_comes_on_its_own_channel(self):
        session = model().session(seed=2)
        session.append(model().encode_chat([baleen.user("The sea?")]))
        stream = session.stream(max_tokens=5)
        self.assertEqual({piece.channel for piece in stream},
                         {Channel.THINKING})
        self.assertTrue(stream.message().reasoning)

    def test_generate_says_what_a_stream_does(self):
        for stops in ((), ("never in the text", "e"), (" the",)):
            first = model().session(seed=3)
            first.append(prompt(30))
            second = first.fork()
            heard = []
            finish = first.generate(
                sampling=ENDLESS, max_tokens=40, stops=stops,
                on_piece=lambda piece: heard.append(piece.text))
            stream = second.stream(sampling=ENDLESS, max_tokens=40,
                                   stops=stops)
            text = "".join(piece.text for piece in stream)
            self.assertEqual((text, stream.finish), ("".join(heard), finish))
            self.assertEqual(finish, Finish.STOP if stops else Finish.LIMIT)

    def test_generation_stops_for_its_reasons(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        pieces = []
        finish = session.generate(
            on_piece=lambda piece: pieces.append(piece) or len(pieces) < 3)
        self.assertEqual((finish, len(pieces)), (Finish.CALLBACK, 3))
        self.assertEqual(session.generate(max_tokens=2), Finish.LIMIT)
        small = model().session(capacity=5)
        small.append([0, 300])
        stream = small.stream(sampling=ENDLESS)
        self.assertTrue(list(stream))
        self.assertEqual(stream.finish, Finish.FULL)

    def test_tool_call_goes_round_trip(self):
        messages = [baleen.user("How is the weather in <Paris>?")]
        asked = model().encode_chat(messages, tools=TOOLS, **OFF)
        text = model().detokenize(asked, special=True)
        self.assertIn('"name": "get_weather"', text)
        # The pocket model was never taught to call tools, so its choices are
        # dictated.
        turn = model().tokenize(CALL, special=True)
        session = model().session()
        session.append(asked)
        reply = model().reply(tools=TOOLS, **OFF)
        stream = session.stream(sampling=dictate(turn), reply=reply)
        said = {channel: "" for channel in Channel}
        for piece in stream:
            said[piece.channel] += piece.text
            if piece.channel == Channel.TOOL_CALL:
                self.assertEqual((piece.call_index, piece.tool),
                                 (0, "get_weather"))
                call_id = piece.call_id
        self.assertEqual(stream.finish, Finish.TOOL_CALL)
        self.assertEqual(said[Channel.ANSWER], "I look.")
        self.assertEqual(said[Channel.TOOL_CALL], '{"city": "Paris"}')
        message = stream.message()
        self.assertEqual(message.content, "I look.")
        self.assertIn(call_id, message.tool_calls)
        self.assertIn("get_weather", message.tool_calls)

        # The tool's answer goes behind it, whether the call is given as tokens
        # or as text.
        messages += [message, baleen.tool(call_id, "Rain.")]
        by_tokens = model().encode_chat(messages, tools=TOOLS, **OFF)
        message.tokens = ()
        self.assertEqual(
            by_tokens, model().encode_chat(messages, tools=TOOLS, **OFF))
        self.assertEqual(by_tokens[:len(asked)], asked)

        # The same in one call.
        session = model().session()
        session.append(asked)
        finish = session.generate(sampling=dictate(turn),
                                  reply=model().reply(tools=TOOLS, **OFF))
        self.assertEqual(finish, Finish.TOOL_CALL)

    def test_reply_to_text_from_elsewhere(self):
        reply = model().reply(thinking=Thinking.ON)
        reply.add_text("It is a whale.</think>A whale.")
        reply.finish()
        said = {Channel.THINKING: "", Channel.ANSWER: ""}
        for piece in reply.pieces():
            said[piece.channel] += piece.text
        self.assertEqual(said, {Channel.THINKING: "It is a whale.",
                                Channel.ANSWER: "A whale."})
        strict = model().reply(strict=True, **OFF)
        strict.add_text("Hello.")
        with self.assertRaises(baleen.Error) as raised:
            strict.finish()
        self.assertEqual(raised.exception.status, Status.CORRUPT)

    def test_seed_repeats_the_text(self):
        sampling = baleen.Sampling(temperature=0.9, top_p=0.95, top_k=100)

        def write(seed):
            session = model().session(seed=seed)
            session.append(prompt(30))
            return generate(session, sampling, 24)

        self.assertEqual(write(7), write(7))
        self.assertNotEqual(write(7), write(8))

    def test_sampling_one_by_one(self):
        session = model().session(seed=1)
        scores = session.append_scored(prompt(30))
        self.assertEqual((len(scores), scores[0].log_probability), (30, 0))
        self.assertLess(scores[29].log_probability, 0)
        top = session.top_tokens(3)
        logits = session.logits()
        self.assertEqual((len(top), len(logits)), (3, 2048))
        self.assertEqual(logits[top[0].token], top[0].logit)
        self.assertEqual(session.sample(GREEDY), top[0].token)
        # Without the likeliest, by an editor and by a bias, it is the next.

        def ban(view):
            view[top[0].token] = -1e9

        edited = baleen.Sampling(greedy=True, edit=ban)
        self.assertEqual(session.sample(edited), top[1].token)
        biased = baleen.Sampling(greedy=True, biases={top[0].token: -1e9})
        self.assertEqual(session.sample(biased), top[1].token)
        self.assertEqual(session.step(GREEDY, 1), [top[0].token])


if __name__ == "__main__":
    unittest.main()
