"""PyTorch's layouts: by rule where certain, by the caller's table, else left and reported."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import transfer_jax as tj
from transfer_jax.surgery.torch_layouts import from_torch, to_torch


def weights(**shapes):
    """Distinct numbers, under names in which __ stands for a dot."""
    return {
        name.replace("__", "."): np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(
            shape
        )
        for name, shape in shapes.items()
    }


def convert(layouts=None, **shapes):
    return from_torch(weights(**shapes), layouts or {})


CERTAIN = {
    "linear": ({"x__weight": (5, 3), "x__bias": (5,)}, "kernel", (3, 5)),
    "square linear": ({"x__weight": (4, 4), "x__bias": (4,)}, "kernel", (4, 4)),
    "linear by name": ({"x__q_proj__weight": (4, 4)}, "q_proj", None),
    "conv": ({"x__weight": (5, 2, 3, 3), "x__bias": (5,)}, "kernel", (3, 3, 2, 5)),
    "depthwise": ({"x__weight": (5, 1, 3, 3), "x__bias": (5,)}, "kernel", (3, 3, 1, 5)),
    "conv1d": ({"conv__weight": (5, 2, 3)}, "conv", None),
    "table": ({"word_embeddings__weight": (4, 4)}, "word_embeddings", None),
    "two-axis norm": ({"x__weight": (4, 4), "x__bias": (4, 4)}, "scale", (4, 4)),
    "norm": ({"x__weight": (4,), "x__bias": (4,)}, "scale", (4,)),
}


@pytest.mark.parametrize("case", CERTAIN)
def test_what_is_certain(case):
    shapes, name, shape = CERTAIN[case]
    tree, doubts = convert(**shapes)
    assert not doubts
    assert name in (tree.get("x") or tree)
    if shape:
        assert tree["x"][name].shape == shape


def test_values_are_where_flax_has_them():
    state = weights(conv__weight=(5, 2, 3, 4, 6), word_embeddings__weight=(4, 4), fc__weight=(7, 3))
    tree, _ = from_torch(state, {})
    kernel = tree["conv"]["kernel"]
    assert kernel.shape == (3, 4, 6, 2, 5)
    assert kernel[2, 3, 5, 1, 4] == state["conv.weight"][4, 1, 2, 3, 5]
    np.testing.assert_array_equal(
        tree["word_embeddings"]["embedding"], state["word_embeddings.weight"]
    )
    assert tree["fc"]["kernel"][2, 6] == state["fc.weight"][6, 2]


DOUBTFUL = {
    "a matrix without a name": {"a__weight": (4, 4)},
    "a table or a query": {"query_embed__weight": (4, 4)},
    "a square transposed convolution": {"up__weight": (4, 4, 3, 3), "up__bias": (4,)},
    "alone and square": {"x__weight": (4, 4, 3, 3), "x__bias": (4,)},
    "an even window": {"conv5_mask__weight": (4, 4, 2, 2), "conv5_mask__bias": (4,)},
    "a transposed convolution": {"x__weight": (4, 6, 3, 3), "x__bias": (6,)},
    "by name": {"deconv1__weight": (6, 4, 3, 3), "deconv1__bias": (6,)},
    "in a sequence before its norm": {"g__0__weight": (9, 8, 4, 4), "g__1__weight": (8,)},
    "filters without a sign": {"x__weight": (4, 6, 3, 3)},
    "a bilinear layer": {"x__weight": (4, 3, 3), "x__bias": (4,)},
    "a three-axis norm": {"x__weight": (2, 3, 3), "x__bias": (2, 3, 3)},
    "inputs before outputs": {"x__weight": (4, 6), "x__bias": (6,)},
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_is_doubtful_is_left_and_reported(case):
    shapes = DOUBTFUL[case]
    tree, doubts = convert(**shapes)
    name = next(iter(shapes)).replace("__", ".")
    assert list(doubts) == [name]
    for key in name.split("."):
        tree = tree[key]
    np.testing.assert_array_equal(tree, weights(**shapes)[name])


def test_one_doubtful_layer_makes_others_doubtful():
    square = {"b__weight": (4, 4, 3, 3), "b__bias": (4,)}
    conv = {"a__weight": (4, 3, 3, 3), "a__bias": (4,)}
    up = {"c__weight": (4, 6, 2, 2), "c__bias": (6,)}
    assert not convert(**conv, **square)[1]
    assert set(convert(**conv, **square, **up)[1]) == {"b.weight", "c.weight"}
    gpt = {"attn__weight": (4, 12), "attn__bias": (12,), "proj__weight": (4, 4), "proj__bias": (4,)}
    assert set(convert(**gpt)[1]) == {"attn.weight", "proj.weight"}
    tree, doubts = convert({"*": "in_out"}, **gpt)
    assert not doubts and tree["attn"]["kernel"].shape == (4, 12)


@pytest.mark.parametrize(
    ("inputs", "doubtful"), [(3, False), (4, False), (16, True), (24, True), (27, False)]
)
def test_a_linear_layer_that_may_read_a_flattened_map(inputs, doubtful):
    conv = {"conv__weight": (4, 3, 3, 3), "conv__bias": (4,)}
    for outputs in (5, inputs):
        _, doubts = convert(**conv, fc__weight=(outputs, inputs), fc__bias=(outputs,))
        assert ("fc.weight" in doubts) is doubtful
    hidden = {"fc1__weight": (inputs, 4), "fc1__bias": (inputs,)}
    assert not convert(**conv, **hidden, fc2__weight=(5, inputs), fc2__bias=(5,))[1]


def test_a_flattened_map_by_the_callers_table():
    """The same features, channels first through PyTorch's weight and channels last through ours."""
    shapes = {"conv__weight": (2, 3, 3, 3), "conv__bias": (2,), "fc__weight": (5, 2 * 3 * 4)}
    tree, doubts = convert({"fc": (2, 3, 4)}, **shapes)
    assert not doubts
    features = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    wanted = weights(**shapes)["fc.weight"] @ features.reshape(-1)
    found = features.transpose(1, 2, 0).reshape(-1) @ tree["fc"]["kernel"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_transposed_convolution_by_the_callers_table():
    """By its definition: every input pixel adds the filter, scaled, to the output."""
    import flax.linen as nn

    state = weights(up__weight=(2, 3, 2, 2))
    tree, _ = from_torch(state, {"up": "conv_transpose"})
    image = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    wanted = np.zeros((3, 8, 10), np.float32)
    for channel, row, column in np.ndindex(2, 4, 5):
        window = np.s_[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        wanted[window] += image[channel, row, column] * state["up.weight"][channel]
    layer = nn.ConvTranspose(3, (2, 2), (2, 2), use_bias=False)
    found = layer.apply({"params": tree["up"]}, image.transpose(1, 2, 0)[None])
    np.testing.assert_allclose(found[0].transpose(2, 0, 1), wanted, rtol=1e-5)


NAMES = ["weight", "bias", "kernel", "scale", "scale_", "mean", "var", "embedding", "running_mean"]
arrays = st.lists(st.integers(1, 4), max_size=5).map(
    lambda shape: np.random.default_rng(0).normal(size=shape).astype(np.float16)
)
states = st.dictionaries(
    st.tuples(
        st.sampled_from(["conv", "up", "fc", "embed", "x", "0", "1"]),
        st.sampled_from([*NAMES, "running_var", "num_batches_tracked"]),
    ).map(".".join),
    arrays,
    max_size=8,
)
TABLE = {"fc*": "linear", "embed": "embedding", "up": "conv_transpose", "x": "conv"}


@settings(max_examples=400, deadline=None)
@given(states, st.sets(st.sampled_from(sorted(TABLE))))
def test_the_way_back_is_exact(state, declared):
    layouts = {name: TABLE[name] for name in declared}
    try:
        tree, _ = from_torch(state, layouts)
    except tj.TreeFileError as error:
        assert "layouts" in str(error) or "does not fit" in str(error)
        return
    back = to_torch(tree, layouts)
    assert {k: (v.shape, v.tobytes()) for k, v in back.items()} == {
        k: (v.shape, v.tobytes()) for k, v in state.items()
    }


def test_files_there_and_back(tmp_path):
    state = weights(
        conv__weight=(5, 2, 3, 3), bn__weight=(5,), bn__running_var=(5,), a__weight=(2, 2)
    )
    state["bn.num_batches_tracked"] = np.array(7, np.int64)
    save_file(state, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=r"a\.weight \(a table or a linear layer\).*layouts=\{'a'"):
        tree = tj.load_tree(tmp_path / "a.safetensors", torch=True)
    assert tree["bn"].keys() == {"scale", "var", "num_batches_tracked"}
    tj.save_tree(tmp_path / "b.safetensors", tree, torch=True)
    back = load_file(tmp_path / "b.safetensors")
    assert back.keys() == state.keys()
    for name, array in state.items():
        assert (back[name].dtype, back[name].tobytes()) == (array.dtype, array.tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tj.load_tree(tmp_path / "a.safetensors", torch=True, layouts={"a": "embedding"})


@pytest.mark.parametrize(
    ("layouts", "message"),
    [
        ({"nothing": "linear"}, "'nothing' names no layer with a weight"),
        ({"a": "matrix"}, "'a' is 'matrix'; allowed: 'linear'"),
        ({"a": (2, 0)}, r"'a' is \(2, 0\); allowed"),
        ({"a": "conv"}, r"a.weight has the shape \[2, 4\], which does not fit 'conv'"),
        ({"a": (2, 3, 1)}, r"a.weight has the shape \[2, 4\], which does not fit \(2, 3, 1\)"),
    ],
)
def test_a_table_that_does_not_fit_is_told(tmp_path, layouts, message):
    save_file(weights(a__weight=(2, 4)), tmp_path / "a.safetensors")
    with pytest.raises(tj.TreeFileError, match=message):
        tj.load_tree(tmp_path / "a.safetensors", torch=True, layouts=layouts)


def test_layouts_go_with_torch_alone(tmp_path):
    save_file(weights(a__weight=(2, 4)), tmp_path / "a.safetensors")
    with pytest.raises(tj.TreeFileError, match="they go with torch=True"):
        tj.load_tree(tmp_path / "a.safetensors", layouts={"a": "linear"})
    with pytest.raises(tj.TreeFileError, match="they go with torch=True"):
        tj.save_tree(tmp_path / "b.safetensors", {}, layouts={"a": "linear"})


def test_two_leaves_of_one_name_in_pytorch_are_refused(tmp_path):
    for tree in ({"a.b": np.ones(1), "a": {"b": np.ones(1)}}, {"a": {"scale": 1.0, "weight": 1.0}}):
        with pytest.raises(tj.TreeFileError, match="two leaves are called a"):
            tj.save_tree(tmp_path / "a.safetensors", tree, torch=True)
    with pytest.raises(tj.TreeFileError, match="a/kernel: no layer of PyTorch has a kernel of 1"):
        tj.save_tree(tmp_path / "a.safetensors", {"a": {"kernel": np.ones(1)}}, torch=True)
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_that_unflattens_is_reported():
    encoder = {"enc__0__weight": (8, 1, 3, 3), "enc__0__bias": (8,)}
    encoder |= {"enc__3__weight": (16, 128), "enc__3__bias": (16,)}
    decoder = {"dec__0__weight": (128, 16), "dec__0__bias": (128,)}
    decoder |= {"dec__2__weight": (8, 1, 4, 4), "dec__2__bias": (1,)}
    _, doubts = convert(**encoder, **decoder)
    for layer in ("dec.0", "enc.3"):
        assert "flattened feature map" in doubts[f"{layer}.weight"]
    head = {"head__weight": (1000, 16), "head__bias": (1000,)}  # 125 is no square
    assert "head.weight" not in convert(**encoder, **decoder, **head)[1]
    said = {"dec.0": "linear", "enc.3": (8, 4, 4), "dec.2": "conv_transpose"}
    tree, doubts = convert(said, **encoder, **decoder)
    assert not doubts and tree["dec"]["0"]["kernel"].shape == (16, 128)


def test_a_layer_that_works_channel_by_channel_may_be_transposed():
    by_channel = {"x__weight": (8, 1, 4, 4), "x__bias": (8,)}  # ConvTranspose2d(8, 8, 4, groups=8)
    _, doubts = convert(**by_channel)
    assert list(doubts) == ["x.weight"]
    assert not convert(conv__weight=(8, 1, 4, 4), conv__bias=(8,))[1]  # its name says what it is
    assert not convert(x__weight=(8, 1, 3, 3), x__bias=(8,))[1]


@pytest.mark.parametrize("layout", ["embedding", "norm", "as_is"])
def test_a_scalar_weight_may_be_declared(layout):
    tree, _ = convert({"gain": layout}, gain__weight=(), conv__weight=(3, 2, 3, 3))
    assert to_torch(tree, {"gain": layout})["gain.weight"].shape == ()
