"""The demo's first seven workflows on the embedded broker, the whole command, from a cold broker each time."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FIRST_SEVEN = ("delay", "call", "group", "chain", "chord", "link_error", "link")
LIMIT_SECONDS = 4.0


def main() -> None:
    """Print the median wall time of some runs, after one that is not counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = [run(folder) for _ in range(options.runs + 1)][1:]
    figures = {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
    if options.json:
        print(json.dumps({"demo": figures, "limit": LIMIT_SECONDS}))
        return
    shown = ", ".join(f"{name} {value:.2f} s" for name, value in figures.items())
    print(f"first seven workflows, {options.runs} runs: {shown} (limit {LIMIT_SECONDS:g} s)")


def run(folder: str) -> float:
    """One run of the command in seconds."""
    only = [f"--only={name}" for name in FIRST_SEVEN]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "app.demo_canvas", *only],
        env=os.environ | {"DATA_DIR": folder},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
