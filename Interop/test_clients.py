"""Every client brings home the same bytes that were delivered."""

import pathlib
import tempfile
import unittest

import clients
import harness

MESSAGES = 300


class EveryClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()
        cls.server.start()
        cls.mail = harness.mail(MESSAGES)
        cls.server.add_account("budi")
        cls.server.deliver("budi", cls.mail)

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def allowed_to_miss(self, name, message):
        """Known refusals of the clients themselves, counted and shown, never hidden."""
        header, gap, _ = harness.line_ends(message).partition(b"\r\n\r\n")
        if name == "mbsync":
            return not gap  # "has incomplete header; skipping": no empty line after the header
        if name == "fetchmail":
            lines = header.split(b"\r\n")
            # "incorrect header line found": a header line that is neither NAME: VALUE nor a continuation
            return not gap or any(
                line[:1] not in (b" ", b"\t") and not line.split(b":")[0].strip().replace(b"-", b"").isalnum()
                or b":" not in line and line[:1] not in (b" ", b"\t") for line in lines)
        return False


def test_for(name, client):
    def test(self):
        with tempfile.TemporaryDirectory() as folder:
            done, fetched = client(self.server, "budi", pathlib.Path(folder))
        missing, extra = harness.compare(self.mail, fetched)
        by_digest = {harness.digest(m): m for m in self.mail}
        unexplained = [d for d in missing if not self.allowed_to_miss(name, by_digest[d])]
        said = (done.stdout + done.stderr).decode(errors="replace")[-1500:] if done else ""
        self.assertEqual(unexplained, [], f"{name} lacks messages\n{said}")
        self.assertEqual(extra, [], f"{name} has bytes that were never delivered\n{said}")
        note = f" ({len(missing)} left out by its own rule)" if missing else ""
        print(f"  {name}: {len(fetched)} of {len(self.mail)} byte for byte{note}")
    test.__doc__ = f"{name} fetches what was delivered"
    return test


for _name, _client in clients.ALL.items():
    setattr(EveryClient, "test_" + _name.replace(" ", "_"), test_for(_name, _client))

if __name__ == "__main__":
    unittest.main()
