"""What every binding shows with the pocket model: ending calls from elsewhere,
by Ctrl-C among others, and exceptions that pass around the library."""

import os
import signal
import threading
import time
import unittest

from pocket import ENDLESS, POCKET, baleen, generate, model, prompt

from baleen import Cancelled


class Mine(Exception):
    pass


def fail(*_):
    raise Mine


def press_control_c(seconds):
    """Presses it in a moment."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


class CancelTest(unittest.TestCase):
    def setUp(self):
        # Whoever started this may have told it to ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def assert_usable(self, session):
        self.assertTrue(generate(session, ENDLESS, 8))

    def test_another_thread_cancels_a_prompt(self):
        begun = threading.Event()

        def progress(_, total):
            self.assertEqual(total, 4096)
            begun.set()
            time.sleep(0.002)

        session = model().session(prefill_chunk=64, progress=progress)
        thread = threading.Thread(
            target=lambda: begun.wait() and session.cancel())
        thread.start()
        with self.assertRaises(Cancelled):
            session.append(prompt(4096))
        thread.join()
        self.assertTrue(0 < len(session.tokens()) < 4096)
        self.assert_usable(session)

    def test_another_thread_cancels_a_generation(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        thread = threading.Timer(0.05, session.cancel)
        thread.start()
        with self.assertRaises(Cancelled):
            session.generate(sampling=ENDLESS)
        thread.join()
        self.assert_usable(session)

    def test_cancel_between_calls_ends_the_next(self):
        session = model().session(seed=1)
        session.cancel()
        with self.assertRaises(Cancelled):
            session.append([0])
        self.assertEqual(session.tokens(), [])
        session.append([0])
        # From within a call, too.
        with self.assertRaises(Cancelled):
            session.generate(sampling=ENDLESS,
                             on_piece=lambda _: session.cancel())
        # And streams.
        for stream in (session.stream(sampling=ENDLESS),
                       session.generate_tokens(ENDLESS)):
            for _ in range(3):
                next(stream)
            session.cancel()
            with self.assertRaises(Cancelled):
                next(stream)
        self.assert_usable(session)

    def test_progress_ends_a_prompt(self):
        session = model().session(prefill_chunk=64,
                                  progress=lambda *_: False)
        with self.assertRaises(Cancelled):
            session.append(prompt(512))

    def test_control_c_ends_a_generation(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        timers = []

        def hear(_):  # Pressed a moment after the first piece.
            if not timers:
                timers.append(press_control_c(0.02))

        with self.assertRaises(KeyboardInterrupt):
            session.generate(sampling=ENDLESS, on_piece=hear)
        timers[0].join()
        self.assertIs(signal.getsignal(signal.SIGINT),
                      signal.default_int_handler)
        # Nothing of it is left for the next call.
        self.assert_usable(session)

    def test_control_c_ends_a_prompt(self):
        timers = []

        def progress(*_):
            if not timers:
                timers.append(press_control_c(0.005))
            time.sleep(0.002)

        session = model().session(prefill_chunk=64, progress=progress)
        with self.assertRaises(KeyboardInterrupt):
            session.append(prompt(4096))
        timers[0].join()
        self.assertTrue(0 < len(session.tokens()) < 4096)
        self.assert_usable(session)

    def test_control_c_leaves_a_stream_as_it_was(self):
        session = model().session(seed=4)
        session.append(prompt(30))
        fork = session.fork()
        stream = session.stream(sampling=ENDLESS, max_tokens=60)
        interrupts = 0
        while stream.finish == baleen.Finish.NONE:
            try:
                # While a step is inside, or between two.
                timer = press_control_c(0.004)
                for piece in stream:
                    self.assertTrue(piece.text)
                timer.join()
                time.sleep(0.01)
            except KeyboardInterrupt:
                interrupts += 1
        self.assertGreater(interrupts, 2)
        # What a loop has in its hands when it is interrupted is its own.
        message = stream.message()
        self.assertEqual(message.content, generate(fork, ENDLESS, 60))
        self.assertEqual(session.tokens()[30:30 + len(message.tokens)],
                         list(message.tokens))

    def test_exceptions_pass_around_the_library(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        with self.assertRaises(Mine):
            session.generate(sampling=ENDLESS, on_piece=fail)
        with self.assertRaises(Mine):
            session.sample(baleen.Sampling(edit=fail))
        with self.assertRaises(Mine):
            session.save(progress=fail)
        self.assert_usable(session)
        with self.assertRaises(Mine):
            model().session(progress=fail).append(prompt(600))
        with self.assertRaises(Mine):
            baleen.Context().load(POCKET, progress=fail)

    def test_closing_ends_the_call_inside(self):
        session = model().session(seed=1)
        session.append(prompt(30))
        timer = threading.Timer(0.05, session.close)
        timer.start()
        with self.assertRaises(Cancelled):
            session.generate(sampling=ENDLESS)
        timer.join()
        self.assertTrue(session.closed)


if __name__ == "__main__":
    unittest.main()
