"""SEARCH BODY and TEXT against brute force in Python: the small version of `make search-proof`."""

import os
import random
import unittest

import campaign_search
import harness
import search_mail

# A little more than is held of a message that is looked through.
MESSAGES, NEEDLES, LARGE = 300, 40, 300_000


class SearchProof(unittest.TestCase):
    def test_search_finds_what_brute_force_finds(self):
        seed = int(os.environ.get("SEARCH_SEED") or "7")
        rng = random.Random(seed)
        mail = campaign_search.mail_of(MESSAGES, rng, search_mail.large(LARGE))
        needles = campaign_search.draw(rng, mail, NEEDLES)
        print(f"  seed {seed}: {list(needles)}", flush=True)
        with harness.Server("--set", "search.index=off") as server:
            server.add_account("budi")
            server.deliver("budi", mail)
            counts = campaign_search.Proof(server, mail, needles).run(rng, rounds=1)
            self.assertNotIn("not understood", counts)
            self.assertEqual(server.check()["problems"], [])


if __name__ == "__main__":
    unittest.main()
