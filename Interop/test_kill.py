"""kill -9 while LMTP delivers: every acknowledged message is there once, byte for byte, and the store is clean."""

import os
import pathlib
import shutil
import smtplib
import sys
import tempfile
import threading
import time
import unittest

import clients
import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Crash"))
import load

KILLS = int(os.environ.get("KILLS", "30"))
MIXED_KILLS = int(os.environ.get("KILLS", "8"))


class KillUnderLoad(unittest.TestCase):
    def test_acknowledged_means_there(self):
        server = harness.Server()
        server.start()
        accounts = [f"user{n}" for n in range(4)]
        for account in accounts:
            server.add_account(account)
        acknowledged = {account: [] for account in accounts}
        sent = {account: {} for account in accounts}
        numbers = iter(range(10**9))
        lock = threading.Lock()

        def load(account, stop):
            while not stop.is_set():
                try:
                    connection = server.lmtp()
                    connection.ehlo_or_helo_if_needed()
                    while not stop.is_set():
                        with lock:
                            number = next(numbers)
                        message = harness.made(1, seed=number)[0].replace(b"Message-ID: <", b"Message-ID: <%d." % number)
                        sent[account][harness.digest(message)] = message
                        if not connection.sendmail("a@example.org", [account], message):
                            acknowledged[account].append(harness.digest(message))
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.02)

        for number in range(KILLS):
            stop = threading.Event()
            workers = [threading.Thread(target=load, args=(account, stop)) for account in accounts]
            for worker in workers:
                worker.start()
            time.sleep(0.3 + (number % 7) * 0.07)
            server.kill()
            stop.set()
            for worker in workers:
                worker.join()
            server.start()

        total = 0
        for account in accounts:
            _, fetched = clients.python_imap(server, account, None)
            have = [harness.digest(harness.without_trace(m)) for m in fetched]
            missing = [d for d in acknowledged[account] if have.count(d) != 1]
            self.assertEqual(missing, [], f"{account}: acknowledged, and not there exactly once")
            self.assertEqual([d for d in have if d not in sent[account]], [], f"{account}: bytes nobody sent")
            total += len(acknowledged[account])
        report = server.check()
        self.assertEqual(report["problems"], [])
        print(f"  {KILLS} kills, {total} acknowledged deliveries, all there once; check: {report['messages']} messages clean")
        server.destroy()


class KillUnderMixedLoad(unittest.TestCase):
    """Four owners use IMAP, POP3, imports and their passwords, others deliver, an administrator adds and removes accounts.
    After each kill every owner looks at everything: what was acknowledged is there as it was, with its UIDs and flags,
    and only what was under way may have been done or not."""

    def test_acknowledged_means_there(self):
        folder = tempfile.mkdtemp(prefix="merpati-kill-")
        try:
            work = load.Load(int(time.time()) % 10**6, MIXED_KILLS * 30, folder, ["kill"] * MIXED_KILLS, recorded=False)
            story = work.run()
            self.assertEqual(story.trouble, [], f"seed {work.seed}")
            self.assertEqual(work.kills, MIXED_KILLS)
            print(f"  {MIXED_KILLS} kills under mixed load, seed {work.seed}: {work.done} steps of four owners, {work.sent} "
                  f"deliveries, nothing lost, nothing twice; check: {work.checked} messages clean")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
