"""What a pretrained network wants to see: it travels with it, and is no matter of taste."""

from dataclasses import dataclass

INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared for a network when it was trained.

    Attributes:
      mean: of each channel, as a share of white: 0.5 is the grey level 127.5.
      deviation: of each channel, likewise; what is left is divided by it.
      size: height and width of what it sees, in pixels.
      crop_fraction: share of a prepared image's side that `size` is cut out of.
      interpolation: how images are resized.
      any_size: whether it takes images of other sizes, too.
      least_size: height and width of the smallest images that it takes: its stride.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    size: int = 224
    crop_fraction: float = 0.875
    interpolation: str = "bilinear"
    any_size: bool = True
    least_size: int = 1

    def __post_init__(self) -> None:
        for name in ("mean", "deviation"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values or len(values) != len(self.mean):
                raise ValueError(
                    f"{name} is {values!r}; allowed: a tuple with a number for each channel"
                )
        if min(self.deviation) <= 0:
            raise ValueError(f"deviation holds {min(self.deviation)}; allowed: numbers above 0")
        if not 0 < self.crop_fraction <= 1:
            raise ValueError(f"crop_fraction is {self.crop_fraction}; allowed: above 0, up to 1")
        if self.interpolation not in INTERPOLATIONS:
            allowed = ", ".join(INTERPOLATIONS)
            raise ValueError(f"interpolation is {self.interpolation!r}; allowed: {allowed}")

    @property
    def channels(self) -> int:
        """Channels of what it sees; grey images are repeated."""
        return len(self.mean)

    @property
    def prepared_size(self) -> int:
        """Height and width of images that `size` is cut out of, in pixels.

        Example:
          >>> Preprocessing((0.5,) * 3, (0.5,) * 3).prepared_size
          256
        """
        return round(self.size / self.crop_fraction)
