"""A seeded sample of the mutants of a room: which die of the tests nearest to them.

`experiments/mutation.sh ROOM [SAMPLE] [SEED]`. Rooms and their tests are in rooms.toml, mutants
that change nothing in equivalent.toml. What was found is kept in build/mutation: a second run of
the same sample tries those that lived, and no others. Delete that folder to begin anew.
"""

import argparse
import functools
import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import warm
from mutants import Mutant, mutants_of, statement_lines
from nearest import Chosen, Observer

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
OPTIONS += ["--tb=short", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
# A mutant's tests, cheapest first, may take this many seconds together when nothing is wrong.
BUDGET = 20.0
FIRST = 12
Observed = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser()
    rooms = tomllib.loads((HERE / "rooms.toml").read_text())
    parser.add_argument("room", choices=rooms)
    parser.add_argument("sample", type=int, nargs="?", default=120)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    args = parser.parse_args()
    room = rooms[args.room]
    kept = ROOT / "build" / "mutation" / args.room.replace("/", "-")
    kept.mkdir(parents=True, exist_ok=True)
    files = [f for pattern in room["files"] for f in sorted(ROOT.glob(pattern))]
    every = [m for f in files for m in mutants_of(str(f.relative_to(ROOT)), f.read_text())]
    chosen = random.Random(args.seed).sample(every, min(args.sample, len(every)))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "copy"
        _copy(folder)
        warm.prepare(folder)
        names = [str(f.relative_to(ROOT)) for f in files]
        observed = _observe(folder, names, room, kept)
        fates = _fates(folder, chosen, observed, kept)
    _tell(args, chosen, fates, len(every))


def _copy(folder: Path) -> None:
    """The repository's files as they are now, without what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _observe(
    folder: Path, names: list[str], room: dict[str, list[str]], kept: Path
) -> list[Observed]:
    """Each test file's durations and lines; kept until the file or the room changes."""
    held = b"".join((folder / name).read_bytes() for name in names)
    files = sorted({f for test in room["tests"] for f in folder.glob(test)})
    without = ["-k", " and ".join(f"not {name}" for name in room.get("without", ()))]
    found = []
    for file in files:
        name = str(file.relative_to(folder))
        digest = hashlib.sha256(held + file.read_bytes()).hexdigest()[:16]
        store = kept / f"{name.replace('/', '-')}.{digest}.json"
        if not store.exists():
            job = functools.partial(_watch_tests, folder, [name, *without], names, store)
            warm.forked(job, kept / "observed.log", 1200)
            if not store.exists():
                raise SystemExit(f"{name} does not pass by itself:\n{_end(kept / 'observed.log')}")
            print(f"observed {name}", flush=True)
        found.append(json.loads(store.read_text()))
    return found


def _watch_tests(folder: Path, tests: list[str], names: list[str], store: Path) -> int:
    observer = Observer([str(folder / room_file) for room_file in names])
    observer.coverage.start()
    code = pytest.main([*OPTIONS, *tests], plugins=[observer])
    observer.coverage.stop()
    lines = {room_file: observer.runners(folder / room_file) for room_file in names}
    if code in (0, 5):
        store.write_text(json.dumps({"seconds": observer.seconds, "lines": lines}))
    return int(code)


def _fates(
    folder: Path, chosen: list[Mutant], observed: list[Observed], kept: Path
) -> dict[str, str]:
    store = kept / "fates.json"
    fates: dict[str, str] = json.loads(store.read_text()) if store.exists() else {}
    for i, mutant in enumerate(chosen):
        if fates.get(mutant.key) not in ("killed", "timed out"):
            fates[mutant.key] = _fate(folder, mutant, observed, kept / "mutant.log")
            print(f"{i + 1}/{len(chosen)} {fates[mutant.key]} {mutant.file}", flush=True)
            store.write_text(json.dumps(fates, indent=1))
    return fates


def _fate(folder: Path, mutant: Mutant, observed: list[Observed], log: Path) -> str:
    file = folder / mutant.file
    code = file.read_text()
    seconds = _nearest(mutant, code, observed)
    if not seconds:
        return "no test runs it"
    job = functools.partial(_try, list(seconds))
    try:
        _write(file, mutant.code)
        found = warm.forked(job, log, 30 + 2 * sum(seconds.values()))
    finally:
        _write(file, code)
    if found in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"the tests of {mutant} do not run:\n{_end(log)}")
    if found is None:
        return "timed out"
    return "survived" if found == 0 else "killed"


def _try(tests: list[str]) -> int:
    """The first tests by themselves, since these mostly tell and few files hold them."""
    for some in (tests[:FIRST], tests[FIRST:]):
        files = sorted({test.split("::")[0] for test in some})
        if some and (code := pytest.main([*OPTIONS, *files], plugins=[Chosen(some)])):
            return int(code)
    return 0


def _write(file: Path, code: str) -> None:
    file.write_text(code)
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def _nearest(mutant: Mutant, code: str, observed: list[Observed]) -> dict[str, float]:
    """The tests that run a mutant's lines and what they cost, cheapest first, up to the budget."""
    seconds: dict[str, float] = {}
    for lines in (set(mutant.change[0]), statement_lines(code, mutant.change[0])):
        for of_file in observed:
            numbered = of_file["lines"][mutant.file]
            runners = {name for line in lines for name in numbered.get(str(line), ())} - {""}
            for test, cost in of_file["seconds"].items():
                if test in runners or test.split("::")[0] in runners:
                    seconds[test] = cost
        if seconds:
            break
    total, found = 0.0, {}
    for test, cost in sorted(seconds.items(), key=lambda item: item[1]):
        total += cost
        if total <= BUDGET or not found:
            found[test] = cost
    return found


def _end(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-30:])


def _tell(
    args: argparse.Namespace, chosen: list[Mutant], fates: dict[str, str], every: int
) -> None:
    listed = tomllib.loads((HERE / "equivalent.toml").read_text())["equivalent"]
    reasons = {f"{e['file']}\n- {e['old']}\n+ {e['new']}": e["why"] for e in listed}
    counts: Counter[str] = Counter()
    for mutant in chosen:
        fate = fates[mutant.key]
        if fate not in ("killed", "timed out") and mutant.key in reasons:
            fate = "equivalent"
        counts[fate] += 1
        if fate in ("survived", "no test runs it"):
            print(f"\n{fate}: {mutant}")
    dead = counts["killed"] + counts["timed out"]
    can_die = len(chosen) - counts["equivalent"]
    print(
        "\n| room | mutants | sample | seed | killed | timed out | survived | run by no test "
        "| equivalent | die |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    print(
        f"| `{args.room}` | {every} | {len(chosen)} | {args.seed} | {counts['killed']} "
        f"| {counts['timed out']} | {counts['survived']} | {counts['no test runs it']} "
        f"| {counts['equivalent']} | {dead / max(can_die, 1):.0%} |"
    )


if __name__ == "__main__":
    main()
