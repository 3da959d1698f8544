"""A TCP relay on loopback that counts what passes and cuts connections after so many octets."""

import selectors
import socket
import threading


class Relay:
    """`cuts`: an iterator that gives for each new connection how many octets may pass to the client before both sides are
    reset; None lets all pass. Counters cover all connections so far; `made` counts the cuts. `said`: a bytearray that takes
    what clients send. `tap`: called with a connection, whether its client speaks, and the octets, before they are passed on."""

    def __init__(self, port, cuts=None, said=None, tap=None):
        self.target = port
        self.cuts = cuts
        self.said = said
        self.tap = tap
        self.up = self.down = self.connections = self.made = 0
        self.door = socket.socket()
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(64)
        self.port = self.door.getsockname()[1]
        self.open = set()
        self.lock = threading.Lock()
        self.porter = threading.Thread(target=self._accept, daemon=True)
        self.porter.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # A socket closed while a thread waits in accept() takes one more connection: woken first, the door is shut at once.
        self.door.shutdown(socket.SHUT_RDWR)
        self.porter.join()
        self.door.close()
        self.drop()

    def drop(self):
        """Ends every connection there is."""
        with self.lock:
            pairs = list(self.open)
        for pair in pairs:
            self._reset(pair)

    def reset_counters(self):
        self.up = self.down = 0

    def _accept(self):
        while True:
            try:
                near, _ = self.door.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                near.close()
                continue
            for side in (near, far):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            limit = next(self.cuts, None) if self.cuts is not None else None
            pair = (near, far)
            with self.lock:
                self.open.add(pair)
            threading.Thread(target=self._pump, args=(pair, limit), daemon=True).start()

    @staticmethod
    def _reset(pair):
        for side in pair:
            try:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()

    def _pump(self, pair, limit):
        near, far = pair
        picker = selectors.DefaultSelector()
        picker.register(near, selectors.EVENT_READ, far)
        picker.register(far, selectors.EVENT_READ, near)
        passed = 0
        try:
            sides = 2
            while sides:
                for key, _ in picker.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        picker.unregister(key.fileobj)
                        key.data.shutdown(socket.SHUT_WR)
                        sides -= 1
                        continue
                    if self.tap:
                        self.tap(pair, key.fileobj is near, data)
                    if key.fileobj is far:
                        if limit is not None and passed + len(data) > limit:
                            key.data.sendall(data[:limit - passed])
                            self.down += limit - passed
                            self.made += 1
                            self._reset(pair)
                            return
                        passed += len(data)
                        self.down += len(data)
                    else:
                        self.up += len(data)
                        if self.said is not None:
                            self.said += data
                    key.data.sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            self._reset(pair)
            picker.close()
            with self.lock:
                self.open.discard(pair)
