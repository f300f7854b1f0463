"""The run that a launched one is compared with."""

from tests.running.conftest import alone as alone
from tests.running.conftest import shared_folder as shared_folder
