"""What a program of a plan costs, and how fast a machine is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProgramCost:
    """The cost of the columns that share one program.

    Attributes:
      wave: name of the wave.
      columns: number of columns.
      networks: number of networks.
      parameters: trained parameters, all networks together.
      multiply_adds: of one training step of all columns; the mean where there are phases.
      steps: training steps of each.
      memory: bytes on a device while one of these columns is trained: images, parameters,
        optimizer state, activations and their gradients.
      compile_seconds: estimate for compiling the program.
      seconds: estimate for training and testing all columns.
    """

    wave: str
    columns: int
    networks: int
    parameters: int
    multiply_adds: int
    steps: int
    memory: int
    compile_seconds: float
    seconds: float


@dataclass(frozen=True)
class Rate:
    """How fast one device is while all work: multiply-adds a second, seconds to compile a net."""

    multiply_adds: float
    compile_seconds: float
