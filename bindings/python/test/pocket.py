"""The pocket model, and what tests do with it."""

import functools
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
POCKET = os.environ.get("BALEEN_POCKET",
                        os.path.join(ROOT, "tests", "data", "pocket"))
# The test of the wheel has it on the path already.
if "BALEEN_INSTALLED" not in os.environ:
    sys.path.insert(0, os.path.join(HERE, ".."))

import baleen  # noqa: E402

# The model does not end its turn.
ENDLESS = baleen.Sampling(biases={1: -1e9})
GREEDY = baleen.Sampling(greedy=True)


@functools.lru_cache(None)
def model():
    """One model for all tests: it never changes."""
    return baleen.Context(threads=2).load(POCKET)


def prompt(count):
    """Held-out text of this many tokens."""
    with open(os.path.join(POCKET, "heldout.txt"), encoding="utf-8") as file:
        text = file.read(6 * count)
    return ([0] + model().tokenize(text))[:count]


def generate(session, sampling=None, max_tokens=0):
    """What the model says of at most so many tokens."""
    said = []
    session.generate(sampling=sampling, max_tokens=max_tokens,
                     on_piece=lambda piece: said.append(piece.text))
    return "".join(said)
