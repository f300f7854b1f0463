"""A folder shown through FUSE as a network shows it: looks are old, files come late and whole.

It speaks the kernel's protocol itself (linux/fuse.h), so it needs root and /dev/fuse, no library.
"""

import ctypes
import errno
import os
import shutil
import struct
import sys
import time
from pathlib import Path

NO_ANSWER = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
DIRECT_IO = 1


class Folder:
    """What one machine sees of a folder that several share.

    Args:
      back: where the files are.
      old: seconds for which the machine believes its last look, also at what was missing.
      uploads: a file is brought to its place when it is closed, whoever else has made it
        meanwhile, as by a bucket that is mounted.
      late: seconds for which there is nothing at a file's place when it is replaced.
    """

    def __init__(self, back: Path, old: float, uploads: bool, late: float) -> None:
        self.back, self.old, self.uploads, self.late = back, old, uploads, late
        self.nodes, self.open, self.dirty = {1: back}, {}, {}
        self.own = back.with_name(f"{back.name}.{os.getpid()}")
        self.own.mkdir()

    def at(self, node: int, name: bytes) -> Path:
        return self.nodes[node] / os.fsdecode(name.rstrip(b"\0"))

    def attributes(self, path: Path) -> bytes:
        s = self.dirty.get(path, path).stat()
        seconds = (int(s.st_atime), int(s.st_mtime), int(s.st_ctime))
        rests = (s.st_atime_ns % 10**9, s.st_mtime_ns % 10**9, s.st_ctime_ns % 10**9)
        node = self.number(path)
        return struct.pack("<6Q10I", node, s.st_size, s.st_blocks, *seconds, *rests, s.st_mode,
                           s.st_nlink, s.st_uid, s.st_gid, 0, 4096, 0)  # fmt: skip

    def number(self, path: Path) -> int:
        for node, known in self.nodes.items():
            if known == path:
                return node
        self.nodes[len(self.nodes) + 1] = path
        return len(self.nodes)

    def validity(self) -> tuple[int, int]:
        return int(self.old), int(self.old % 1 * 10**9)

    def entry(self, path: Path) -> bytes:
        whole, rest = self.validity()
        try:
            shown = self.attributes(path)
        except FileNotFoundError:  # that it is missing is believed as long
            return struct.pack("<4Q2I", 0, 0, whole, 0, rest, 0) + bytes(88)
        return struct.pack("<4Q2I", self.number(path), 0, whole, whole, rest, rest) + shown

    def begin(self, path: Path, flags: int, mode: int = 0o644) -> bytes:
        place, brought = path, self.uploads and flags & (os.O_WRONLY | os.O_RDWR)
        if brought:
            place = self.dirty.setdefault(path, self.own / path.name)
            if path.exists():
                shutil.copy(path, place)
            flags &= ~os.O_EXCL
        file = os.open(place, flags & ~os.O_NOFOLLOW, mode)
        if brought:
            self.open[file] = path
        return struct.pack("<Q2I", file, DIRECT_IO, 0)

    def bring(self, path: Path) -> None:
        """To its place, which is empty for a while."""
        ready = self.dirty.pop(path, None)
        if ready:
            path.unlink(missing_ok=True)
            time.sleep(self.late)
            ready.replace(path)

    def answer(self, code: int, node: int, body: bytes) -> bytes:
        path = self.nodes.get(node, self.back)
        match code:
            case 26:  # INIT
                major, minor = struct.unpack_from("<2I", body)
                return struct.pack("<4I2H2I2H8I", major, min(minor, 31), 0, 0, 8, 8, 65536, 1, 16,
                                   *[0] * 9)  # fmt: skip
            case 1:  # LOOKUP
                return self.entry(self.at(node, body))
            case 3 | 4:  # GETATTR, SETATTR: of the latter a size
                if code == 4 and struct.unpack_from("<I", body)[0] & 8:
                    os.truncate(self.dirty.get(path, path), struct.unpack_from("<Q", body, 16)[0])
                whole, rest = self.validity()
                return struct.pack("<Q2I", whole, rest, 0) + self.attributes(path)
            case 9:  # MKDIR
                self.at(node, body[8:]).mkdir()
                return self.entry(self.at(node, body[8:]))
            case 10 | 11:  # UNLINK, RMDIR
                found = self.at(node, body)
                found.rmdir() if code == 11 else found.unlink()
                return b""
            case 12 | 45:  # RENAME, RENAME2
                names = body[8 if code == 12 else 16 :].split(b"\0")
                new = self.at(struct.unpack_from("<Q", body)[0], names[1])
                ready = self.at(node, names[0])
                self.dirty[new] = ready
                self.bring(new)
                return b""
            case 14:  # OPEN
                return self.begin(path, struct.unpack_from("<I", body)[0])
            case 35:  # CREATE
                flags, mode = struct.unpack_from("<2I", body)
                made = self.at(node, body[16:])
                opened = self.begin(made, flags | os.O_CREAT, mode)
                return self.entry(made) + opened
            case 15 | 16:  # READ, WRITE
                file, start, size = struct.unpack_from("<2QI", body)
                if code == 15:
                    return os.pread(file, size, start)
                return struct.pack("<2I", os.pwrite(file, body[40:], start), 0)
            case 18 | 25:  # RELEASE, FLUSH
                file = struct.unpack_from("<Q", body)[0]
                self.bring(self.open.get(file, self.own))
                if code == 18:
                    self.open.pop(file, None)
                    os.close(file)
                return b""
            case 27:  # OPENDIR
                return bytes(16)
            case 28:  # READDIR
                return self.names(path, *struct.unpack_from("<2Q", body)[1:])
            case 29 | 30 | 20:  # RELEASEDIR, FSYNCDIR, FSYNC
                return b""
        raise OSError(errno.ENOSYS, "")

    def names(self, path: Path, start: int) -> bytes:
        listed = b""
        for i, name in enumerate(sorted(file.name for file in path.iterdir())):
            if i >= start:
                raw = os.fsencode(name)
                listed += struct.pack("<2Q2I", i + 1, i + 1, len(raw), 0) + raw
                listed += bytes(-len(raw) % 8)
        return listed[:4096] if len(listed) < 4096 else b""


def serve(folder: Folder, at: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"odd", at.encode(), b"fuse", 0, options):
        sys.exit(f"not mounted: {os.strerror(ctypes.get_errno())}")
    print("there", flush=True)
    while True:
        asked = os.read(device, 1 << 17)
        _, code, unique, node = struct.unpack_from("<2I2Q", asked)
        if code in NO_ANSWER:
            continue
        try:
            answer, error = folder.answer(code, node, asked[40:]), 0
        except OSError as raised:
            answer, error = b"", raised.errno or errno.EIO
        os.write(device, struct.pack("<IiQ", 16 + len(answer), -error, unique) + answer)


if __name__ == "__main__":
    back, at, old, uploads, late = sys.argv[1:]
    serve(Folder(Path(back), float(old), uploads == "True", float(late)), at)
