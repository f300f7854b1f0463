"""How processes come together: one coordinates, the others reach it, or it is told why not."""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress

import jax
from etils import epath

from transfer_jax.engine.cluster import ClusterError, Place, place_in_cluster
from transfer_jax.engine.gate import Gate
from transfer_jax.engine.hello import NOBODY, Hello, ask
from transfer_jax.engine.peers import Peers, end_now, end_without_goodbye
from transfer_jax.engine.tpu_machine import computes_on_tpu, with_metadata
from transfer_jax.engine.tunnel import Tunnel
from transfer_jax.folder.places import in_bucket, local, real

# How long processes wait for each other to start.
JOIN_SECONDS = 120
LONG_SECONDS = 600
# What JAX itself reads from the environment, and would only call no number.
NUMBERS = ("JAX_COORDINATOR_PORT", "JAX_LOCAL_DEVICE_IDS", "JAX_PARTITION_INDEX", "JAX_SLICE_INDEX")


def own_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Where the scheduler has put this process, if it started several.

    Args:
      environment: the environment variables.

    Returns:
      The place; None for a process of its own.

    Raises:
      ClusterError: this TPU is one of several, and its place among them is not known.

    Example:
      >>> own_place({})
    """
    on_tpu = computes_on_tpu(environment)
    return place_in_cluster(with_metadata(environment) if on_tpu else environment, on_tpu)


@contextmanager
def joined(
    place: Place, seconds: float = JOIN_SECONDS, workdir: epath.PathLike = ""
) -> Iterator[None]:
    """Work together with the other processes; their devices become one mesh.

    Args:
      place: where this process stands.
      seconds: how long it waits for the others.
      workdir: the run's folder, which tells it from another run at the same port.

    Returns:
      A context; whoever leaves it waits for the others, or tells them why it ends.

    Raises:
      ClusterError: the place is none, the coordinator cannot be reached or is of another run, its
        port is taken, a process is there twice, or not all came; another process was lost.
    """
    address = _address(place)
    where = os.fspath(workdir)
    rooted = where if in_bucket(where) else str(real(local(where, "workdir")))
    hello = Hello.of(place, where, rooted)
    way = Tunnel(address, hello) if place.process else _gate(place, address, hello)
    with closing(way):
        way.wait(seconds)
        _connect(place, way, seconds)
        with Peers(place, way):
            yield


def _address(place: Place) -> tuple[str, int]:
    """The coordinator's host and port, where the place is one."""
    if not 0 <= place.process < place.processes:
        raise ClusterError(
            f"process is {place.process}; allowed: 0 ... {place.processes - 1}, "
            f"since processes is {place.processes}"
        )
    found = re.fullmatch(r"(\[[^\]]+\]|[^:\s]+):(\d{1,5})", place.coordinator, re.ASCII)
    if not found or not 0 < int(found[2]) < 65536:
        raise ClusterError(f"coordinator is '{place.coordinator}'; allowed: HOST:PORT")
    for name in NUMBERS:
        if not re.fullmatch(r"(\d+(,\d+)*)?", os.environ.get(name, ""), re.ASCII):
            raise ClusterError(f"{name} is '{os.environ[name]}'; allowed: whole numbers")
    return found[1].strip("[]"), int(found[2])


def _gate(place: Place, address: tuple[str, int], hello: Hello) -> Gate:
    """Open the gate; where another process has the port, hear whether that is a process 0, too."""
    try:
        return Gate(place, address[1], hello)
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)}; choose another port"
    with suppress(OSError), socket.create_connection(("localhost", address[1]), 2) as connection:
        try:
            ask(connection, hello, 2)
        except ClusterError as refused:
            reason = reason if NOBODY in str(refused) else str(refused)
    raise ClusterError(f"process 0 cannot coordinate at {place.coordinator}: {reason}")


def _connect(place: Place, way: Tunnel | Gate, seconds: float) -> None:
    asked = bool(os.environ.get("JAX_LOCAL_DEVICE_IDS"))
    # The way to the coordinator begins on this machine, where no proxy is.
    os.environ.setdefault("no_grpc_proxy", "127.0.0.1")
    jax.config.update("jax_check_proxy_envs", False)
    with _at_most(seconds, place, way):
        jax.distributed.initialize(
            way.address,
            place.processes,
            place.process,
            None if asked else place.devices or None,
            # The place is known; JAX would ask what it finds of Slurm, Kubernetes or TPUs for more.
            cluster_detection_method="deactivate",
            # At its end JAX can only abort; `_at_most` and `Peers` know earlier.
            initialization_timeout=LONG_SECONDS + int(seconds),
            heartbeat_timeout_seconds=LONG_SECONDS,
            shutdown_timeout_seconds=30,
            coordinator_bind_address=way.address,
        )


@contextmanager
def _at_most(seconds: float, place: Place, way: Tunnel | Gate) -> Iterator[None]:
    """End this process where the others do not come in time: JAX's waiting cannot be broken off."""
    done = threading.Event()

    def watch() -> None:
        end = time.monotonic() + seconds
        while not done.wait(0.2):
            gone = way.gone.is_set()
            if not gone and time.monotonic() < end:
                continue
            reason = (
                f"process {way.lost} went away" if gone else f"not all came within {seconds:g} s"
            )
            print(
                f"transfer-jax: process {place.process} of {place.processes} waited for the others "
                f"at {place.coordinator}: {reason}",
                file=sys.stderr,
                flush=True,
            )
            end_now()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except RuntimeError as error:
        end_without_goodbye()
        told = f"process {place.process} cannot join the others at {place.coordinator}"
        raise ClusterError(f"{told}: {' '.join(str(error).split())[:200]}") from None
    finally:
        done.set()
