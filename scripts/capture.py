"""Put what the demo prints into README.md, between the comments that say how to call it; --check only compares.

A program writes the capture, so that it cannot say what the demo does not do.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
CAPTURE = re.compile(r"(<!-- capture: (.+?) -->\n)(.*?)(<!-- /capture -->)", re.DOTALL)
CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(\.\d+)? m?s\b|demo-\d+@\S+|\S*valkey\.sock")


def main() -> int:
    """Write the captures anew, or with --check return 1 when one says something else than the demo does now."""
    text = README.read_text()
    if "--check" in sys.argv[1:]:
        stale = [arguments for arguments, old, new in captures(text) if stable(old) != stable(new)]
        for arguments in stale:
            print(f"The capture of {arguments} in README.md is stale; run: make capture", file=sys.stderr)
        return 1 if stale else 0
    README.write_text(CAPTURE.sub(lambda found: found[1] + run(found[2]) + found[4], text))
    return 0


def captures(text: str) -> Iterator[tuple[str, str, str]]:
    """The arguments of each capture in `text`, what stands there, and what should."""
    for found in CAPTURE.finditer(text):
        yield found[2], found[3], run(found[2])


def run(arguments: str) -> str:
    """What the demo prints with `arguments`, in a pipe 80 columns wide, as a block of Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "app.demo_canvas", *arguments.split()],
            cwd=PROJECT,
            env=os.environ | {"DATA_DIR": folder, "COLUMNS": "80"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        shown = done.stdout.replace(folder, "var")
    lines = [line.rstrip() for line in f"$ python -m app.demo_canvas {arguments}\n{shown}".splitlines()]
    return "\n".join(["```console", *lines, "```", ""])


def stable(block: str) -> str:
    """`block` without what differs from run to run: ids, times, the worker's name, and the room that they take."""
    return re.sub(r"\s+", " ", CHANGING.sub("*", block))


if __name__ == "__main__":
    sys.exit(main())
