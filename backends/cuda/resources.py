"""Prints what each kernel takes of a processor, and fails if one spills.

Usage: resources.py NVCC ARCHITECTURE INCLUDE... -- SOURCE...

The numbers are the assembler's own: registers of a thread, bytes that did not
fit into them and go to memory, shared memory of a block of threads.
"""

import re
import subprocess
import sys
import tempfile

# Kernels that may spill, by a part of their name, and bytes of a thread: around
# calls of exp and log in double precision, which have few registers; in the
# selection, whose 1024 threads have 64 each, outside of its loops; addresses of
# the widest product, between its two halves; and five words of the router that
# goes on to make a plan.
ALLOWED = {"LogitsKernel": 16, "DraftKernel": 48, "SampleKernel": 48,
           "SelectKernel": 48, "ManyGateUpKernel": 128, "RoutesKernel": 40}


def assemble(nvcc, architecture, includes, source):
    with tempfile.NamedTemporaryFile(suffix=".cubin") as out:
        done = subprocess.run(
            [nvcc, "-std=c++20", "-O3", "-fmad=false",
             "--expt-relaxed-constexpr", "-arch=" + architecture, "-cubin",
             "-Xptxas=-v", "-o", out.name, source]
            + ["-I" + path for path in includes],
            capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stderr


def kernels(text):
    """(name, registers, spilled bytes, stack bytes, shared bytes) of each."""
    name = None
    stack = spilled = 0
    for line in text.splitlines():
        found = re.search(r"Compiling entry function '(\S+)'", line)
        if found:
            name = found.group(1)
        found = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, "
                          r"(\d+) bytes spill loads", line)
        if found:
            stack = int(found.group(1))
            spilled = int(found.group(2)) + int(found.group(3))
        found = re.search(r"Used (\d+) registers", line)
        if found and name:
            shared = re.search(r"(\d+) bytes smem", line)
            yield (name, int(found.group(1)), spilled, stack,
                   int(shared.group(1)) if shared else 0)
            name = None
            stack = spilled = 0


def plain(names):
    done = subprocess.run(["c++filt"], input="\n".join(names),
                          capture_output=True, text=True, check=False)
    shown = done.stdout.splitlines() if done.returncode == 0 else names
    return [re.sub(r"\(.*|void |baleen::cuda::|\(anonymous namespace\)::", "",
                   name.replace("(anonymous namespace)::", ""))
            for name in shown]


def main():
    split = sys.argv.index("--")
    nvcc, architecture = sys.argv[1:3]
    includes, sources = sys.argv[3:split], sys.argv[split + 1:]
    rows = []
    for source in sources:
        rows += kernels(assemble(nvcc, architecture, includes, source))
    if not rows:
        sys.exit("no kernel was found")
    print(f"{architecture:40} registers  spilled  stack  shared")
    failed = False
    for name, row in zip(plain([row[0] for row in rows]), rows):
        _, registers, spilled, stack, shared = row
        print(f"{name:40} {registers:9} {spilled:8} {stack:6} {shared:7}")
        allowed = max((bytes_ for part, bytes_ in ALLOWED.items()
                       if part in name), default=0)
        if spilled > allowed:
            print(f"{name} spills {spilled} bytes, where {allowed} are known")
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
