"""Several sessions in one pass, and what is counted."""

import threading
import unittest

from pocket import ENDLESS, GREEDY, POCKET, baleen, model, prompt

from baleen import Cancelled, Draft, Part, Status, Step, step_many


def run(steps, wanted):
    """Steps until each session has read its input and chosen so many."""
    chosen = [[] for _ in steps]
    while any(len(tokens) < wanted for tokens in chosen):
        going = [i for i, tokens in enumerate(chosen) if len(tokens) < wanted]
        results = step_many([steps[i] for i in going])
        for i, result in zip(going, results):
            assert result.error is None, result.error
            steps[i].input = steps[i].input[result.input_done:]
            assert not (result.tokens and steps[i].input)
            chosen[i] += result.tokens
    return [tokens[:wanted] for tokens in chosen]


class StepsTest(unittest.TestCase):
    def test_together_as_alone(self):
        lengths = (5, 300, 40)
        alone = []
        for length in lengths:
            session = model().session(private=True, draft=Draft.OFF)
            session.append(prompt(length))
            alone.append([session.step(GREEDY)[0] for _ in range(12)])
        together = run(
            [Step(model().session(private=True), prompt(length), GREEDY, 1)
             for length in lengths], 12)
        self.assertEqual(together, alone)

    def test_scores_and_input_only(self):
        first, second = model().session(), model().session()
        results = step_many([
            Step(first, prompt(9), GREEDY, scored=True),
            Step(second, prompt(7), limit=0)])
        self.assertEqual(results[0].input_done, 9)
        self.assertEqual(len(results[0].scores), len(results[0].tokens))
        self.assertEqual(results[0].scores[0].token, results[0].tokens[0])
        self.assertLess(results[0].scores[0].log_probability, 0)
        self.assertEqual(results[1], (7, [], [], None))
        self.assertEqual(second.tokens(), prompt(7))
        self.assertEqual(step_many([]), [])

    def test_each_has_its_own_fate(self):
        full = model().session(capacity=4)
        full.append(prompt(4))
        cancelled = model().session()
        cancelled.append(prompt(4))
        cancelled.cancel()
        fine = model().session()
        fine.append(prompt(4))
        results = step_many([Step(each, sampling=ENDLESS)
                             for each in (full, cancelled, fine, fine)])
        self.assertEqual(results[0].error.status, Status.SESSION_FULL)
        self.assertIn("BALEEN_SESSION_FULL", results[0].error.message)
        self.assertIsInstance(results[1].error, Cancelled)
        self.assertIsNone(results[2].error)
        self.assertTrue(results[2].tokens)
        self.assertEqual(results[3].error.status, Status.BUSY)
        # A cancel counts for one call.
        self.assertTrue(cancelled.step(ENDLESS))
        with self.assertRaises(baleen.Error):  # They are of two models.
            other = baleen.Context(threads=1).load(POCKET).session()
            other.append(prompt(4))
            step_many([Step(fine), Step(other)])

    def test_cancel_and_exceptions_inside(self):
        # It may come too late for the call that it is asked in.
        session = model().session(private=True)
        fine = model().session(private=True)
        step = Step(session, prompt(2), baleen.Sampling(
            edit=lambda logits: session.cancel()))
        results = step_many([step, Step(fine, prompt(2), GREEDY)])
        self.assertTrue(results[1].tokens)
        stopped = isinstance(results[0].error, Cancelled)
        if not stopped:  # Then it is the next one.
            with self.assertRaises(Cancelled):
                session.step(GREEDY)

        def fail(_):
            raise LookupError("no grammar")

        with self.assertRaisesRegex(LookupError, "no grammar"):
            step_many([Step(fine, sampling=baleen.Sampling(edit=fail))])
        self.assertTrue(fine.step(GREEDY))

    def test_threads_share_passes(self):
        sessions = [model().session(private=True, seed=1) for _ in range(4)]
        texts = [[] for _ in sessions]

        def write(i):
            sessions[i].append(prompt(20))
            for _ in range(20):
                texts[i] += sessions[i].step(GREEDY)

        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shortest = min(map(len, texts))
        self.assertGreaterEqual(shortest, 20)
        for text in texts:
            self.assertEqual(text[:shortest], texts[0][:shortest])

    def test_counters(self):
        session = model().session(private=True)
        session.append(prompt(50))
        total, last = session.counters(), session.last_counters()
        self.assertEqual((total.positions, last.positions), (50, 50))
        self.assertEqual(total, last)
        session.append(prompt(51)[50:])
        self.assertEqual(session.last_counters().positions, 1)
        self.assertEqual(session.counters().positions, 51)
        self.assertGreater(session.counters().operations[Part.EXPERTS],
                           total.operations[Part.EXPERTS])

    def test_prefixes_are_shared(self):
        first = model().session()
        first.append(prompt(300))
        second = model().session()
        reused = second.set_tokens(prompt(300))
        self.assertGreater(reused, 128)
        self.assertEqual(second.stats().reused_tokens, reused)
        private = model().session(private=True)
        self.assertEqual(private.set_tokens(prompt(300)), 0)


if __name__ == "__main__":
    unittest.main()
