"""How processes come together: one coordinates, the others reach it, or it is told why not."""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import jax

from transfer_jax.engine.cluster import ClusterError, Place, place_in_cluster
from transfer_jax.engine.peers import Peers, end_now, end_without_goodbye
from transfer_jax.engine.tpu_machine import computes_on_tpu, with_metadata
from transfer_jax.engine.tunnel import Tunnel

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
def joined(place: Place, seconds: float = JOIN_SECONDS) -> Iterator[None]:
    """Work together with the other processes; their devices become one mesh.

    Args:
      place: where this process stands.
      seconds: how long it waits for the others.

    Returns:
      A context; whoever leaves it waits for the others, or tells them why it ends.

    Raises:
      ClusterError: the place is none, the coordinator cannot be reached, its port is taken, or
        not all processes came; another process was lost.
    """
    host, port = _address(place)
    tunnel = None if place.process == 0 else Tunnel(host, port)
    if tunnel is None:
        _check_free(place, port)
    elif reason := tunnel.reach(seconds):
        raise ClusterError(
            f"process 0 cannot be reached at {place.coordinator} within {seconds:g} s: {reason}"
        )
    _connect(place, tunnel, port, seconds)
    with Peers(place, tunnel):
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


def _check_free(place: Place, port: int) -> None:
    """JAX's own coordinator would share the port with another, or crash."""
    family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=socket.has_ipv6).close()
    except OSError as error:
        raise ClusterError(
            f"process 0 cannot coordinate at {place.coordinator}: {os.strerror(error.errno or 0)}; "
            "choose another port"
        ) from None


def _connect(place: Place, tunnel: Tunnel | None, port: int, seconds: float) -> None:
    asked = bool(os.environ.get("JAX_LOCAL_DEVICE_IDS"))
    # The way to the coordinator begins on this machine, where no proxy is.
    os.environ.setdefault("no_grpc_proxy", "127.0.0.1")
    jax.config.update("jax_check_proxy_envs", False)
    with _at_most(seconds, place, tunnel):
        jax.distributed.initialize(
            tunnel.address if tunnel else f"127.0.0.1:{port}",
            place.processes,
            place.process,
            None if asked else place.devices or None,
            # The place is known; JAX would ask what it finds of Slurm, Kubernetes or TPUs for more.
            cluster_detection_method="deactivate",
            # At its end JAX can only abort; `_at_most` and `Peers` know earlier.
            initialization_timeout=LONG_SECONDS + int(seconds),
            heartbeat_timeout_seconds=LONG_SECONDS,
            shutdown_timeout_seconds=30,
            coordinator_bind_address=f"[::]:{port}" if socket.has_ipv6 else f"0.0.0.0:{port}",
        )


@contextmanager
def _at_most(seconds: float, place: Place, tunnel: Tunnel | None) -> Iterator[None]:
    """End this process where the others do not come in time: JAX's waiting cannot be broken off."""
    done = threading.Event()

    def watch() -> None:
        end = time.monotonic() + seconds
        while not done.wait(0.2):
            gone = tunnel is not None and tunnel.gone.is_set()
            if not gone and time.monotonic() < end:
                continue
            reason = "process 0 went away" if gone else f"not all came within {seconds:g} s"
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
