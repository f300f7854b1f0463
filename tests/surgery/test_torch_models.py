"""Whole networks of timm and torchvision, with random weights, through our files and back."""

import warnings
from typing import Any

import numpy as np
import pytest

import transfer_jax as tj

torch: Any = pytest.importorskip("torch")
timm: Any = pytest.importorskip("timm")
torchvision: Any = pytest.importorskip("torchvision")
safetensors_torch: Any = pytest.importorskip("safetensors.torch")

# Name, and the layers whose layout its names and shapes leave open, with the right answer.
MODELS = {
    "timm resnet18": {},
    "timm vit_tiny_patch16_224": {},
    "timm convnext_atto": {},
    "timm efficientnet_lite0": {},
    "timm regnetx_002": {},
    "timm mixer_s16_224": {},
    "timm densenet121": {},
    "torchvision mobilenet_v2": {},
    "torchvision swin_t": {},
    "torchvision inception_v3": {},
    "torchvision alexnet": {"classifier.1": (256, 6, 6)},
    "torchvision r3d_18": {},
}
KINDS = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
         "uint16", "uint32", "uint64", "bool", "complex64", "complex128", "float8_e4m3fn",
         "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]  # fmt: skip


def model_of(name: str) -> Any:
    library, name = name.split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        if library == "timm":
            return timm.create_model(name)
        return torchvision.models.get_model(name, weights=None)


def raw(tensor: Any) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def check_layouts(model: Any, tree: Any) -> None:
    """The classes of the layers say what names and shapes only hint at."""
    kernels = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
    for name, layer in model.named_modules():
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, torch.nn.Parameter):
            continue
        leaves = tree
        for key in name.split("."):
            leaves = leaves[key]
        known = "kernel" if isinstance(layer, kernels) else "scale"
        assert known in leaves and "weight" not in leaves, name
        if isinstance(layer, kernels[1]):
            wanted = weight.detach().permute(*range(2, weight.ndim), 1, 0).numpy()
            np.testing.assert_array_equal(leaves["kernel"], wanted)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_state_dict_goes_through_and_back_to_the_bit(tmp_path, name, suffix):
    model, layouts = model_of(name), MODELS[name]
    for parameter in model.buffers():
        parameter.copy_(torch.rand(parameter.shape).mul(9).to(parameter.dtype))
    state, path = model.state_dict(), tmp_path / f"there.{suffix}"
    torch.save(state, path) if suffix == "pth" else safetensors_torch.save_file(state, path)
    tree = tj.load_tree(path, torch=True, layouts=layouts)
    check_layouts(model, tree)
    tj.save_tree(tmp_path / "back.safetensors", tree, torch=True, layouts=layouts)
    back = safetensors_torch.load_file(tmp_path / "back.safetensors")
    assert back.keys() == state.keys()
    for key, tensor in state.items():
        assert (back[key].dtype, back[key].shape) == (tensor.dtype, tensor.shape)
        assert raw(back[key]) == raw(tensor)
    assert str(model.load_state_dict(back, strict=True)) == "<All keys matched successfully>"


def test_what_a_flattened_map_leaves_open_is_reported(tmp_path):
    torch.save(model_of("torchvision alexnet").state_dict(), tmp_path / "a.pth")
    with pytest.warns(UserWarning, match=r"classifier\.1\.weight .*flattened feature map"):
        tree = tj.load_tree(tmp_path / "a.pth", torch=True)
    assert tree["classifier"]["1"]["weight"].shape == (4096, 9216)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_pytorch_writes_in_both_formats(tmp_path, zipped, protocol):
    base = torch.arange(24.0).reshape(2, 3, 4)
    state = {
        f"kind.{kind}": torch.arange(6).reshape(2, 3).to(getattr(torch, kind)) for kind in KINDS
    }
    state |= {"turned": base.transpose(0, 2), "part": base[1, 1:], "tied": base}
    state |= {"parameter": torch.nn.Parameter(base), "scalar": torch.tensor(5), "none": base[:0]}
    checkpoint = {"model": state, "lr": 0.5, "size": base.shape, "kind": torch.float16, "b": b"x"}
    optimizer = torch.optim.Adam([state["parameter"]])
    state["parameter"].sum().backward()
    optimizer.step()
    checkpoint["optimizer"] = optimizer.state_dict()
    options = {"_use_new_zipfile_serialization": zipped, "pickle_protocol": protocol}
    torch.save(checkpoint, tmp_path / "a.pt", **options)
    tree = tj.load_tree(tmp_path / "a.pt")
    for name, tensor in state.items():
        assert str(tensor.dtype) == f"torch.{tree['model'][name].dtype}"
        assert tree["model"][name].shape == tuple(tensor.shape)
        assert tree["model"][name].tobytes() == raw(tensor)
    assert (tree["lr"], tree["size"], tree["kind"], tree["b"]) == (
        0.5,
        (2, 3, 4),
        "torch.float16",
        b"x",
    )
    moments = tree["optimizer"]["state"][0]
    wanted = optimizer.state_dict()["state"][0]
    assert all(moments[name].tobytes() == raw(wanted[name]) for name in wanted)
    assert tree["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)


def test_a_whole_model_is_refused_by_name(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    with pytest.raises(tj.TreeFileError, match=r"asks for torch\.nn\.modules\.linear\.Linear"):
        tj.load_tree(tmp_path / "a.pt")


def test_a_transposed_convolution_of_pytorch(tmp_path):
    import flax.linen as nn

    layer = torch.nn.ConvTranspose2d(3, 3, 2, stride=2)
    state = {f"up.{name}": tensor for name, tensor in layer.state_dict().items()}
    safetensors_torch.save_file(state, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=r"up\.weight"):
        assert "kernel" not in tj.load_tree(tmp_path / "a.safetensors", torch=True)["up"]
    table = {"up": "conv_transpose"}
    tree = tj.load_tree(tmp_path / "a.safetensors", torch=True, layouts=table)
    image = torch.rand(1, 3, 4, 5)
    found = nn.ConvTranspose(3, (2, 2), (2, 2)).apply(
        {"params": tree["up"]}, image.numpy().transpose(0, 2, 3, 1)
    )
    wanted = layer(image).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
