"""The house rules that a machine can check."""

import ast
import builtins
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "transfer_jax"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What a person sees first of the repository: nothing else lies there.
TOP_LEVEL = {
    ".ci", ".gitignore", "LICENSE", "MANIFEST.in", "README.md", "configs", "docs", "experiments",
    "pyproject.toml", "setup.py", "tests", "transfer_jax",
}  # fmt: skip

# The ten rooms, in the order in which data meets them: each imports only rooms above it.
ROOMS = [
    "surgery", "grid", "folder", "models", "data", "engine", "plan", "analysis", "running",
    "commands",
]  # fmt: skip
# The doors: of `import`, now and before the rooms, of `python -m`, of the shell.
DOORS = {"__init__.py", "old_names.py", "__main__.py", "cli.py"}


def functions() -> Iterator[tuple[Path, ast.FunctionDef, bool]]:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.FunctionDef):
                    outermost = isinstance(node, ast.Module | ast.ClassDef)
                    yield path, child, outermost and not child.name.startswith("_")


def code_lines(function: ast.FunctionDef) -> int:
    has_docstring = ast.get_docstring(function) is not None
    docstring = function.body[0] if has_docstring else None
    length = (function.end_lineno or 0) - function.lineno + 1
    return length - ((docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0)


def test_functions_fit_a_screen():
    lengths = [code_lines(function) for _, function, _ in functions()]
    assert np.median(lengths) <= 12
    assert np.percentile(lengths, 95) <= 45
    assert max(lengths) <= 80


def test_files_hold_one_idea():
    lengths = [len(path.read_text().splitlines()) for path in SOURCES]
    assert max(lengths) <= 300
    assert np.mean(lengths) <= 160


def test_public_functions_have_docstrings_and_all_arguments_are_annotated():
    for path, function, public in functions():
        where = f"{path.name}:{function.lineno} {function.name}"
        if public:
            assert ast.get_docstring(function), f"{where} has no docstring"
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        for argument in arguments:
            if argument.arg not in ("self", "cls"):
                assert argument.annotation, f"{where}: {argument.arg} has no annotation"


def entries(docstring: str, section: str) -> list[tuple[str, str]]:
    """The entries of a section of a docstring: each name, or names, and what is said of it."""
    found = re.search(rf"^{section}:\n((?:  .*(?:\n|$)|\n)*)", docstring, re.MULTILINE)
    return re.findall(r"^  (\*{0,2}\w[\w., ]*): (.*)$", found[1], re.MULTILINE) if found else []


def test_the_nearest_word_is_hinted_at_by_one_function():
    """The sentence's end stands once; surgery, which imports nothing of ours, has its own."""
    others = [path for path in SOURCES if path.parent.name != "surgery"]
    held = [path.name for path in others if 'f"; nearest: {near[0]}"' in path.read_text()]
    assert held == ["registry.py"]


def exceptions() -> set[str]:
    """The names of all classes of the package, and of Python's own."""
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    own = {n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    return own | set(dir(builtins)) | {"ArgumentTypeError"}


def test_docstrings_tell_the_truth():
    """What they say of is there: an argument, a result, an exception."""
    known = exceptions()
    for path, function, _ in functions():
        text, where = ast.get_docstring(function) or "", f"{path.name}: {function.name}"
        own = function.args
        arguments = {a.arg for a in (*own.posonlyargs, *own.args, *own.kwonlyargs)}
        arguments |= {f"*{own.vararg.arg}"} if own.vararg else set()
        arguments |= {f"**{own.kwarg.arg}"} if own.kwarg else set()
        for names, _ in entries(text, "Args"):
            told = {name.strip() for name in names.split(",")}
            assert told <= arguments | {a.lstrip("*") for a in arguments}, where
        for names, _ in entries(text, "Raises"):
            assert {name.strip().rpartition(".")[2] for name in names.split(",")} <= known, where
        gives_nothing = (
            isinstance(function.returns, ast.Constant) and function.returns.value is None
        )
        assert not (gives_nothing and "Returns:" in text), where


def test_docstrings_say_more_than_the_name_of_an_argument():
    for path, function, _ in functions():
        for name, said in entries(ast.get_docstring(function) or "", "Args"):
            words = re.sub(r"^(the|a|an|its|their) ", "", said.rstrip("."))
            repeats = words.replace(" ", "_") == name
            assert not repeats, f"{path.name}: {function.name} says '{name}: {said}'"


def rooms_it_imports(path: Path) -> set[str]:
    """The rooms that a file imports, at its top or later; of the front door and configs too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name} imports by a relative name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("transfer_jax.")}
    return found


def test_the_package_is_ten_rooms_and_its_doors():
    assert {path.name for path in PACKAGE.glob("*.py")} == DOORS
    assert {path.relative_to(PACKAGE).parts[0] for path in SOURCES} - DOORS == set(ROOMS)
    assert len(ROOMS) == 10


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room):
    above = ROOMS[: ROOMS.index(room) + 1]
    for path in (PACKAGE / room).rglob("*.py"):
        below = rooms_it_imports(path) - {*above, "configs"}
        assert not below, f"{path.relative_to(PACKAGE)} imports {below}"


def test_the_analysis_knows_nothing_of_the_engine():
    for path in (PACKAGE / "analysis").rglob("*.py"):
        assert rooms_it_imports(path) <= {"analysis", "grid", "folder"}, path.name


def test_tests_mirror_the_rooms():
    there = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert there == set(ROOMS)


def test_no_room_is_a_drawer():
    assert not [path for path in SOURCES if path.stem in ("utils", "helpers", "common", "misc")]


def test_nothing_else_lies_in_the_repository():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no checkout of git")
    # Of files that are new, too; and of a checkout that is another user's.
    command = ("git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "-z",
               "--exclude-standard")  # fmt: skip
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [name for name in listed.split("\0") if name and (ROOT / name).exists()]
    assert {name.split("/")[0] for name in files} == TOP_LEVEL
    # A name that some file system does not take, or that was an address once.
    assert not [name for name in files if re.search(r"[^\w./-]", name, re.ASCII)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_places_turn_what_people_write_into_paths(path):
    """An address taken for a path becomes a local folder of its name."""
    # Surgery reads and writes single files, and makes no folder.
    if path.name == "places.py" or path.parent.name == "surgery":
        return
    code = "\n".join(line for line in path.read_text().splitlines() if ">>>" not in line)
    assert not re.search(r'"://"|\.absolute\(\)|\.resolve\(\)', code)
    assert not re.search(r"Path\((arguments|config|plan)\.|Path\(workdir\)", code)
