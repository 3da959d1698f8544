"""The pages under docs/ against the program: what they say is announced, configurable or bounded is, and nothing else."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

import harness
import lines
from harness import PASSWORD, ROOT
from lines import IMAP, LMTP, POP3

DOCS = ROOT / "docs"


def tables(page):
    """{heading: [{column: text}]} of the Markdown tables of a page; the cells without their backticks."""
    found, heading, head = {}, "", None
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("#"):
            heading, head = line.lstrip("# "), None
        elif line.startswith("|"):
            cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split(" | ")]
            if head is None:
                head = cells
            elif not set(line) <= set("|- "):
                assert len(cells) == len(head), f"{page}: {line}"
                found.setdefault(heading, []).append(dict(zip(head, cells)))
        else:
            head = None
    return found


class Protocols(unittest.TestCase):
    """docs/protocols.md: capabilities in each state, both directions."""

    @classmethod
    def setUpClass(cls):
        cls.tables = tables("protocols.md")
        cls.server = harness.Server("--set", "pop3.login-delay=1s")
        cls.server.start()
        cls.server.add_account("budi")
        cls.address = "10.99.0.4"
        cls.has_outside = os.geteuid() == 0 and subprocess.run(
            ["ip", "addr", "add", f"{cls.address}/32", "dev", "lo"], capture_output=True).returncode == 0

    @classmethod
    def tearDownClass(cls):
        if cls.has_outside:
            subprocess.run(["ip", "addr", "del", f"{cls.address}/32", "dev", "lo"], capture_output=True)
        cls.server.destroy()

    STATES = {
        # state: logged in, TLS, passwords taken
        "before login": (False, False, True), "after login": (True, False, True),
        "before login, TLS": (False, True, True), "after login, TLS": (True, True, True),
        "before login, from outside": (False, False, False), "before login, from outside, TLS": (False, True, True),
    }
    OFFERED = {
        "always": lambda login, tls, passwords: True,
        "always, passwords taken": lambda login, tls, passwords: passwords,
        "always, if `pop3.login-delay` is not 0": lambda login, tls, passwords: True,  # it is 1 s here
        "after login": lambda login, tls, passwords: login,
        "after login, if `imap.message-limit` is 0": lambda login, tls, passwords: login,  # it is here
        "after login, if `imap.message-limit` is not 0": lambda login, tls, passwords: False,
        # This server has none; imap/quotaset.txt shows it.
        "after login, if `imap.quota-administrators` names the account": lambda login, tls, passwords: False,
        "before login": lambda login, tls, passwords: not login,
        "before login in the clear": lambda login, tls, passwords: not login and not tls,
        "before login, passwords refused": lambda login, tls, passwords: not login and not passwords,
        "in the clear": lambda login, tls, passwords: not tls,
        "keys": lambda login, tls, passwords: True,  # every account of this server has them
        "passwords taken": lambda login, tls, passwords: passwords,
        # test_tokens.py looks at these: this server has no issuer, and its clients show no certificate.
        "tokens": lambda login, tls, passwords: False,
        "certificate": lambda login, tls, passwords: False,
    }

    def documented(self, section, state, column="capability"):
        return {row[column] for row in self.tables[section] if self.OFFERED[row["offered"]](*self.STATES[state])}

    def peers(self, kind, plain, tls):
        """(state, connection) for each state, those from outside where this machine lets us."""
        for state, (login, is_tls, _) in self.STATES.items():
            outside = "outside" in state
            if outside and not self.has_outside:
                continue
            listener, context = (tls, lines.trusting()) if is_tls and tls else (plain, None)
            peer = kind(self.server.ports[listener], tls=context, source=(self.address, 0) if outside else None)
            self.addCleanup(peer.close)
            if login and kind is not LMTP:
                answer = peer.login("budi", PASSWORD)
                for _ in range(50):  # pop3.login-delay
                    if kind is not POP3 or b"LOGIN-DELAY" not in answer:
                        break
                    time.sleep(0.1)
                    answer = peer.login("budi", PASSWORD)
                assert b"OK" in (answer[0] if kind is IMAP else answer), answer
            yield state, peer
            if kind is POP3:
                peer.command("QUIT")
            peer.close()

    def test_imap(self):
        for state, peer in self.peers(IMAP, "imap", "imaps"):
            with self.subTest(state=state):
                words = [w.decode() for w in peer.command("CAPABILITY")[1][0].split()[2:]]
                self.assertEqual(len(words), len(set(words)), "announced twice")
                mechanisms = {w[5:] for w in words if w.startswith("AUTH=")}
                # APPENDLIMIT=n by its name; QUOTA=RES-… and STATUS=SIZE are names as they are.
                names = {re.sub(r"(LIMIT)=\d+$", r"\1", w) for w in words if not w.startswith("AUTH=")}
                self.assertEqual(names, self.documented("IMAP", state))
                expected = set() if self.STATES[state][0] else self.documented("SASL", state, "mechanism")
                self.assertEqual(mechanisms, expected)

    def test_imap_greeting_and_login_say_the_same(self):
        peer = IMAP(self.server.ports["imap"])
        self.addCleanup(peer.close)
        code = re.search(rb"\[CAPABILITY ([^\]]*)\]", peer.greeting).group(1)
        self.assertEqual(code.split(), peer.command("CAPABILITY")[1][0].split()[2:])
        code = re.search(rb"\[CAPABILITY ([^\]]*)\]", peer.login("budi", PASSWORD)[0]).group(1)
        self.assertEqual(code.split(), peer.command("CAPABILITY")[1][0].split()[2:])

    def test_pop3(self):
        for state, peer in self.peers(POP3, "pop3", "pop3s"):
            with self.subTest(state=state):
                self.assertTrue(peer.command("CAPA").startswith(b"+OK"))
                capa = [line.decode() for line in peer.listing()]
                with_arguments = {"SASL", "EXPIRE", "LOGIN-DELAY", "IMPLEMENTATION"}
                names = [line.split()[0] if line.split()[0] in with_arguments else line for line in capa]
                self.assertEqual(len(names), len(set(names)), "announced twice")
                self.assertEqual(set(names), self.documented("POP3", state))
                sasl = {word for line in capa if line.startswith("SASL") for word in line.split()[1:]}
                self.assertEqual(sasl, self.documented("SASL", state, "mechanism"))

    def test_lmtp(self):
        for state in ("before login", "before login, TLS"):
            with self.subTest(state=state):
                peer = LMTP(self.server.ports["lmtp"])
                self.addCleanup(peer.close)
                if "TLS" in state:
                    peer.command("LHLO x")
                    peer.command("STARTTLS")
                    peer.starttls()
                names = [line[4:].decode().split()[0] for line in peer.command("LHLO x").split(b"\n")[1:]]
                self.assertEqual(len(names), len(set(names)))
                self.assertEqual(set(names), self.documented("LMTP", state))

    def test_rfc_numbers(self):
        """The page names the RFCs that the table in the source names."""
        for section, file in (("IMAP", "IMAPServer"), ("POP3", "POP3Server"), ("LMTP", "LMTPServer")):
            source = (ROOT / "Sources" / file / "Capability.swift").read_text()
            rows = re.findall(r'(?:row\(|name: )"([^"]+)", (?:rfc: )?"([^"]+)"', source)
            self.assertGreater(len(rows), 6)
            written = {row["capability"].split()[0]: row["RFC"] for row in self.tables[section]}
            for name, rfcs in rows:
                for rfc in re.findall(r"RFC (\d+)", rfcs):
                    self.assertIn(rfc, written[name], f"{section} {name}")

    def test_every_proof_is_there(self):
        proofs = 0
        for heading, rows in self.tables.items():
            for row in rows:
                for proof in re.split(r",\s*", row.get("proved by", "")):
                    if proof:
                        file = ROOT / proof if proof.startswith("Interop/") else ROOT / "Tests" / "Transcripts" / proof
                        self.assertTrue(file.is_file(), f"{heading}: {proof}")
                        proofs += 1
        self.assertGreater(proofs, 60)

    def test_links(self):
        for page in DOCS.glob("*.md"):
            for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text()):
                self.assertTrue((DOCS / target).exists(), f"{page.name}: {target}")


class Configuration(unittest.TestCase):
    """docs/configuration.md and `merpati config`."""

    def config(self, *arguments, environment=None, check=False):
        home = tempfile.mkdtemp(prefix="merpati-home-")
        self.addCleanup(os.rmdir, home)
        clean = {"PATH": os.environ["PATH"], "HOME": home}
        return subprocess.run([harness.binary(), "config", *arguments], capture_output=True, text=True, timeout=60,
                              env={**clean, **(environment or {})}, check=check)

    def test_page_holds_every_key(self):
        said = {}
        for line in self.config("--keys", check=True).stdout.splitlines()[1:]:
            key, default, flag, *what = line.split(None, 3)
            said[key] = (default, flag, what[0])
        written = {row["key"]: (row["default"], row["flag"], row["meaning"]) for row in tables("configuration.md")["Keys"]}
        self.assertEqual(sorted(written), sorted(said))
        for key, row in said.items():
            self.assertEqual(written[key], row, key)
        names = {row["key"]: row["environment"] for row in tables("configuration.md")["Keys"]}
        for key, name in names.items():
            self.assertEqual(name, "MERPATI_" + re.sub("[.-]", "_", key).upper())

    def example(self, kind):
        """A value that each type of the page takes and that is not the default."""
        return {"listeners": "127.0.0.1:4711", "path": "/tmp/contoh", "text": "7", "size": "7M", "size or none": "7M",
                "duration": "31m", "true or false": "true", "permission bits": "0600"}.get(kind)

    def test_every_key_by_every_way(self):
        for row in tables("configuration.md")["Keys"]:
            key, kind = row["key"], row["type"]
            value = self.example(kind) or (kind.split(" or ")[-1] if " or " in kind else "16000" if "15,000" in kind else "7")
            if key == "auth.trust-loopback":
                value = "false"
            if key == "lmtp.recipient-delimiter":
                value = "-"
            with self.subTest(key=key):
                by_set = json.loads(self.config("--set", f"{key}={value}", "--json", check=True).stdout)
                self.assertEqual(by_set[key], value)
                by_environment = json.loads(self.config("--json", environment={row["environment"]: value}, check=True).stdout)
                self.assertEqual(by_environment[key], value)
                file = pathlib.Path(tempfile.mkdtemp()) / "merpati.yaml"
                depth = key.split(".")
                file.write_text("".join("  " * n + f"{part}:\n" for n, part in enumerate(depth[:-1]))
                                + "  " * (len(depth) - 1) + f'{depth[-1]}: "{value}"\n')
                by_file = json.loads(self.config("--config", str(file), "--json", check=True).stdout)
                self.assertEqual(by_file[key], value)
                # Flags go before the environment, that before the file.
                if kind == "text" and key == "hostname":
                    all_three = self.config("--config", str(file), "--json", "--set", "hostname=dari-set",
                                            environment={"MERPATI_HOSTNAME": "dari-lingkungan"}, check=True)
                    self.assertEqual(json.loads(all_three.stdout)[key], "dari-set")
                    two = self.config("--config", str(file), "--json", environment={"MERPATI_HOSTNAME": "dari-lingkungan"}, check=True)
                    self.assertEqual(json.loads(two.stdout)[key], "dari-lingkungan")
                file.unlink()
                file.parent.rmdir()

    def test_flags(self):
        for row in tables("configuration.md")["Keys"]:
            if row["flag"] != "–":
                with self.subTest(flag=row["flag"]):
                    value = [] if row["type"] == "true or false" else [self.example(row["type"])]
                    told = json.loads(self.config(row["flag"], *value, "--json", check=True).stdout)
                    self.assertEqual(told[row["key"]], value[0] if value else "true")

    def test_unknown_keys_are_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "merpati.yaml"
            for text, name in (("imap:\n  lisen: '*:143'\n", "imap.lisen"), ("hostnam: x\n", "hostnam"),
                               ("limits:\n  message-size: 1M\n  mesage-size: 1M\n", "limits.mesage-size"),
                               ("imap: x\n", "imap"), ("hostname:\n  name: x\n", "hostname"),
                               ("limits:\n  login:\n    timeout: 1s\n", "limits.login.timeout")):
                file.write_text(text)
                for command in ("config", "serve"):
                    with self.subTest(file=text, command=command):
                        self.assertRefused([command, "--config", str(file), "--data", folder + "/data", "--imap", "127.0.0.1:0"], name)
        for name in ("MERPATI_IMAP_LISEN", "MERPATI_LIMITS", "MERPATI_X"):
            done = self.config(environment={name: "1"})
            self.assertEqual(done.returncode, 78, done.stdout)
            self.assertIn(name, done.stderr)
        for pair in ("imap.lisen=1", "limits=1", "hostname", "=x"):
            done = self.config("--set", pair)
            self.assertEqual(done.returncode, 78, done.stdout)
            self.assertIn(pair.split("=")[0], done.stderr)

    def assertRefused(self, arguments, name):
        """Ends with EX_CONFIG and names what is wrong."""
        try:
            done = subprocess.run([harness.binary(), *arguments], capture_output=True, text=True, timeout=20)
        except subprocess.TimeoutExpired:
            self.fail(f"it served, though {name} is wrong")
        self.assertEqual(done.returncode, 78, f"{name}: {done.stderr}")  # EX_CONFIG
        self.assertIn(name, done.stderr)

    def test_shapes(self):
        """Values without quotes are what they look like; lists and mappings where a value belongs are refused, not ignored."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "merpati.yaml"
            file.write_text("auth:\n  allow-cleartext-login: true\n  failure-delay: 5\nlmtp:\n  quota-full: 452\n"
                            "  socket-mode: 0600\nlimits:\n  message-size: 52428800\nhostname: 5\n")
            told = json.loads(self.config("--config", str(file), "--json", check=True).stdout)
            self.assertEqual(
                [told[key] for key in ("auth.allow-cleartext-login", "auth.failure-delay", "lmtp.quota-full", "lmtp.socket-mode",
                                       "limits.message-size", "hostname")], ["true", "5", "452", "0600", "52428800", "5"])
            file.write_text("# only comments\n")
            self.assertEqual(self.config("--config", str(file)).returncode, 0, "a file of comments")
            file.write_text('imap:\n  listen: ["127.0.0.1:1143", "127.0.0.1:1144"]\n')
            done = self.config("--config", str(file), "--json")
            self.assertTrue(done.returncode == 78 and "imap.listen" in done.stderr
                            or json.loads(done.stdout)["imap.listen"] == "127.0.0.1:1143,127.0.0.1:1144", "a list is ignored")

    def test_wrong_values_are_refused_by_key(self):
        for key, value in (("limits.message-size", "viel"), ("limits.login-timeout", "soon"), ("imap.listen", "nowhere"),
                           ("limits.connections", "0"), ("limits.connections", "-1"), ("limits.connections", "9" * 30),
                           ("limits.message-size", "9" * 30), ("pop3.language", "de"), ("lmtp.socket-mode", "0999"),
                           ("auth.allow-cleartext-login", "maybe"), ("auth.scram-iterations", "4096"),
                           ("lmtp.recipient-delimiter", "++"), ("imap.idle-timeout", "5m"), ("pop3.idle-timeout", "1m"),
                           ("tls.certificate", "/tmp/only-one.crt"), ("quota.default-messages", "many"),
                           ("store.pack-size", "63K"), ("store.pack-size", "5G")):
            with self.subTest(key=key, value=value):
                with tempfile.TemporaryDirectory() as folder:
                    self.assertRefused(["serve", "--data", folder, "--imap", "127.0.0.1:0", "--set", f"{key}={value}"], key)

    def test_the_example_works(self):
        example = re.search(r"```yaml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.DOTALL).group(1)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "merpati.yaml"
            file.write_text(example)
            told = self.config("--config", str(file), check=True).stdout
        from_file = [line.split()[0] for line in told.splitlines() if line.endswith(" file")]
        self.assertGreaterEqual(len(from_file), 12)
        self.assertIn("lmtp.quota-full", from_file)

    def test_highest_and_lowest_iterations_can_log_in(self):
        """A value the key takes is one that logins take."""
        low, high = re.search(r"([\d,]+) to ([\d,]+)", next(
            row["type"] for row in tables("configuration.md")["Keys"] if row["key"] == "auth.scram-iterations")).groups()
        limits = {row["limit"]: row["default"] for rows in tables("limits.md").values() for row in rows}
        self.assertLessEqual(int(high.replace(",", "")), int(limits["SASLLimits.mostIterations"]))
        self.assertGreaterEqual(int(low.replace(",", "")), int(limits["SASLLimits.leastIterations"]))


class Limits(unittest.TestCase):
    """docs/limits.md against the constants in the sources, names and values, both directions."""

    FILES = {
        "IMAPLimits": "IMAPCore/IMAPLimits.swift", "IMAPServerSettings": "IMAPServer/IMAPServerSettings.swift",
        "POP3Limits": "POP3Core/POP3Limits.swift", "POP3ServerSettings": "POP3Server/POP3ServerSettings.swift",
        "LMTPLimits": "LMTPCore/LMTPLimits.swift", "LMTPServerSettings": "LMTPServer/LMTPServerSettings.swift",
        "NetLimits": "MailNet/NetLimits.swift", "SASLLimits": "SASL/SASLLimits.swift",
        "StoreLimits": "MailStoreSQL/StoreLimits.swift", "MIMELimits": "MailFormat/MIMELimits.swift",
        "AuthSettings": "MailAuth/AuthSettings.swift", "ControlLimits": "MerpatiServer/Control/ControlLimits.swift",
        "BackupLimits": "MailStoreSQL/Backup/BackupLimits.swift", "MarkLimits": "MailStoreSQL/Marks/MarkLimits.swift",
        "SearchIndexLimits": "SearchIndex/SearchIndexLimits.swift", "WatchLimits": "MailStore/WatchLimits.swift",
        "CompressionLimits": "MailNet/Compression/CompressionLimits.swift", "TokenLimits": "MailAuth/Tokens/TokenLimits.swift",
        "AuthServerLimits": "AuthServer/AuthServerLimits.swift", "DictionaryLimits": "BlobStore/DictionaryLimits.swift",
    }
    # No limits, or given by the configuration, whose own rows stand in the page.
    NOT_LIMITS = {
        "IMAPServerSettings": {"productName", "productVersion", "wire", "appendLimit", "loginTimeout", "idleTimeout", "now",
                               "offersCompression", "offersUnauthenticate", "submissionAccounts", "utf8Fallback", "language",
                               "quotaAdministrators", "urlAuth", "othersPrefix", "publicPrefix", "publicAccount"},
        "POP3ServerSettings": {"hostname", "implementation", "offersSTLS", "loginDelaySeconds", "idleSeconds", "utf8Fallback",
                               "language", "now", "loginSeconds", "loginTimeoutSeconds"},
        "LMTPServerSettings": {"hostname", "maxMessageBytes", "quotaFullIsTemporary", "recipientDelimiter", "addsTraceHeaders",
                               "offersSTARTTLS", "postmaster", "idleSeconds", "now"},
        "AuthSettings": {"allowCleartext", "trustsLoopback", "failureDelay", "maxFailuresPerConnection",
                         "maxConnectionsPerAccount", "scramIterations", "domain", "certificateName"},
        "AuthClock": {"now", "sleep", "system"},
        "IMAPLimits": {"standard"},
    }

    # Rows of other sections are made from the sources (scripts/client-limits), or have words for values.
    COVERED = {
        "IMAPLimits", "IMAPServerSettings", "POP3Limits", "POP3ServerSettings", "POP3Sizes", "LMTPLimits",
        "LMTPServerSettings", "LMTPSizes", "NetLimits", "SASLLimits", "StoreLimits", "MIMELimits", "AuthSettings", "AuthClock",
        "ControlLimits", "BackupLimits", "MarkLimits", "SearchIndexLimits",
        "CompressionLimits", "TokenLimits", "AuthServerLimits", "WatchLimits", "DictionaryLimits",
    }

    @staticmethod
    def number(text):
        """A Swift constant as a number; durations in seconds. None: not one."""
        text = text.split("//")[0].strip().rstrip(",)")
        unit = re.match(r"(?:TimeAmount)?\.(seconds|minutes|hours|milliseconds|microseconds)\((.*)$", text)
        factor = {"seconds": 1, "minutes": 60, "hours": 3600, "milliseconds": 0.001,
                  "microseconds": 0.000001}[unit.group(1)] if unit else 1
        body = (unit.group(2) if unit else text).replace("_", "").rstrip(")")
        body = body.replace("UInt32.max", "4294967295")
        body += ")" * (body.count("(") - body.count(")"))
        if not re.fullmatch(r"[\d\s+*<()-]+", body):
            return None
        return eval(body) * factor  # digits and operators only

    @classmethod
    def constants(cls):
        found = {}
        for name, path in cls.FILES.items():
            text = (ROOT / "Sources" / path).read_text()
            types = {m.start(): m.group(1) for m in re.finditer(r"^(?:public )?(?:struct|enum) (\w+)", text, re.MULTILINE)}

            def owner(position):
                return types[max(p for p in types if p <= position)]

            defaults = {m.group(1): m.group(2) for init in re.findall(r"init\((.*?)\)\s*\{", text, re.DOTALL)
                        for m in re.finditer(r"(\w+): [\w@ >()\[\].-]+? = ([^,\n]+)", init)}
            for m in re.finditer(r"^  (?:public )?(?:static let|var|let) (\w+)(?:: ([^={\n]+?))?(?: = (.+))?$", text, re.MULTILINE):
                name_of_it, value = m.group(1), m.group(3) or defaults.get(m.group(1), "")
                kind = owner(m.start())
                if name_of_it in cls.NOT_LIMITS.get(kind, ()):
                    continue
                found[f"{kind}.{name_of_it}"] = "none" if (m.group(2) or "").endswith("?") else cls.number(value)
        return found

    def test_constants(self):
        constants = self.constants()
        self.assertGreater(len(constants), 80)
        written = {row["limit"]: row["default"] for rows in tables("limits.md").values() for row in rows if "limit" in row}
        names = {name for name in written if re.match(r"[A-Z]", name) and name.split(".")[0] in self.COVERED}
        self.assertEqual(sorted(names - set(constants)), [], "in the page, not in the sources")
        self.assertEqual(sorted(set(constants) - names), [], "in the sources, not in the page")
        for name in sorted(names):
            with self.subTest(limit=name):
                text = written[name]
                if text == "none":
                    self.assertEqual(constants[name], "none")
                    continue
                number, _, unit = text.partition(" ")
                factor = {"": 1, "octets": 1, "s": 1, "ms": 0.001, "µs": 0.000001, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
                self.assertEqual(constants[name], int(number) * factor)

    def test_client_rooms(self):
        """Their table is made from the sources and their comments."""
        made = subprocess.run([ROOT / "scripts" / "client-limits"], capture_output=True, text=True, check=True).stdout.strip()
        page = (DOCS / "limits.md").read_text()
        self.assertIn(made, page, "run scripts/client-limits --write")

    def test_keys(self):
        keys = {row["key"]: row["default"] for row in tables("configuration.md")["Keys"]}
        written = {row["limit"]: row["default"] for rows in tables("limits.md").values() for row in rows if "limit" in row}
        for name, default in written.items():
            if not re.match(r"[A-Z]", name):
                self.assertEqual(keys.get(name), default, name)
        wanted = {key for key in keys if key.startswith(("limits.", "quota.")) or key.endswith(("-timeout", "-delay"))}
        self.assertEqual(sorted(wanted - set(written)), [])

    def test_no_limit_is_dead(self):
        """Each constant is used somewhere besides the place where it is defined."""
        sources = {path: path.read_text() for path in (ROOT / "Sources").rglob("*.swift")}
        dead = []
        for name in self.constants():
            kind, _, member = name.partition(".")
            own = ROOT / "Sources" / self.FILES[{"POP3Sizes": "POP3ServerSettings", "LMTPSizes": "LMTPServerSettings"}.get(kind, kind)]
            is_static = re.search(rf"static let {member}\b", sources[own])
            pattern = rf"\b{kind}\.{member}\b" if is_static else rf"\.{member}\b"
            used = any(re.search(pattern, text) for path, text in sources.items() if path != own)
            if not used and not re.search(rf"{kind}\.{member}|Self\.{member}", sources[own]):
                dead.append(name)
        self.assertEqual(dead, [])


if __name__ == "__main__":
    unittest.main()
