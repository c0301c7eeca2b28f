"""What every binding shows with the pocket model: loading, errors, sessions."""

import gc
import os
import pickle
import tempfile
import threading
import unittest
import weakref

from pocket import ENDLESS, GREEDY, POCKET, baleen, generate, model, prompt

from baleen import Cancelled, Error, Mode, Part, Status


class SessionTest(unittest.TestCase):
    def assert_fails(self, status, call, *arguments, **options):
        with self.assertRaises(Error) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.status, status)
        return raised.exception.message

    def test_version_and_features(self):
        self.assertTrue(baleen.version().startswith("1."))
        self.assertEqual(baleen.version_number() // 10000, 1)
        self.assertTrue(baleen.has_feature("session.fork"))
        self.assertFalse(baleen.has_feature("nothing"))
        self.assertEqual(baleen.Context().devices()[0].backend, "cpu")

    def test_load_tells_its_progress(self):
        told = []
        with baleen.Context() as context:
            loaded = context.load(POCKET, verify=True,
                                  progress=lambda *both: told.append(both))
            self.assertEqual(told, sorted(told))
            self.assertEqual(*told[-1])
            self.assertGreater(told[-1][1], 10000000)
            with self.assertRaises(Cancelled):
                context.load(POCKET, progress=lambda *_: False)
        info = loaded.info()
        self.assertEqual(info.architecture, "deepseek_v4")
        self.assertEqual((info.layer_count, info.vocabulary_size), (4, 2048))
        self.assertEqual(loaded.metadata("hidden_size"), "256")
        self.assertIsNone(loaded.metadata("none"))

    def test_errors_say_what_is_wrong(self):
        context = baleen.Context()
        text = self.assert_fails(Status.NOT_FOUND, context.load,
                                 "/no/such/model")
        self.assertIn("/no/such/model", text)
        self.assert_fails(Status.INVALID_ARGUMENT, context.load, "a\0b")
        text = self.assert_fails(Status.NOT_FOUND, context.load, POCKET,
                                 settings={"cpu.nonsense": "on"})
        self.assertIn("cpu.nonsense", text)
        self.assert_fails(Status.NOT_FOUND, context.load_backend,
                          "/no/such/backend.so")
        small = model().session(capacity=16)
        self.assert_fails(Status.SESSION_FULL, small.append, prompt(17))
        self.assert_fails(Status.NOT_FOUND, small.logits)
        self.assert_fails(Status.INVALID_ARGUMENT, model().encode_chat,
                          [baleen.Message("wizard", "Hello")])
        with self.assertRaises(TypeError):
            model().session(temprature=1)
        small.close()
        small.close()
        text = self.assert_fails(Status.INVALID_ARGUMENT, small.tokens)
        self.assertIn("closed", text)
        small.cancel()
        error = Cancelled(Status.CANCELLED, "Enough.")
        self.assertEqual(pickle.loads(pickle.dumps(error)).message, "Enough.")

    def test_fork_goes_its_own_way(self):
        first = model().session(seed=3)
        first.append(prompt(40))
        second = first.fork()
        text = generate(first, None, 24)
        self.assertTrue(text)
        self.assertEqual(generate(second, None, 24), text)
        second.truncate(40)
        second.append([300])
        self.assertEqual((len(second.tokens()), second.tokens()[40]),
                         (41, 300))
        self.assertNotEqual(first.tokens()[40], 300)
        first.close()
        self.assertEqual(len(second.logits()), 2048)

    def test_states_are_saved_and_loaded(self):
        first = model().session(seed=3)
        first.append(prompt(200))
        state = first.save()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "Größe")
            first.save_file(path)
            want = generate(first, GREEDY, 24)
            second = model().session()
            second.load(state)
            self.assertEqual(generate(second, GREEDY, 24), want)
            second.load_file(path)
            self.assertEqual(generate(second, GREEDY, 24), want)
            self.assert_fails(Status.NOT_FOUND, second.load_file, path + "2")
        changed = bytearray(state)
        changed[len(changed) // 2] ^= 1
        self.assert_fails(Status.CORRUPT, second.load, bytes(changed))

    def test_everything_goes_in_odd_order(self):
        class Lines(list):  # A list that has weak references.
            pass

        lines = Lines()
        context = baleen.Context(
            threads=1, log_level=baleen.LogLevel.DEBUG,
            log=lambda level, line, lines=lines: lines.append(line))
        loaded = context.load(POCKET)
        context.close()
        session = loaded.session()
        reply = loaded.reply()
        loaded.close()
        self.assert_fails(Status.INVALID_ARGUMENT, loaded.info)
        session.append([0, 300])
        fork = session.fork()
        del session
        self.assertTrue(generate(fork, None, 8))
        self.assertTrue(list(fork.stream(sampling=ENDLESS, max_tokens=3)))
        del fork
        reply.add_text("Still here.")
        reply.close()
        self.assertTrue(lines)
        gone = weakref.ref(lines)
        del lines, loaded, context, reply
        gc.collect()
        self.assertIsNone(gone(), "the log was not given back")

    def test_garbage_is_given_back(self):
        progress_of = {}

        def make():
            session = model().session(
                progress=lambda *_: progress_of and session.cancel())
            session.append([0, 300])
            return weakref.ref(session._owner)

        owners = [make() for _ in range(5)]
        gc.collect()
        self.assertEqual([owner() for owner in owners], [None] * 5)

    def test_sessions_of_two_threads(self):
        tokens = prompt(60)
        together = {}

        def write(seed, texts):
            session = model().session(seed=seed, private=True)
            session.append(tokens)
            texts[seed] = generate(session, None, 40)

        threads = [threading.Thread(target=write, args=(seed, together))
                   for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        alone = {}
        write(1, alone)
        write(2, alone)
        self.assertEqual(together, alone)
        self.assertTrue(together[1])

    def test_second_call_is_told(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        statuses = []

        def hear(_):
            try:
                session.append([0])
            except Error as error:
                statuses.append(error.status)
            return False

        session.generate(sampling=ENDLESS, on_piece=hear)
        self.assertEqual(statuses, [Status.BUSY])

    def test_memory_is_planned(self):
        plan = baleen.Context().plan(POCKET, session={"capacity": 1024})
        self.assertEqual(plan, model().plan(capacity=1024))
        self.assertGreater(plan.weights_mapped, 10000000)
        self.assertGreater(plan.session_host, 0)
        self.assertGreater(plan.weights_by_part[Part.EXPERTS], 0)

    def test_tokens_come_from_an_iterator(self):
        # The same on every processor, in this mode.
        session = model().session(mode=Mode.REFERENCE)
        session.append([0])
        text = "It is a truth universally acknowledged, that"
        session.append(model().tokenize(text))
        before = len(session.tokens())
        with session.generate_tokens(GREEDY) as stream:
            taken = [next(stream) for _ in range(12)]
        self.assertEqual(model().detokenize(taken),
                         " the greatest desire of the world is not a good")
        self.assertEqual(session.tokens()[before:], taken)

        # It ends with the turn.
        end = baleen.Sampling(greedy=True, biases={1: 1e9})
        self.assertEqual(list(session.generate_tokens(end)), [])
        self.assertEqual(session.tokens()[-1], 1)

        # What fails is raised.
        small = model().session(capacity=5)
        small.append([0, 300])
        tokens = small.generate_tokens(ENDLESS)
        self.assertEqual(len([next(tokens) for _ in range(3)]), 3)
        self.assert_fails(Status.SESSION_FULL, next, tokens)


if __name__ == "__main__":
    unittest.main()
