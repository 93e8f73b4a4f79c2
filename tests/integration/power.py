"""What a power failure leaves of a directory, told from the journal that tests/faults/shim.c kept.

The model: a file's content is on disk as of its last successful fsync or fdatasync. Of the pages written since, each may
be there or not (then it is as it was; zeros where the file was not so long), and its length is anything between the one
that was synced and the last. A failed fsync drops the pages that it should have written: they get to the disk only if they
are written and synced again. A name that was made, changed or removed is on disk once its directory was synced; of those
changed since, each directory keeps the first few, in order, and any number of them.

So it is harsher than ext4, where syncing a file syncs its name too, and kinder than a disk that lies about fsync, or that
reorders the names of one directory. The files keep their inodes, but get new times; so the lock of data_dir is left
alone, by whose times logboom tells whether the directory was copied.
"""
import os
import pathlib

PAGE = 4096
LEFT_ALONE = "lock"


class File:
    """One inode: what is on disk, what the kernel has, and which pages of it are not written back."""

    def __init__(self, content=b""):
        self.disk, self.kernel = bytearray(content), bytearray(content)
        self.dirty = set()
        self.long = len(content)  # the length that is on disk

    def write(self, offset, data):
        self.grow(offset + len(data))
        self.kernel[offset:offset + len(data)] = data
        self.dirty.update(range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1))

    def grow(self, length):
        if length > len(self.kernel):
            self.kernel.extend(bytes(length - len(self.kernel)))

    def truncate(self, length):
        if length < len(self.kernel):
            del self.kernel[length:]
            self.dirty.add(length // PAGE)
        self.grow(length)

    def page(self, content, number):
        part = bytes(content[number * PAGE:(number + 1) * PAGE])
        return part + bytes(PAGE - len(part))

    def store(self, number, content):
        end = (number + 1) * PAGE
        if len(self.disk) < end:
            self.disk.extend(bytes(end - len(self.disk)))
        self.disk[number * PAGE:end] = self.page(content, number)

    def sync(self):
        for number in self.dirty:
            self.store(number, self.kernel)
        self.dirty.clear()
        self.long = len(self.kernel)
        del self.disk[self.long:]
        self.disk.extend(bytes(self.long - len(self.disk)))

    def failed_sync(self):
        self.dirty.clear()

    def after_failure(self, rng):
        for number in sorted(self.dirty):
            if rng.random() < 0.5:
                self.store(number, self.kernel)
        low, high = sorted((self.long, len(self.kernel)))
        length = rng.choice([low, high, rng.randint(low, high)])
        content = self.disk[:length]
        return bytes(content) + bytes(length - len(content))


class Disk:
    """The trees below `roots`, all of it on disk when it is made; then what a journal says happens to it."""

    def __init__(self, roots):
        self.roots = [str(root) for root in roots]
        self.left_alone = set()  # inodes
        self.files = {}      # by inode
        self.names = {}      # by directory, what is on disk: name → inode, or the path of a directory
        self.changes = {}    # by directory, what is not: (name, inode or None), in order
        for root in self.roots:
            self.load(root)

    def load(self, directory):
        self.names[directory] = {}
        self.changes[directory] = []
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                self.names[directory][entry.name] = entry.path
                self.load(entry.path)
            elif entry.name == LEFT_ALONE:
                self.left_alone.add(entry.inode())
            else:
                self.names[directory][entry.name] = entry.inode()
                self.files[entry.inode()] = File(pathlib.Path(entry.path).read_bytes())

    def current(self, path):
        directory, name = os.path.split(path)
        for changed in reversed(self.changes[directory]):
            for changed_name, inode in changed:
                if changed_name == name:
                    return inode
        return self.names[directory].get(name)

    def change(self, *pairs):
        """Names of one directory that change together."""
        directory = os.path.dirname(pairs[0][0])
        assert all(os.path.dirname(path) == directory for path, _ in pairs), "renamed into another directory"
        self.changes[directory].append([(os.path.basename(path), to) for path, to in pairs])

    def apply(self, directory, changed):
        for name, inode in changed:
            if inode is None:
                self.names[directory].pop(name, None)
            else:
                self.names[directory][name] = inode

    def sync_directory(self, directory):
        for changed in self.changes[directory]:
            self.apply(directory, changed)
        self.changes[directory] = []

    def replay(self, journal):
        data = pathlib.Path(journal).read_bytes()
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            op, _, rest = data[at:end].decode().partition(" ")
            at = end + 1
            if op == "W":
                inode, offset, length = map(int, rest.split())
                if at + length > len(data):
                    break  # killed while the record was written
                self.files[inode].write(offset, data[at:at + length])
                at += length
            else:
                self.one(op, rest)

    def one(self, op, rest):
        if op == "C":
            inode, path = rest.split(" ", 1)
            if os.path.basename(path) == LEFT_ALONE:
                self.left_alone.add(int(inode))
                return
            self.files[int(inode)] = File()
            self.change((path, int(inode)))
        elif op == "N":
            self.files[int(rest)] = File()  # without a name
        elif op in "TZAFS":
            inode, *numbers = map(int, rest.split())
            if inode in self.left_alone:
                return
            file = self.files[inode]
            {"T": file.truncate, "F": file.failed_sync, "S": file.sync, "A": lambda at, length: file.grow(at + length),
             "Z": lambda at, length: file.write(at, bytes(min(length, len(file.kernel) - at)))}[op](*numbers)
        elif op == "D":
            path = os.path.normpath(rest)  # it may end in "/.."
            if path in self.names:  # else it is above the roots
                self.sync_directory(path)
        elif op == "M":
            self.change((rest, rest))
            self.names[rest], self.changes[rest] = {}, []
        elif op == "U":
            self.change((rest, None))
        else:
            old, new = rest.split("\t")
            inode = self.current(old)
            self.change((new, inode), *([(old, None)] if op == "R" else []))

    def fail(self, rng, grave):
        """Puts on the real disk what is left. `grave` has the inodes of files that lost their names."""
        for directory, changes in self.changes.items():
            for changed in changes[:rng.randint(0, len(changes))]:
                self.apply(directory, changed)
        grave = pathlib.Path(grave)
        for root in self.roots:
            for directory, folders, names in os.walk(root, topdown=False):
                for name in set(names) - {LEFT_ALONE}:
                    path = pathlib.Path(directory, name)
                    if not (grave / str(path.lstat().st_ino)).exists():
                        os.link(path, grave / str(path.lstat().st_ino))
                    path.unlink()
                for name in folders:
                    os.rmdir(os.path.join(directory, name))
        for root in self.roots:
            self.restore(root, rng, grave, {})
        for path in grave.iterdir():
            path.unlink()

    def restore(self, directory, rng, grave, done):
        for name, inode in self.names[directory].items():
            path = os.path.join(directory, name)
            if isinstance(inode, str):
                os.mkdir(path)
                self.restore(inode, rng, grave, done)
                continue
            os.link(grave / str(inode), path)
            if inode not in done:
                done[inode] = True
                pathlib.Path(path).write_bytes(self.files[inode].after_failure(rng))
