"""A server of its own for each test, with accounts that IMAP connections log in to."""

import unittest

import harness
from harness import PASSWORD
from lines import IMAP


class People(unittest.TestCase):
    options = ()
    names = ("ana", "budi")

    def setUp(self):
        self.server = harness.Server(*self.options)
        self.addCleanup(self.server.destroy)
        self.server.start()
        for name in self.names:
            self.server.add_account(name)

    def good(self, answer):
        self.assertTrue(answer[0].startswith(b"OK"), answer[0][:300])
        return answer

    def imap(self, name):
        peer = IMAP(self.server.ports["imap"], timeout=60)
        self.addCleanup(peer.close)
        self.good(peer.login(name, PASSWORD))
        return peer
