"""How examples become batches, the same for all columns of a grid."""

from dataclasses import dataclass

from transfer_jax.data.image_set import ImageSet
from transfer_jax.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class Recipe:
    """The images, and how batches are made of them.

    Attributes:
      images: the dataset.
      train_per_class: training images taken of each class, the first ones; None takes all.
      test_per_class: test images taken of each class; None takes all.
      test_examples: number of test examples that each task's are padded to.
      batch_size: examples of a training batch.
      test_batch_size: examples of a batch to evaluate on.
      steps: steps of one training; a column says how many of these it has.
      reshuffle: whether each pass over the data has an order of its own.
      mean: whose mean image is subtracted: that of the "base" network's task, or the "target"'s.
      scale: "deviation" makes a task's pixels of variance 1, "none" leaves grey levels.
      crop: side of the square that is cut out of each image; 0 for none.
      validation_examples: number of validation examples that each task's are padded to.
      test_part: test examples that tests before the last step are made of; 0 for all.
      preprocessing: how pixels become what a pretrained network wants to see, whatever `mean` and
        `scale` say; None where these say it.
    """

    images: ImageSet
    train_per_class: int | None
    test_per_class: int | None
    test_examples: int
    batch_size: int
    test_batch_size: int
    steps: int
    reshuffle: bool = True
    mean: str = "base"
    scale: str = "deviation"
    crop: int = 0
    validation_examples: int = 0
    test_part: int = 0
    preprocessing: Preprocessing | None = None

    @property
    def normalised_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of images less their mean: grey ones may become coloured."""
        height, width, channels = self.images.images.shape[1:]
        return (height, width, self.preprocessing.channels if self.preprocessing else channels)

    @property
    def network_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what a network sees."""
        height, width, channels = self.normalised_shape
        return (self.crop or height, self.crop or width, channels)

    @property
    def part_batches(self) -> int:
        """Batches of the tests that see a part of the examples; 0 where all see all."""
        return -(-self.test_part // self.test_batch_size)

    def numbered_steps(self, trainings: int = 1) -> int:
        """Steps whose batches are taken by number: none of images that are read from disk."""
        return 0 if self.images.streamed else trainings * self.steps
