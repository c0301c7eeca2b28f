"""What a program may give the library: files, memory, threads, a log."""

import ctypes
import gc
import os
import tempfile
import threading
import unittest

from pocket import GREEDY, POCKET, baleen, generate, prompt

from baleen import Error, Status

FIELDS = {name: dict(kind._fields_) for name, kind in
          (("allocator", baleen.baleen_allocator),
           ("workers", baleen.baleen_workers))}


class NewBytes:
    """A file that is being written to memory."""

    def __init__(self):
        self.data = bytearray()
        self.synced = False

    def write(self, offset, data):
        self.data[offset:offset + len(data)] = data

    def sync(self):
        self.synced = True

    def close(self):
        pass


class Archive:
    """The pocket model in memory, and what is written beside it."""

    def __init__(self):
        self.members = {}
        for entry in os.scandir(POCKET):
            if entry.is_file():
                with open(entry.path, "rb") as file:
                    self.members["model/" + entry.name] = file.read()
        self.opened = []

    def open(self, path):
        self.opened.append(path)
        member = self.members.get(path)
        if member is None:
            raise FileNotFoundError(path)
        if isinstance(member, NewBytes):
            member = member.data
        return baleen.BytesFile(bytes(member))

    def create(self, path):
        self.members[path] = NewBytes()
        return self.members[path]

    def rename(self, old, new):
        self.members[new] = self.members.pop(old)

    def remove(self, path):
        del self.members[path]


class ReadOnly:
    """An archive that nothing can be written to."""

    def __init__(self, archive):
        self.open = archive.open


def want():
    """What the model says when it is read from the disk."""
    session = baleen.Context(threads=1).load(POCKET).session()
    session.append(prompt(40))
    return generate(session, GREEDY, 16)


class HooksTest(unittest.TestCase):
    def test_models_and_states_in_files_of_the_programs(self):
        archive = Archive()
        model = baleen.Context(threads=1, files=archive).load("model")
        self.assertIn("model/config.json", archive.opened)
        session = model.session()
        session.append(prompt(40))
        session.save_file("states/Größe")
        self.assertTrue(archive.members["states/Größe"].synced)
        self.assertFalse(os.path.exists("states"))
        self.assertEqual(generate(session, GREEDY, 16), want())
        other = model.session()
        other.load_file("states/Größe")
        self.assertEqual(generate(other, GREEDY, 16), want())

    def test_what_files_raise_is_the_cause(self):
        archive = Archive()
        context = baleen.Context(threads=1, files=archive)
        with self.assertRaises(Error) as raised:
            context.load("elsewhere")
        self.assertIsInstance(raised.exception.__cause__, FileNotFoundError)
        # One that the archive has no part in has no cause.
        session = context.load("model").session(capacity=4)
        with self.assertRaises(Error) as raised:
            session.append(prompt(5))
        self.assertIsNone(raised.exception.__cause__)
        # Shorter than it said to be.
        config = archive.members["model/config.json"]

        class Shorter(baleen.BytesFile):
            size = len(config) + 1

        class Cut(Archive):
            def open(self, path):
                if path.endswith("config.json"):
                    return Shorter(config)
                return super().open(path)

        with self.assertRaises(Error) as raised:
            baleen.Context(threads=1, files=Cut()).load("model")
        self.assertIsInstance(raised.exception.__cause__, EOFError)

    def test_what_cannot_be_written_is_refused(self):
        context = baleen.Context(threads=1, files=ReadOnly(Archive()))
        session = context.load("model").session()
        session.append(prompt(4))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "state")
            with self.assertRaises(Error) as raised:
                session.save_file(path)
            self.assertFalse(os.path.exists(path))
        self.assertEqual(raised.exception.status, Status.UNSUPPORTED)

    def test_allocator_and_workers(self):
        libc = ctypes.CDLL(None)
        libc.aligned_alloc.restype = ctypes.c_void_p
        libc.aligned_alloc.argtypes = [ctypes.c_size_t] * 2
        libc.free.argtypes = [ctypes.c_void_p]
        live = {}
        lock = threading.Lock()

        def allocate(_, size, alignment):
            alignment = max(alignment, 16)
            rounded = -(-max(size, 1) // alignment) * alignment
            memory = libc.aligned_alloc(alignment, rounded)
            with lock:
                live[memory] = size
            return memory

        def deallocate(_, memory, size, alignment):
            with lock:
                assert live.pop(memory) == size
            libc.free(memory)

        loops = []

        def run(_, count, task, data):
            loops.append(count)
            for index in range(count):
                task(data, index)

        allocator = baleen.baleen_allocator(
            struct_size=ctypes.sizeof(baleen.baleen_allocator),
            allocate=FIELDS["allocator"]["allocate"](allocate),
            deallocate=FIELDS["allocator"]["deallocate"](deallocate))
        workers = baleen.baleen_workers(
            struct_size=ctypes.sizeof(baleen.baleen_workers), width=2,
            run=FIELDS["workers"]["run"](run))
        context = baleen.Context(allocator=allocator, workers=workers)
        del allocator, workers  # The context keeps them.
        session = context.load(POCKET).session()
        session.append(prompt(40))
        self.assertEqual(generate(session, GREEDY, 16), want())
        self.assertGreater(sum(live.values()), 1000000)
        self.assertTrue(loops)
        del session, context
        gc.collect()
        self.assertEqual(live, {})


if __name__ == "__main__":
    unittest.main()
