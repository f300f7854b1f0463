"""Whether this is a TPU's machine, and which others it belongs to, as Google's metadata say it."""

import importlib.util
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from transfer_jax.engine.cluster import ClusterError

METADATA = "http://{}/computeMetadata/v1/instance/attributes/{}"
TRIES, SECONDS = 4, 5.0
# Makers of devices on the PCI bus: other accelerators have files of the same names.
GOOGLE = "0x1ae0"
TOLD = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES", "TPU_SKIP_MDS_QUERY")


def computes_on_tpu(environment: Mapping[str, str]) -> bool:
    """Whether this process computes on TPUs: there are some, with a driver, and nothing else asked.

    Args:
      environment: the environment variables.

    Returns:
      Whether it does.

    Example:
      >>> computes_on_tpu({"JAX_PLATFORMS": "cpu", "TPU_WORKER_HOSTNAMES": "a,b"})
      False
    """
    asked = environment.get("JAX_PLATFORMS", "")
    if asked and "tpu" not in asked.split(","):
        return False
    devices = (*Path("/dev").glob("accel[0-9]*"), *Path("/dev/vfio").glob("[0-9]*"))
    if not devices or importlib.util.find_spec("libtpu") is None:
        return False
    makers = Path("/sys/bus/pci/devices").glob("*/vendor")
    return any(maker.read_text().strip() == GOOGLE for maker in makers)


def with_metadata(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of a TPU, from its machine's metadata where the environment has none.

    Args:
      environment: the environment variables.

    Returns:
      The same, and what was found.

    Raises:
      ClusterError: the metadata cannot be asked.

    Example:
      >>> with_metadata({"TPU_WORKER_HOSTNAMES": "localhost"})
      {'TPU_WORKER_HOSTNAMES': 'localhost'}
    """
    if any(environment.get(name) for name in TOLD):
        return environment
    server = environment.get("GCE_METADATA_IP", "metadata.google.internal")
    # Names, or triples `name:number:address`.
    entries = _attribute(server, "worker-network-endpoints").split(",")
    found = {
        "TPU_WORKER_HOSTNAMES": ",".join(entry.split(":")[-1].strip() for entry in entries),
        "TPU_WORKER_ID": _attribute(server, "agent-worker-number").strip(),
    }
    for name, value in re.findall(
        r"^(MEGASCALE_\w+): *'?([^'\n]*)", _attribute(server, "tpu-env"), re.M
    ):
        found[name] = value
    return {**found, **environment}


def _attribute(server: str, name: str) -> str:
    """An attribute of the machine; empty where it has none of this name."""
    asked = urllib.request.Request(
        METADATA.format(server, name), headers={"Metadata-Flavor": "Google"}
    )
    # A machine is asked directly, whatever proxy leads to the world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    reason = ""
    for attempt in range(TRIES):
        time.sleep(0.5 * attempt)
        try:
            with opener.open(asked, timeout=SECONDS) as answer:
                return answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return ""
            reason = str(error)  # the error itself would keep its connection open
        except OSError as error:
            reason = str(error)
    raise ClusterError(
        f"this TPU's metadata ({server}) cannot be asked for its neighbours: {reason}; "
        "TPU_SKIP_MDS_QUERY=1 takes it for a machine of its own"
    )
