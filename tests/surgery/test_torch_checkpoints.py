"""Checkpoints of PyTorch, built here by hand from the format's description: no PyTorch needed."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import transfer_jax as tj
from transfer_jax.surgery.plain_pickles import PickleError
from transfer_jax.surgery.torch_checkpoints import unfold

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Raw(bytes):
    """Opcodes as they are."""


def opcodes(value: Any) -> bytes:
    """The opcodes that make a value."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return pickle.dumps(value, 2)[2:-1]
    if isinstance(value, tuple):
        return b"(" + b"".join(map(opcodes, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(opcodes, value)) + b"e"
    assert isinstance(value, dict)
    return b"}(" + b"".join(opcodes(k) + opcodes(v) for k, v in value.items()) + b"u"


def named(module: str, name: str) -> Raw:
    return Raw(f"c{module}\n{name}\n".encode())


def call(function: Raw, *arguments: Any) -> Raw:
    return Raw(function + opcodes(arguments) + b"R")


def storage(kind: str, key: Any, count: Any, *more: Any) -> Raw:
    identity = ("storage", named("torch", f"{kind}Storage"), key, "cpu", count, *more)
    return Raw(opcodes(identity) + b"Q")


def tensor(held: Raw, offset: Any, shape: Any, strides: Any) -> Raw:
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    hooks = call(named("collections", "OrderedDict"))
    return call(rebuild, held, offset, shape, strides, False, hooks)


def pickled(value: Any) -> bytes:
    return b"\x80\x02" + opcodes(value) + b"."


def zipped(value: Any, records: Mapping[str, bytes], **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        for name, data in {**{f"data/{k}": v for k, v in records.items()}, **more}.items():
            archive.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def in_a_row(value: Any, records: Mapping[str, bytes], counts: Mapping[str, int]) -> bytes:
    head = [pickled(MAGIC), pickled(PROTOCOL), pickled({"little_endian": True}), pickled(value)]
    rows = [struct.pack("<q", counts[key]) + data for key, data in records.items()]
    return b"".join([*head, pickled(list(records)), *rows])


NUMBERS = np.arange(12, dtype=np.float32)
FLOATS = storage("Float", "0", 12)
HALVES = storage("BFloat16", "1", 2)
STATE = {
    "whole": tensor(FLOATS, 0, (3, 4), (4, 1)),
    "turned": tensor(FLOATS, 0, (4, 3), (1, 4)),
    "part": tensor(FLOATS, 5, (2, 2), (4, 2)),
    "scalar": tensor(FLOATS, 7, (), ()),
    "nothing": tensor(FLOATS, 12, (0, 3), (3, 1)),
    "spread": tensor(FLOATS, 3, (2, 2), (0, 0)),
    "parameter": call(
        named("torch._utils", "_rebuild_parameter"), tensor(HALVES, 0, (2,), (1,)), True, None
    ),
}
RECORDS = {"0": NUMBERS.tobytes(), "1": b"\x80\x3f\x00\x40"}
CHECKPOINT = {
    "state_dict": STATE,
    "optimizer": {"state": {0: {"step": 3}}, "param_groups": [{"betas": (1, None), "on": True}]},
    "epoch": 2**70,
    "name": "net",
    "size": call(named("torch", "Size"), (3, 4)),
}
CONTENTS = {
    "zip": zipped(CHECKPOINT, RECORDS, version=b"3\n", byteorder=b"little"),
    "row": in_a_row(CHECKPOINT, RECORDS, {"0": 12, "1": 2}),
}


def load(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return tj.load_tree(path)


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_both_formats(tmp_path, kind, suffix):
    tree = load(tmp_path / f"net.{suffix}", CONTENTS[kind])
    state, square = tree.pop("state_dict"), NUMBERS.reshape(3, 4)
    wanted = {
        "whole": square,
        "turned": square.T,
        "part": [[5, 7], [9, 11]],
        "scalar": 7,
        "nothing": np.zeros((0, 3)),
        "spread": [[3, 3], [3, 3]],
        "parameter": [1, 2],
    }
    assert state.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(np.asarray(state[name], np.float32), array)
    assert state["parameter"].dtype.name == "bfloat16" and state["whole"].dtype == np.float32
    state["whole"][:] = 0
    assert state["turned"][1, 1] == 5
    assert tree == {
        "optimizer": {
            "state": {0: {"step": 3}},
            "param_groups": [{"betas": (1, None), "on": True}],
        },
        "epoch": 2**70,
        "name": "net",
        "size": (3, 4),
    }


def test_big_endian_records_and_parts_of_storages(tmp_path):
    state = {"a": tensor(FLOATS, 0, (12,), (1,))}
    swapped = zipped(state, {"0": NUMBERS.astype(">f4").tobytes()}, byteorder=b"big")
    assert load(tmp_path / "a.pt", swapped)["a"].tolist() == NUMBERS.tolist()
    part = {"a": tensor(storage("Float", "0", 12, ("v", 4, 3)), 1, (2,), (1,))}
    found = load(tmp_path / "b.pt", in_a_row(part, {"0": NUMBERS.tobytes()}, {"0": 12}))
    assert found["a"].tolist() == [5, 6]


def test_names_split_and_layouts_turned_in_a_nested_checkpoint(tmp_path):
    fc = {"model": {"fc.weight": STATE["whole"], "fc.bias": tensor(FLOATS, 0, (3,), (1,))}}
    (tmp_path / "a.pth").write_bytes(zipped({**fc, "lr": 1, "a.b": "text"}, RECORDS))
    tree = tj.load_tree(tmp_path / "a.pth", torch=True)
    np.testing.assert_array_equal(tree["model"]["fc"]["kernel"], NUMBERS.reshape(3, 4).T)
    assert tree["lr"] == 1


ORDERED = named("collections", "OrderedDict")
MARKER = "executed"
ATTACKS: dict[str, Any] = {
    "system": call(named("posix", "system"), f"touch {MARKER}"),
    "eval": call(named("builtins", "eval"), f"open('{MARKER}', 'w')"),
    "getattr": call(named("builtins", "getattr"), "", "join"),
    "import": call(named("importlib", "import_module"), "this"),
    "torch.load": call(named("torch.serialization", "load"), "x"),
    "load from a url": call(named("torch.hub", "load"), "x", "y"),
    "a class of its own": call(named("collections", "namedtuple"), "a", "b"),
    "a dotted name": call(named("torch._utils", "_rebuild_tensor_v2.__globals__"), 1),
    "a name of two parts": Raw(opcodes("collections") + opcodes("OrderedDict.__init__") + b"\x93"),
    "a name that is no text": Raw(opcodes((1,)) + opcodes("x") + b"\x93"),
    "an instance": Raw(b"(iposix\nsystem\n"),
    "an object": Raw(b"(" + named("posix", "system") + opcodes("true") + b"o"),
    "newobj_ex": Raw(ORDERED + opcodes(()) + opcodes({}) + b"\x92"),
    "an extension": Raw(b"\x82\x01"),
    "attributes of a list": Raw(opcodes([1]) + opcodes({"append": 1}) + b"b"),
    "attributes of a name": Raw(ORDERED + opcodes({"__call__": 1}) + b"b"),
    "calls text": Raw(opcodes("os.system") + opcodes(("true",)) + b"R"),
    "calls without a tuple": Raw(ORDERED + opcodes([1]) + b"R"),
    "items of a list": Raw(opcodes([1]) + b"(" + opcodes(0) + opcodes(1) + b"u"),
    "items of a tensor": Raw(STATE["whole"] + b"(" + opcodes(0) + opcodes(1) + b"u"),
    "a key that is a list": Raw(b"}" + opcodes([1]) + opcodes(1) + b"s"),
    "a key that is a tuple": {(1, 2): 1},
    "a bare function": named("torch._utils", "_rebuild_tensor_v2"),
    "a bare storage": FLOATS,
    "an old persistent id": Raw(b"Pstorage\n"),
    "an id that is text": Raw(opcodes("storage") + b"Q"),
    "an id of a module": Raw(opcodes(("module", ORDERED, "a", "b", "c")) + b"Q"),
    "an id that lies of its class": Raw(opcodes(("storage", "x", "0", "cpu", 12)) + b"Q"),
    "an id of a file above": tensor(storage("Float", "../data.pkl", 1), 0, (1,), (1,)),
    "an id of nothing": tensor(storage("Float", "9", 1), 0, (1,), (1,)),
    "an id that is a number": tensor(storage("Float", 0, 1), 0, (1,), (1,)),
    "more than there is": tensor(storage("Float", "0", 13), 0, (13,), (1,)),
    "much more": tensor(storage("Float", "0", 2**62), 0, (2**62,), (1,)),
    "fewer than none": tensor(storage("Float", "0", -1), 0, (1,), (1,)),
    "wider": tensor(storage("Double", "0", 12), 0, (12,), (1,)),
    "beyond by offset": tensor(FLOATS, 12, (1,), (1,)),
    "beyond by stride": tensor(FLOATS, 0, (2,), (12,)),
    "beyond by shape": tensor(FLOATS, 0, (13,), (1,)),
    "a negative offset": tensor(FLOATS, -1, (1,), (1,)),
    "a negative stride": tensor(FLOATS, 11, (2,), (-1,)),
    "a negative shape": tensor(FLOATS, 0, (-1,), (1,)),
    "a huge offset": tensor(FLOATS, 2**70, (1,), (1,)),
    "a huge stride": tensor(FLOATS, 0, (2,), (2**70,)),
    "spread without end": tensor(FLOATS, 0, (2**40,), (0,)),
    "spread twice": tensor(FLOATS, 0, (2**40, 2**40), (0, 0)),
    "nothing times a lot": tensor(FLOATS, 0, (0, 2**80), (1, 1)),
    "many axes": tensor(FLOATS, 0, (1,) * 65, (1,) * 65),
    "strides of another rank": tensor(FLOATS, 0, (2, 2), (1,)),
    "a shape of text": tensor(FLOATS, 0, "ab", "cd"),
    "a shape of booleans": tensor(FLOATS, 0, (True,), (1,)),
    "a parameter of text": call(named("torch._utils", "_rebuild_parameter"), "x", True, None),
    "a tensor without a storage": tensor(Raw(opcodes("x")), 0, (1,), (1,)),
    "a quantised storage": tensor(storage("QInt8", "0", 12), 0, (1,), (1,)),
    "a list that holds itself": Raw(b"]q\x00h\x00a"),
    "a dict that holds itself": Raw(b"}q\x00" + opcodes("a") + b"h\x00s"),
    "deep": Raw(b"]" * 100_000 + b"a" * 99_999),
    "deep tuples": Raw(b")" + b"\x85" * 100_000),
    "laughs": Raw(b"]" + b"q\x00]h\x00ah\x00ah\x00a" * 60),
    "laughing keys": Raw(b")" + b"\x86".join(b"2" for _ in range(60)) + b"N\x86R"),
    "a big memo": Raw(b"Nr\xff\xff\xff\xff."[:-1] + b"j\x00\x00\x00\x00"),
    "huge text": Raw(b"\x8d" + struct.pack("<Q", 2**50)),
    "huge bytes": Raw(b"\x8e" + struct.pack("<Q", 2**62)),
    "a huge array of bytes": Raw(b"\x96" + struct.pack("<Q", 2**40)),
    "a huge integer": Raw(b"\x8b" + struct.pack("<I", 2**31 - 1)),
    "many digits": Raw(b"I" + b"9" * 100_000 + b"\n"),
    "a negative length": Raw(b"T" + struct.pack("<i", -5)),
    "one list in many dicts": Raw(
        opcodes([(1, 1)] * 5000) + b"q\x00" + (ORDERED + b"h\x00\x85Rq\x01") * 5000
    ),
    "one text in many bytes": Raw(
        opcodes("a" * 50_000)
        + b"q\x00"
        + (named("_codecs", "encode") + b"h\x00" + opcodes("latin1") + b"\x86R") * 5000
    ),
    "an empty stack": Raw(b"0" * 10),
    "no mark": Raw(b"u"),
    "no such memory": Raw(b"h\x05"),
}


@pytest.mark.parametrize("form", ["zip", "row"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_pickle_is_one_clear_error(tmp_path, monkeypatch, attack, form):
    """Nothing is executed, and little memory is taken."""
    monkeypatch.chdir(tmp_path)
    value = {"a": ATTACKS[attack]}
    counts = {"0": 12, "1": 2}
    content = zipped(value, RECORDS) if form == "zip" else in_a_row(value, RECORDS, counts)
    tracemalloc.start()
    with pytest.raises(tj.TreeFileError, match=r"net\.pth is damaged or no checkpoint") as caught:
        load(tmp_path / "net.pth", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["net.pth"]


CONTAINERS = {
    "it is a tar file of PyTorch before 0.2; save it again": bytes(257) + b"ustar" + bytes(300),
    "it is a program of TorchScript; save its state_dict instead": zipped(
        {}, {}, **{"constants.pkl": b""}
    ),
    "it holds 2 pickles, one is needed": zipped({}, {}, **{"deeper/data.pkl": b""}),
    "it begins like no checkpoint that is known": pickled(MAGIC) + pickled(7),
    "its pickle is damaged: pickle exhausted before seeing STOP": pickled(MAGIC)[:-1],
    "data/0 is missing": zipped(STATE["whole"], {}),
}


@pytest.mark.parametrize("reason", CONTAINERS)
def test_what_is_wrong_with_a_container_is_told(tmp_path, reason):
    with pytest.raises(tj.TreeFileError) as caught:
        load(tmp_path / "net.pth", CONTAINERS[reason])
    assert str(caught.value).endswith(f"is damaged or no checkpoint of PyTorch: {reason}")


def test_a_storage_in_a_row_must_be_there_whole(tmp_path):
    value, records = {"a": STATE["whole"]}, {"0": RECORDS["0"]}
    assert load(tmp_path / "net.pth", in_a_row(value, records, {"0": 12}))["a"].shape == (3, 4)
    for counts, cut in (({"0": 13}, 0), ({"0": 12}, 1)):
        content = in_a_row(value, records, counts)
        with pytest.raises(tj.TreeFileError, match="a storage promises more than the file holds"):
            load(tmp_path / "net.pth", content[: len(content) - cut])


REASONS = {
    "system": "it asks for posix.system; allowed: tensors and plain data",
    "a dotted name": "it asks for torch._utils._rebuild_tensor_v2.__globals__; allowed: tensors "
    "and plain data",
    "a name that is no text": "its pickle is damaged: sequence item 0: expected str instance, "
    "tuple found",
    "an instance": "the opcode INST is not allowed",
    "newobj_ex": "the opcode NEWOBJ_EX is not allowed",
    "attributes of a list": "it sets attributes of a list",
    "calls text": "it calls str, which is not allowed",
    "calls without a tuple": "it calls collections.OrderedDict, which is not allowed",
    "items of a list": "it sets items of something that is no dict",
    "a key that is a list": "a key is of list; allowed: text and numbers",
    "a bare function": "it holds torch._utils._rebuild_tensor_v2 bare, which is no data",
    "a bare storage": "it holds a storage bare, which is no data",
    "an id that is text": "a storage makes no sense",
    "an id of a module": "a storage makes no sense",
    "an id that lies of its class": "a storage makes no sense",
    "fewer than none": "a storage makes no sense",
    "an id of nothing": "data/9 is missing",
    "beyond by offset": "a tensor reaches beyond its storage",
    "beyond by stride": "a tensor reaches beyond its storage",
    "more than there is": "a tensor reaches beyond its storage",
    "a negative stride": "a tensor's storage, shape or strides make no sense",
    "a tensor without a storage": "a tensor's storage, shape or strides make no sense",
    "many axes": "a tensor's shape and strides make no sense",
    "strides of another rank": "a tensor's shape and strides make no sense",
    "a shape of text": "a tensor's shape and strides make no sense",
    "spread without end": "its tensors are much larger than the file",
    "a parameter of text": "a parameter holds no tensor",
    "a list that holds itself": "it is nested too deeply, or unfolds without end",
    "deep": "it is nested too deeply, or unfolds without end",
    "one list in many dicts": "it calls functions with the same large arguments again",
    "an empty stack": "its pickle is damaged: nothing on the stack",
    "no such memory": "its pickle is damaged: 5",
}


@pytest.mark.parametrize("attack", REASONS)
def test_what_is_wrong_with_a_pickle_is_told(tmp_path, attack):
    with pytest.raises(tj.TreeFileError) as caught:
        load(tmp_path / "net.pth", zipped({"a": ATTACKS[attack]}, RECORDS))
    path = tmp_path / "net.pth"
    assert str(caught.value) == f"{path} is damaged or no checkpoint of PyTorch: {REASONS[attack]}"


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: (x,)])
def test_a_tree_may_be_64_deep(wrap):
    """Whatever its branches are."""
    tree: Any = 1
    for _ in range(64):
        tree = wrap(tree)
    assert unfold(tree, 100, array_of=lambda _: None) == tree
    with pytest.raises(PickleError, match="nested too deeply"):
        unfold(wrap(tree), 100, array_of=lambda _: None)


def test_a_tree_may_unfold_to_sixteen_nodes_an_opcode():
    assert len(unfold([0] * 31, 2, array_of=lambda _: None)) == 31
    with pytest.raises(PickleError, match="unfolds without end"):
        unfold([0] * 32, 2, array_of=lambda _: None)


def test_attributes_are_left_out(tmp_path):
    held = Raw(call(ORDERED) + opcodes({"_metadata": {"x": 1}, "__class__": "y"}) + b"b")
    assert load(tmp_path / "net.pth", zipped({"a": held}, {})) == {"a": {}}


def test_what_is_asked_for_is_named(tmp_path):
    content = zipped({"args": call(named("argparse", "Namespace"))}, {})
    with pytest.raises(tj.TreeFileError, match=r"asks for argparse\.Namespace; allowed: tensors"):
        load(tmp_path / "net.pth", content)


def bomb(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled({"a": STATE["whole"]}))
        archive.writestr("archive/data/0", bytes(10**8))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4",
        b"\x80\x02" * 10,
        b"\xff" * 600,
        pickled(MAGIC),
        pickled(MAGIC) + pickled(7),
        pickled({"a": 1}),
        bytes(257) + b"ustar" + bytes(300),
        bomb(zipfile.ZIP_DEFLATED),
        bomb(zipfile.ZIP_BZIP2),
        zipped({"a": 1}, {}, **{"constants.pkl": pickled(())}),
        zipped({"a": 1}, {}, **{"deeper/data.pkl": pickled({})}),
        in_a_row({"a": STATE["whole"]}, {"0": b""}, {"0": 2**62}),
        in_a_row({"a": STATE["whole"]}, {"0": b""}, {"0": -1}),
        in_a_row({"a": STATE["whole"]}, {}, {}),
        in_a_row({}, {"unknown": b""}, {"unknown": 0}),
    ],
)
def test_a_lying_container_is_one_clear_error(tmp_path, content):
    with pytest.raises(tj.TreeFileError, match=r"net\.pth is damaged or no checkpoint"):
        load(tmp_path / "net.pth", content)


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4)


@FUZZ
@given(st.sampled_from(sorted(CONTENTS)), st.floats(0, 1), FLIPS, st.booleans())
def test_damage_anywhere_is_our_error_or_harmless(tmp_path, kind, cut, flips, whole):
    content = bytearray(CONTENTS[kind])
    for place, flip in flips:
        content[int(place * len(content))] ^= flip
    kept = content if whole else content[: int(cut * len(content)) + 1]
    try:
        load(tmp_path / "net.pth", bytes(kept))
    except tj.TreeFileError as error:
        assert "net.pth" in str(error)


OPCODES = [bytes([c]) for c in b"(.0}])NQRbtsuae2\x85\x86\x93\x81\x94"]
PARTS = [opcodes("a"), opcodes(0), bytes(ORDERED), bytes(FLOATS), b"h\x00", b"q\x00"]


@FUZZ
@given(st.lists(st.sampled_from(OPCODES + PARTS)))
def test_any_row_of_opcodes_is_our_error_or_harmless(tmp_path, row):
    try:
        load(tmp_path / "net.pth", zipped(Raw(b"".join(row)), RECORDS))
    except tj.TreeFileError as error:
        assert "net.pth" in str(error)


def with_metadata(kind: str, numbers: np.ndarray, metadata: Any) -> bytes:
    held, hooks = storage(kind, "0", len(numbers)), call(named("collections", "OrderedDict"))
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    viewed = call(rebuild, held, 0, (len(numbers),), (1,), False, hooks, metadata)
    return zipped({"a": viewed}, {"0": numbers.tobytes()})


def test_conjugated_and_negated_views(tmp_path):
    numbers = np.array([1 + 2j, 3 - 4j], np.complex64)
    path = tmp_path / "net.pth"
    for metadata, expected in (
        ({"conj": True}, [1 - 2j, 3 + 4j]),
        ({"neg": True}, [-1 - 2j, -3 + 4j]),
        ({"conj": True, "neg": True}, [-1 + 2j, -3 - 4j]),
        ({"conj": False}, [1 + 2j, 3 - 4j]),
        (None, [1 + 2j, 3 - 4j]),
    ):
        path.write_bytes(with_metadata("ComplexFloat", numbers, metadata))
        assert tj.load_tree(path)["a"].tolist() == expected
    path.write_bytes(with_metadata("ComplexFloat", numbers, {"folded": True}))
    with pytest.raises(tj.TreeFileError, match="metadata that is not known"):
        tj.load_tree(path)


def test_counters_and_complex_numbers_are_plain_data(tmp_path):
    counter = call(named("collections", "Counter"), {30: 1, 60: 2})  # milestones of a schedule
    number = call(
        named("__builtin__", "complex"), Raw(pickle.dumps(1.5, 2)[2:-1]), Raw(b"G" + bytes(8))
    )
    (tmp_path / "net.pth").write_bytes(zipped({"milestones": counter, "c": number}, {}))
    assert tj.load_tree(tmp_path / "net.pth") == {"milestones": {30: 1, 60: 2}, "c": 1.5 + 0j}
    for odd in (
        call(named("collections", "Counter"), 3),
        call(named("builtins", "complex"), "x", 1),
    ):
        (tmp_path / "net.pth").write_bytes(zipped({"a": odd}, {}))
        with pytest.raises(tj.TreeFileError, match="makes no sense"):
            tj.load_tree(tmp_path / "net.pth")


def test_a_tuple_is_a_tree_and_a_number_is_none(tmp_path):
    path = tmp_path / "net.pth"
    weight, bias = tensor(FLOATS, 0, (3, 4), (4, 1)), tensor(FLOATS, 0, (3,), (1,))
    path.write_bytes(zipped(({"fc.weight": weight, "fc.bias": bias}, {"step": (1, 2)}), RECORDS))
    state, rest = tj.load_tree(path, torch=True)
    np.testing.assert_array_equal(state["fc"]["kernel"], NUMBERS.reshape(3, 4).T)
    assert rest == {"step": (1, 2)}
    for leaf in (3, None, "text"):
        path.write_bytes(zipped(leaf, {}))
        assert tj.load_tree(path, torch=True) == leaf
    path.write_bytes(zipped(bias, RECORDS))
    bare = tj.load_tree(path, torch=True)
    np.testing.assert_array_equal(bare, NUMBERS[:3])
    with pytest.raises(tj.TreeFileError, match="a bare leaf has no name in PyTorch"):
        tj.save_tree(tmp_path / "net.safetensors", bare, torch=True)
