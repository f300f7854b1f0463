"""What a run's folder says of the layers of the network that it began with."""

import json

from etils import epath

from transfer_jax.folder.workdir import workdir_at
from transfer_jax.plan.plan import make_plan
from transfer_jax.running.beginning import begin
from transfer_jax.running.run import Run

from .pretrained import NAMES, pretrained_config


def test_layers_and_their_parameters_stand_in_depth_order(tmp_path):
    """Kernels and two norms by hand: 9 x 1 x 6 + 12 of the stem, which a sorted tree has last."""
    plan = make_plan(pretrained_config(tmp_path))
    folder = workdir_at(tmp_path / "run")
    folder.open()
    begin(Run(plan, folder), None, print)
    found = json.loads(epath.Path(folder.plan).read_text())
    assert found["layers"] == list(NAMES)
    wanted = [54 + 12, 9 * 6 * 8 + 16, 9 * 8 * 8 + 16, 9 * 8 * 10 + 20, 20 + 10 * 10 + 10]
    assert found["parameters"] == wanted
