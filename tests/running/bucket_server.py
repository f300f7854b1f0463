"""An emulator of Google's storage in memory: `python bucket_server.py PORT`, bucket "bucket"."""

import socketserver
import sys
from typing import Any

from gcp_storage_emulator.handlers import objects

download = objects.download


def with_generation(request: Any, response: Any, storage: Any, *args: Any, **kwargs: Any) -> None:
    """A download that says which generation it is of, as Google's does and writers rely on."""
    try:
        where = (request.params["bucket_name"], request.params["object_id"])
        response["x-goog-generation"] = storage.get_file_obj(*where)["generation"]
    except Exception:  # what is not there is told by the download itself
        pass
    download(request, response, storage, *args, **kwargs)


if __name__ == "__main__":
    # Before the server is imported, which takes its table of handlers then.
    objects.download = with_generation
    # More requests may wait than it is made for: a busy machine lets many come at once.
    socketserver.TCPServer.request_queue_size = 128
    from gcp_storage_emulator.server import create_server

    server = create_server("localhost", int(sys.argv[1]), in_memory=True, default_bucket="bucket")
    server.run()
