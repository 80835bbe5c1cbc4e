"""The weather file: nothing lost, doubled, mixed or half written, whatever happens to its writers."""

import json
import os
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.weather import tail
from app.weather.errors import StoreError
from app.weather.observation import Observation, Place
from app.weather.store import Store
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(30)

START = datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
OSLO = Place("Oslo", 59.91, 10.75)
WRITER = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from app.weather.observation import Observation, Place
from app.weather.store import Store
store, first, count, batch = Store(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2]), *map(int, sys.argv[3:5])
print("ready", flush=True)
sys.stdin.readline()
for number in range(0, count, batch):
    times = [first + timedelta(minutes=15 * (number + step)) for step in range(batch)]
    store.append([
        Observation(Place(name, 59.91, 10.75), time, time + timedelta(minutes=6), "open-meteo", temperature_c=1.5)
        for time in times for name in ("Oslo", "Bergen")
    ])
"""


def observation(number: int = 0, **changes: object) -> Observation:
    time = START + timedelta(minutes=15 * number)
    values = {"temperature_c": 1.5, "place": OSLO, "provider": "open-meteo"} | changes
    return Observation(observed_at=time, fetched_at=time + timedelta(minutes=6), **values)  # type: ignore[arg-type]


def writer(path: Path, count: int, batch: int = 1, skip: int = 0) -> "subprocess.Popen[str]":
    """A process that is ready to append `count` times of observation, so many at a time; `begin` lets it go."""
    first = START + timedelta(minutes=15 * skip)
    command = [sys.executable, "-c", WRITER, str(path), first.isoformat(), str(count), str(batch)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def rows(path: Path) -> list[tuple[str, str]]:
    """Place and time of every row; a line that is no row fails the test."""
    return [(row["place"], row["observed_at"]) for row in map(json.loads, path.read_text().splitlines())]


def test_an_observation_is_written_once(tmp_path: Path) -> None:
    """What is kept already, or stands twice in one append, is not written again; other providers' rows are."""
    store = Store(tmp_path / "new" / "folder" / "weather.jsonl")
    assert len(store.append([observation(), observation(), observation(1)]).written) == 2
    appended = store.append([observation(1), observation(2), observation(provider="met-norway")])
    assert [kept.identity[2][11:16] for kept in appended.written] == ["03:45", "03:15"]
    assert appended.duplicates == 1
    assert len(rows(store.path)) == 4


def test_names_of_any_script_come_back(tmp_path: Path) -> None:
    """A place's name with quotes, backslashes and other scripts is found again."""
    place = Place('Нью-"Йорк" \\ 東京', 1, 2)
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(place=place)])
    assert store.kept([place.name], "open-meteo", START)[place.name].own == START
    assert store.append([observation(place=place)]).duplicates == 1


def test_processes_that_write_at_once_do_not_mix(tmp_path: Path) -> None:
    """Six processes that append the same observations at the same time leave each once, every line whole."""
    path = tmp_path / "weather.jsonl"
    processes = [writer(path, count=300, batch=3) for _ in range(6)]
    for process in processes:
        begin(process)
    for process in processes:
        process.communicate(timeout=25)
    assert [process.returncode for process in processes] == [0] * 6
    assert len(rows(path)) == len(set(rows(path))) == 600


def test_a_writer_killed_while_it_writes_leaves_nothing_torn(tmp_path: Path) -> None:
    """After writers were killed with -9 while they write, every line is whole and every row is there once."""
    path = tmp_path / "weather.jsonl"
    for number in range(8):
        before = path.stat().st_size if path.exists() else 0
        process = writer(path, count=40_000, batch=400, skip=400 * number)
        begin(process)
        wait_until(lambda size=before: path.exists() and path.stat().st_size > size, 20, "the writer has written")
        process.kill()
        process.communicate()
    last = writer(path, count=400 * 8, batch=3_200)
    begin(last)
    last.communicate()
    assert last.returncode == 0
    found = rows(path)
    assert len(found) == len(set(found)) >= 2 * 400 * 8


@pytest.mark.parametrize("cut", [1, 2, 50, 200], ids=lambda cut: f"{cut} bytes missing")
def test_a_torn_line_is_set_aside_and_the_file_goes_on(tmp_path: Path, cut: int) -> None:
    """A last line that a power cut has torn is moved away, reported and fetched again, and nothing else is touched."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(0), observation(1)])
    whole = store.path.read_bytes()
    os.truncate(store.path, len(whole) - cut)
    appended = store.append([observation(1), observation(2)])
    assert len(appended.torn) == 1
    assert rows(store.path) == [("Oslo", f"2026-11-22T03:{minute}:00Z") for minute in (15, 30, 45)]
    torn = tmp_path / "weather.jsonl.torn"
    if cut == 1:
        assert "lacked its end" in appended.torn[0]
        assert not torn.exists()
    else:
        assert torn.read_bytes() == whole[len(whole) // 2 : len(whole) - cut] + b"\n"


def test_zeros_after_a_power_cut_are_set_aside(tmp_path: Path) -> None:
    """Blocks of zeros, as file systems leave them, with or without a line end, do not stop the file."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(0)])
    with store.path.open("ab") as file:
        file.write(b"\0" * 100_000 + b"\n" + b"\0" * 5000)
    assert len(store.append([observation(1)]).torn) == 2
    assert len(rows(store.path)) == 2


