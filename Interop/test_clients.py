"""Every client brings home the same bytes that were delivered."""

import email
import email.policy
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

    def allowed_to_miss(self, name, message, extra):
        """What clients are known to leave out or to rewrite themselves; counted and shown, never hidden."""
        header, gap, _ = harness.line_ends(message).partition(b"\r\n\r\n")
        if name == "mbsync":
            return not gap  # "has incomplete header; skipping": no empty line after the header
        if name == "fetchmail":
            lines = header.split(b"\r\n")
            # "incorrect header line found": a header line that is neither NAME: VALUE nor a continuation
            return not gap or any(
                line[:1] not in (b" ", b"\t") and not line.split(b":")[0].strip().replace(b"-", b"").isalnum()
                or b":" not in line and line[:1] not in (b" ", b"\t") for line in lines)
        if name == "offlineimap" or name.startswith("getmail"):
            # They parse with Python's email package and write what it makes of odd MIME.
            forms = {harness.digest(clients.neutral(name, again)) for again in python_email(message)}
            found = forms & set(extra)
            for one in found:
                extra.remove(one)
            return bool(found)
        return False


POLICIES = (email.policy.compat32, email.policy.default.clone(cte_type="8bit", utf8=True, refold_source="none"))


def python_email(message):
    """The message after one and two trips through Python's email package."""
    for policy in POLICIES:
        for ends in (b"\r\n", b"\n"):
            again = message.replace(b"\r\n", ends)
            try:
                for _ in range(2):
                    again = email.message_from_bytes(again, policy=policy).as_bytes()
                    yield again
            except (ValueError, LookupError, KeyError, TypeError, AttributeError):
                continue


def test_for(name, client):
    def test(self):
        with tempfile.TemporaryDirectory() as folder:
            done, fetched = client(self.server, "budi", pathlib.Path(folder))
        neutral = [clients.neutral(name, m) for m in self.mail]
        missing, extra = harness.compare(neutral, [clients.neutral(name, harness.without_trace(m, clients.moves_trace(name))) for m in fetched], False)
        by_digest = dict(zip(map(harness.digest, neutral), self.mail))
        unexplained = [d for d in missing if not self.allowed_to_miss(name, by_digest[d], extra)]
        said = (done.stdout + done.stderr).decode(errors="replace")[-1500:] if done else ""
        self.assertEqual(unexplained, [], f"{name} lacks messages\n{said}")
        self.assertEqual(extra, [], f"{name} has bytes that were never delivered\n{said}")
        note = f" ({len(missing)} left out or rewritten by its own rule)" if missing else ""
        print(f"  {name}: {len(self.mail) - len(missing)} of {len(self.mail)} byte for byte{note}")
    test.__doc__ = f"{name} fetches what was delivered"
    return test


for _name, _client in clients.ALL.items():
    setattr(EveryClient, "test_" + _name.replace(" ", "_"), test_for(_name, _client))

if __name__ == "__main__":
    unittest.main()
