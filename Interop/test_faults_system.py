"""Faults of the system around the server: a volume that mail itself fills, no file descriptors left, a log that cannot be
written, a date that jumps. The server serves on, says so once, and recovers by itself."""

import contextlib
import errno
import imaplib
import os
import pathlib
import poplib
import re
import resource
import smtplib
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import household
from faults import EVERYTHING, LOG, WRITE, available
from test_faults import Bed

YEAR = 365 * 86_400
MIB = 1 << 20


@contextlib.contextmanager
def volume(octets):
    """A small file system of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="merpati-volume-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={octets},mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def can_mount():
    if os.geteuid() != 0:
        return False
    try:
        with volume(MIB):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def noise(number, octets=400_000):
    """A message that does not compress."""
    return (f"From: a@example.org\r\nSubject: noise-{number}\r\n\r\n".encode() +
            os.urandom(octets // 2).hex().encode() + b"\r\n")


@unittest.skipUnless(can_mount(), "needs root, to mount a small volume")
class AFullVolume(unittest.TestCase):
    FLOOR = 12 * MIB

    def fill(self, server, name, most=400):
        """Delivers until the server has no room. Returns how many were taken and the refusal."""
        connection = server.lmtp()
        connection.ehlo_or_helo_if_needed()
        for number in range(most):
            try:
                connection.sendmail("a@example.org", [name], noise(number))
            except smtplib.SMTPRecipientsRefused as error:
                return number, error.recipients[name]
            except smtplib.SMTPResponseException as error:
                return number, (error.smtp_code, error.smtp_error)
        self.fail("the volume did not fill up")

    def free(self, folder):
        info = os.statvfs(folder)
        return info.f_bavail * info.f_frsize

    def press(self, folder):
        """A little below the floor, whatever the server has let go of meanwhile; and until it has looked again."""
        over = self.free(folder) - self.FLOOR + MIB
        if over > 0:
            with open(folder / "ballast", "ab") as ballast:
                ballast.write(bytes(over))
        time.sleep(1.1)

    @staticmethod
    def rcpt(server):
        connection = server.lmtp()
        connection.ehlo_or_helo_if_needed()
        connection.docmd("MAIL", "FROM:<a@example.org> SIZE=2000000")
        with connection:
            return connection.rcpt("budi")[0]

    def test_mail_stops_at_the_floor_and_what_makes_room_goes_on(self):
        """Under store.free-space-floor: 452 4.3.1 and NO [UNAVAILABLE]; flags, MOVE, EXPUNGE, DELE and compaction go on, the
        disk comes back by itself, and mail is taken again"""
        with volume(48 * MIB) as folder:
            server = harness.Server(
                "--set", f"store.free-space-floor={self.FLOOR}", "--set", "store.compact-interval=1s",
                data=folder / "data")
            server.start()
            for name in ("budi", "dewi"):
                server.add_account(name)
            server.deliver("dewi", [noise(n) for n in range(4)])
            taken, (code, text) = self.fill(server, "budi")
            self.assertEqual((code, text[:5]), (452, b"4.3.1"))
            self.assertGreater(self.free(folder), self.FLOOR // 2)
            self.assertLess(self.free(folder), self.FLOOR + 10 * MIB)

            self.press(folder)
            # RCPT refuses already, so that the MTA need not send the message; deliver and import are told the same.
            self.assertEqual(self.rcpt(server), 452)
            done = server.merpati("deliver", "budi", stdin=noise(0), check=False)
            self.assertEqual(done.returncode, 75, done.stderr)

            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            for status, data in (imap.append("INBOX", None, None, noise(0)), imap.copy("1", "Archive")):
                self.assertEqual(status, "NO")
                self.assertIn(b"[UNAVAILABLE] No room", data[0])
            self.assertEqual(imap.store("2:3", "+FLAGS", r"(\Flagged)")[0], "OK")
            self.assertEqual(imap.uid("MOVE", "1", "Archive")[0], "OK")
            self.assertEqual(imap.create("New")[0], "OK")
            pop = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
            pop.user("dewi")
            pop.pass_(harness.PASSWORD)
            for number in range(1, 5):
                pop.dele(number)
            self.assertTrue(pop.quit().startswith(b"+OK"))
            server.add_account("siti")

            # A start on a volume under its floor is an ordinary one.
            server.stop()
            server.start()
            self.press(folder)
            self.assertEqual(self.rcpt(server), 452)
            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            imap.store("1:*", "+FLAGS", r"(\Deleted)")
            self.assertEqual(imap.expunge()[0], "OK")
            self.assertTrue(
                eventually(lambda: self.free(folder) > self.FLOOR + 10 * MIB),
                f"the disk did not come back: {self.free(folder)} octets free")
            time.sleep(1.1)
            server.deliver("budi", [noise(n) for n in range(5)])
            imap.noop()
            self.assertEqual(imap.search(None, "ALL")[1], [b"1 2 3 4 5"])
            log = server.log.read_text()
            self.assertIn("less free space than store.free-space-floor", log)
            self.assertLess(log.count("less free space than store.free-space-floor"), 4)
            self.assertIn("free space again", log)
            self.assertEqual(server.check()["problems"], [])
            server.destroy()
            print(f"  {taken} messages of 400 KB filled the volume to its floor; all room came back by itself")

    def test_a_volume_without_any_room(self):
        """Somebody else fills the disk to its last octet: everything is refused, nothing is lost, and it passes"""
        with volume(40 * MIB) as folder:
            server = harness.Server("--set", "store.free-space-floor=none", data=folder / "data")
            server.start()
            server.add_account("budi")
            kept = [noise(n) for n in range(6)]
            server.deliver("budi", kept)
            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            with open(folder / "ballast", "wb", buffering=0) as ballast:
                with contextlib.suppress(OSError):
                    while True:
                        ballast.write(bytes(4096))
            taken, (code, _) = self.fill(server, "budi")
            self.assertEqual(code // 100, 4)
            refused = 0
            # The WAL has room of its own for a while; at the end of it changes are refused, and may be made again.
            for number in range(3000):
                status, data = imap.store("1:6", "+FLAGS" if number % 2 == 0 else "-FLAGS", r"(\Flagged $a $b $c)")
                if status == "NO":
                    refused += 1
                    self.assertIn(b"[UNAVAILABLE] No room", data[0])
                    if refused > 5:
                        break
            self.assertEqual(imap.fetch("1:6", "(BODY.PEEK[])")[0], "OK")
            (folder / "ballast").unlink()
            self.assertEqual(imap.store("1:6", "+FLAGS", r"(\Flagged)")[0], "OK")
            server.deliver("budi", [noise(9)])
            self.assertIsNone(server.process.poll())
            server.stop()
            server.start()
            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=60)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            bodies = [p[1] for p in imap.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(p, tuple)]
            self.assertEqual(len(bodies), 7 + taken)
            for message, body in zip(kept, bodies):
                self.assertTrue(body.endswith(message))
            self.assertEqual(server.check()["problems"], [])
            server.destroy()
            print(f"  a full disk: {taken} more taken, {refused} changes refused, all well afterwards")


class NoDescriptorsLeft(unittest.TestCase):
    def test_sessions_go_on_and_the_door_opens_again(self):
        """Without a descriptor left nothing spins, sessions go on, the log says so once, and it passes"""
        with harness.Server() as server:
            server.add_account("budi")
            server.deliver("budi", harness.made(3))
            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=30)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            lmtp = server.lmtp()
            lmtp.ehlo_or_helo_if_needed()
            pid = server.process.pid
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            # No number below the highest in use must be free either.
            used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            lowest = next(n for n in range(len(used) + 1) if n not in used)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
            waiting = [socket.create_connection(("127.0.0.1", server.ports[door])) for door in ("imap", "pop3", "lmtp")]
            ticks = self.ticks(pid)
            time.sleep(3)
            spent = (self.ticks(pid) - ticks) / os.sysconf("SC_CLK_TCK")
            self.assertLess(spent, 0.5, "the accept loop spins")
            self.assertEqual(imap.noop()[0], "OK")
            self.assertEqual(imap.fetch("1:3", "(BODY.PEEK[])")[0], "OK")
            self.assertEqual(imap.store("1", "+FLAGS", r"(\Flagged)")[0], "OK")
            # A message that needs a file of its own is refused; the session goes on.
            self.assertEqual(imap.append("INBOX", None, None, household.message("big", 600_000))[0], "NO")
            self.assertEqual(lmtp.sendmail("a@example.org", ["budi"], harness.made(1)[0]), {})
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            for door in waiting:
                door.settimeout(20)
                self.assertTrue(door.recv(100), "nobody greets after the descriptors came back")
                door.close()
            self.assertEqual(imap.append("INBOX", None, None, household.message("big", 600_000))[0], "OK")
            log = server.log.read_text()
            for name in ("imap", "pop3", "lmtp"):
                told = [line for line in log.splitlines() if "cannot accept connections" in line and f"listener={name}" in line]
                self.assertEqual(len(told), 1, log[-3000:])
                self.assertRegex(log, rf"accepting connections again .*listener={name}\b")
            self.assertEqual(server.check()["problems"], [])
            print(f"  3 s without descriptors cost {spent:.2f} s of processor time")

    @staticmethod
    def ticks(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


@unittest.skipUnless(available(), "needs gcc and /proc")
class ALogThatCannotBeWritten(unittest.TestCase):
    def test_the_server_goes_on(self):
        """A full disk under the log stops no mail; how many lines are missing is said when it can be, on a line of its own"""
        with Bed() as bed:
            bed.home.connect()
            with bed.faults.rule(WRITE, LOG, errno.ENOSPC, room=40) as rule:
                for operation in ("lmtp_small", "append_small", "store", "deliver", "account"):
                    self.assertEqual(bed.home.run(operation).kind, "ok", operation)
                self.assertGreater(rule.hits, 0)
            bed.home.run("lmtp_small")
            # The line of a delivery follows its answer.
            until = time.monotonic() + 10
            told = []
            while not told and time.monotonic() < until:
                time.sleep(0.02)
                lines = bed.log().splitlines()
                told = [line for line in lines if "lines were lost while the log could not be written" in line]
            self.assertEqual(len(told), 1, bed.log())
            self.assertGreater(int(re.search(r" lines=(\d+)", told[0]).group(1)), 0)
            # One line is torn, and nothing is glued to it.
            whole = re.compile(r"^\d{4}-\d\d-\d\dT\S+Z (trace|debug|info|notice|warning|error|critical) ")
            self.assertLessEqual(sum(1 for line in lines if line and not whole.match(line)), 1)
            self.assertTrue(all(line.count("Z info ") <= 1 for line in lines))


@unittest.skipUnless(available(), "needs gcc and /proc")
class ADateThatJumps(unittest.TestCase):
    def imap(self, bed, name="budi"):
        connection = imaplib.IMAP4("127.0.0.1", bed.server.ports["imap"], timeout=30)
        connection.login(name, harness.PASSWORD)
        connection.select("INBOX")
        return connection

    def test_a_year_forward_and_back(self):
        """Sessions, logins, deliveries and upkeep go on; mail kept for days is not destroyed by a date; UIDVALIDITY does not
        repeat"""
        with Bed("--set", "store.keep-expunged-days=30", "--set", "store.compact-interval=1s",
                 "--set", "store.expire-interval=1s") as bed:
            server = bed.server
            server.add_account("kios", "--pop3-expire", "14d")
            server.deliver("kios", [household.message(f"kept-{n}") for n in range(3)])
            pop = poplib.POP3("127.0.0.1", server.ports["pop3"])
            pop.user("kios")
            pop.pass_(harness.PASSWORD)
            for number in range(1, 4):
                pop.retr(number)
            pop.quit()
            session = self.imap(bed)
            session.uid("STORE", "1:4", "+FLAGS", r"(\Deleted)")
            session.expunge()
            disk = server.disk()
            numbers = set()
            for shift in (YEAR, 0, -YEAR, 0, 10 * YEAR, 200 * YEAR, 0):
                bed.faults.clock(shift)
                self.assertEqual(session.noop()[0], "OK")
                again = self.imap(bed)
                again.create("Again")
                numbers.add(again.status("Again", "(UIDVALIDITY)")[1][0])
                again.delete("Again")
                server.deliver("budi", [household.message("later")])
                again.logout()
                time.sleep(2.5)  # rounds of upkeep and expiry
            self.assertEqual(len(numbers), 7)
            self.assertEqual(session.noop()[0], "OK")
            kios = self.imap(bed, "kios")
            self.assertEqual(kios.search(None, "ALL")[1], [b"1 2 3"], "mail was destroyed by a date")
            log = bed.log()
            self.assertIn("the date has jumped", log)
            self.assertNotIn("expired after retrieval", log)
            self.assertNotRegex(log, r"upkeep .*purged=[1-9]")
            self.assertGreaterEqual(server.disk(), disk)
            bed.home.connect()
            for operation in bed.home.OPERATIONS:
                bed.home.connect()
                if operation != "expunge":
                    self.assertEqual(bed.home.run(operation).kind, "ok", operation)
            bed.restart()
            self.assertEqual(server.check()["problems"], [])

    def test_upkeep_goes_on_after_a_date_that_was_set_back(self):
        """Rounds of upkeep follow the even clock: after a jump back by a year disk comes back as before"""
        with Bed("--set", "store.compact-interval=1s") as bed:
            session = self.imap(bed)
            time.sleep(1.2)
            bed.faults.clock(-YEAR)
            session.store("1:*", "+FLAGS", r"(\Deleted)")
            session.expunge()
            self.assertTrue(eventually(lambda: "purged=" in bed.log()), bed.log()[-2000:])


class LongOperations(unittest.TestCase):
    def test_deliveries_go_between_the_parts_of_a_move(self):
        """A MOVE of 64,000 messages answers as one, and deliveries to others do not wait for its end; COPY of very many is
        refused with [MESSAGELIMIT]"""
        with harness.Server() as server:
            server.add_account("budi")
            server.add_account("siti")
            server.deliver("budi", harness.made(1))
            imap = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=300)
            imap.login("budi", harness.PASSWORD)
            imap.select("INBOX")
            for _ in range(16):
                self.assertEqual(imap.copy("1:*", "INBOX")[0], "OK")
                imap.noop()
            count = int(imap.select("INBOX")[1][0])
            self.assertEqual(count, 65536)
            lmtp = server.lmtp()
            lmtp.ehlo_or_helo_if_needed()
            message = harness.made(1, seed=9)[0]
            waits, moving = [], threading.Event()

            def deliver():
                while moving.is_set():
                    begin = time.monotonic()
                    lmtp.sendmail("a@example.org", ["siti"], message)
                    waits.append(time.monotonic() - begin)

            moving.set()
            worker = threading.Thread(target=deliver)
            worker.start()
            begin = time.monotonic()
            status, data = imap.uid("MOVE", "1:*", "Archive")
            took = time.monotonic() - begin
            moving.clear()
            worker.join()
            self.assertEqual(status, "OK", data)
            codes = imap.response("COPYUID")[1]
            self.assertEqual(len(codes), 1)
            self.assertEqual(codes[0].split()[1:], [b"1:65536", b"1:65536"])
            self.assertGreater(len(waits), 4)
            self.assertEqual(int(imap.select("Archive")[1][0]), count)
            self.assertEqual(imap.copy("1:*", "Archive")[0], "OK")
            imap.noop()
            status, data = imap.copy("1:*", "INBOX")
            self.assertEqual(status, "NO")
            self.assertIn(b"[MESSAGELIMIT 100000]", data[0])
            self.assertEqual(server.check()["problems"], [])
            print(f"  MOVE of {count} in {took:.2f} s; {len(waits)} deliveries meanwhile, the longest {max(waits):.2f} s")


@unittest.skipUnless(available(), "needs gcc and /proc")
class MemoryMeanwhile(unittest.TestCase):
    def test_refused_mail_leaves_nothing_behind(self):
        """Hundreds of large messages refused by a full disk: memory and descriptors stay as they were"""
        with Bed() as bed:
            home, pid = bed.home, bed.server.process.pid

            def held():
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), len(os.listdir(f"/proc/{pid}/fd"))

            def load(rounds):
                for _ in range(rounds):
                    home.connect()
                    for operation in ("lmtp_large", "append_large"):
                        self.assertEqual(home.run(operation).kind, "refused")

            with bed.faults.rule(WRITE, EVERYTHING, errno.ENOSPC):
                load(20)
                before, descriptors = held()
                load(150)
                after, later = held()
            self.assertLess(after - before, 30_000, "KiB of memory more")
            self.assertLessEqual(later, descriptors + 2)
            self.assertEqual(list((bed.server.data / "volumes/1/packs/spool").iterdir()), [])
            print(f"  300 refused messages of 700 KB: {after - before:+} KiB resident, {after // 1024} MiB in all")


if __name__ == "__main__":
    unittest.main()