def test_a_bad_line_in_the_middle_stops_nothing(tmp_path: Path) -> None:
    """A line that is no row, and one of a later schema, stay where they are and hinder nobody."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(0)])
    with store.path.open("a") as file:
        file.write('garbage\n{"schema": 2}\n')
    assert len(store.append([observation(0), observation(1)]).written) == 1
    lines = store.path.read_text().splitlines()
    assert lines[1:3] == ["garbage", '{"schema": 2}']
    assert len(lines) == 4


@pytest.mark.parametrize("content", ["place,temperature\nOslo,3\n", "{\n}\n", "hello", "# Notes\n"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: str) -> None:
    """A file that is no weather file is refused with a sentence, and not changed."""
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(StoreError, match=r"is no weather file"):
        Store(path).append([observation()])
    assert path.read_text() == content
    assert not (tmp_path / "notes.txt.torn").exists()


def test_a_full_disk_takes_the_half_written_lines_back(tmp_path: Path) -> None:
    """When the disk is full in the middle of a write, the file is as it was, and the error is one sentence."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(0)])
    before = store.path.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, old[1]))
    try:
        with pytest.raises(StoreError, match=r"^The weather file .* cannot be written: File too large\.$"):
            store.append([observation(number) for number in range(1, 4)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null/weather.jsonl", "/"], ids=["device", "no folder", "folder"])
def test_what_cannot_be_written_is_a_sentence(path: str) -> None:
    """A weather file that cannot be one is told in a sentence, not in a traceback."""
    with pytest.raises(StoreError, match=r"^The weather file .* cannot be written: .*\.$"):
        Store(Path(path)).append([observation()])


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """A named pipe, which would block for ever, is refused at once."""
    os.mkfifo(tmp_path / "weather.jsonl")
    with pytest.raises(StoreError, match="no regular file"):
        Store(tmp_path / "weather.jsonl").append([observation()])


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all reads from the end of a file, from now on."""
    sizes: list[int] = []
    pread = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        sizes.append(count)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(tail.os, "pread", counting)
    return sizes


def grown_file(path: Path, rows: int) -> Store:
    """A file of `rows` rows of two places, the last of them just before START."""
    row = Observation(OSLO, START, START, "open-meteo", temperature_c=1.5).to_row()
    with path.open("w") as file:
        for number in range(rows):
            time = (START - timedelta(minutes=20 * (rows - number) // 2)).strftime("%Y-%m-%dT%H:%M:%SZ")
            row |= {"place": ("Oslo", "Bergen")[number % 2], "observed_at": time, "fetched_at": time}
            file.write(json.dumps(row) + "\n")
    return Store(path)


def test_the_cost_of_a_run_does_not_grow_with_the_file(tmp_path: Path, bytes_read: list[int]) -> None:
    """A run reads as much of a file of 100,000 rows as of one of 1,000: a day of rows at the end."""
    costs = []
    for size in (1_000, 100_000):
        store = grown_file(tmp_path / f"{size}.jsonl", size)
        bytes_read.clear()
        store.kept(["Oslo", "Bergen"], "open-meteo", START - timedelta(hours=24))
        store.append([observation(), observation(place=Place("Bergen", 60.4, 5.3))])
        costs.append(sum(bytes_read))
    assert costs[0] == costs[1] < 256 * 1024


def test_a_place_that_is_not_there_is_not_looked_for_for_ever(tmp_path: Path, bytes_read: list[int]) -> None:
    """The search for the last row of a new place ends after a fixed number of bytes."""
    store = grown_file(tmp_path / "weather.jsonl", 100_000)
    assert store.kept(["Nowhere"], "open-meteo", START - timedelta(hours=24)) == {}
    assert sum(bytes_read) < 1024 * 1024


@pytest.mark.parametrize("provider", ["open-meteo", "met-norway"])
def test_the_last_rows_before_a_long_gap_are_found(tmp_path: Path, provider: str) -> None:
    """After ten days without a run each of many places is known, whoever gave its last row."""
    store = Store(tmp_path / "weather.jsonl")
    names = [f"Place {number}" for number in range(200)]
    store.append([observation(place=Place(name, 1, 2), provider=provider) for name in names])
    kept = store.kept(names, "open-meteo", START + timedelta(days=9))
    assert {name: of_place.since for name, of_place in kept.items()} == dict.fromkeys(names, START)


def test_a_row_of_the_provider_behind_a_week_of_another_ones_is_found(tmp_path: Path) -> None:
    """What stands between a place's last row of the provider and the window is known, too."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation()])
    store.append([observation(4 * hour, provider="met-norway") for hour in range(1, 24 * 7)])
    kept = store.kept(["Oslo"], "open-meteo", START + timedelta(days=6))["Oslo"]
    assert (kept.own, kept.since, len(kept.times)) == (START, START, 24 * 7)


def test_a_double_far_back_is_found(tmp_path: Path) -> None:
    """A backfilled row that stands thousands of rows before the end is known as a double."""
    store = Store(tmp_path / "weather.jsonl")
    store.append([observation(number) for number in range(5_000)])
    late = Observation(OSLO, START, START + timedelta(days=60), "open-meteo", temperature_c=1.5, backfilled=True)
    assert store.append([late]).duplicates == 1
    assert store.append([observation(number) for number in range(50)]).duplicates == 50
