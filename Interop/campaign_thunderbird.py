#!/usr/bin/env python3
"""Thunderbird, with a profile made here, on a screen that nobody sees: it opens the account, lists folders, shows messages, hears of
new mail, flags, moves and deletes; after a restart it shows what others did meanwhile. Each time the server is asked whether it
holds what Thunderbird shows. What was said on the line is kept, and the extensions in use are named; pictures of the screen are
kept with it in THUNDERBIRD_FOLDER (default: a new folder, which is named)."""

import collections
import contextlib
import imaplib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import harness
import marionette
import recorder

COUNT = 25
FOLDERS = ["Archive", "Drafts", "Junk", "Sent", "Trash", "Keluarga", "Keluarga/\u00c9t\u00e9 \u9ce9"]

SERVER = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.allServers.find(server => server.type == "imap");
const named = path => path.split("/").reduce((folder, name) => folder?.subFolders.find(sub => sub.name == name), server.rootFolder);
const headers = folder => [...folder.messages];
const messageOf = (folder, subject) => headers(folder).find(header => header.mime2DecodedSubject == subject);
"""


def letter(name, text=None):
    body = text or f"Isi surat {name}: caf\u00e9, \u9ce9, \u041f\u0440\u0438\u0432\u0435\u0442."
    return (f"From: Ani <ani@example.org>\r\nTo: Budi <budi@example.org>\r\nSubject: {name}\r\nDate: Mon, 02 Nov 2026 10:00:00 +0700\r\n"
            f"Message-ID: <{name.replace(' ', '.')}@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n").encode()


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def preferences(imap, remote, knows, more):
    """An account in the clear on loopback; nothing asks, nothing is looked for elsewhere. `knows`: it has the password. It would ask
    for it otherwise, in a window that holds up all others."""
    return {
        "mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.identities": "id1", "mail.account.account1.server": "server1", "mail.account.account2.server": "server2",
        "mail.account.lastKey": 2,
        "mail.identity.id1.fullName": "Budi", "mail.identity.id1.useremail": "budi@example.org", "mail.identity.id1.valid": True,
        "mail.server.server1.type": "imap", "mail.server.server1.hostname": "127.0.0.1", "mail.server.server1.port": imap,
        "mail.server.server1.userName": "budi", "mail.server.server1.name": "Budi di Merpati",
        "mail.server.server1.socketType": 0, "mail.server.server1.authMethod": 3,
        "mail.server.server1.login_at_startup": knows, "mail.server.server1.check_new_mail": knows, "mail.server.server1.check_time": 60,
        "mail.server.server1.directory-rel": "[ProfD]ImapMail/127.0.0.1",
        "mail.server.server2.type": "none", "mail.server.server2.hostname": "Local Folders", "mail.server.server2.userName": "nobody",
        "mail.server.server2.directory-rel": "[ProfD]Mail/Local Folders",
        "marionette.port": remote, "remote.prefs.recommended": True,
        "mail.provider.suppress_dialog_on_startup": True, "mail.shell.checkDefaultClient": False, "mail.rights.version": 1,
        "mailnews.start_page.enabled": False, "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True,
        "mail.inappnotifications.enabled": False, "app.donation.eoy.version.viewed": 999, "mail.biff.show_alert": False,
        "mail.biff.play_sound": False, "mail.chat.enabled": False, "toolkit.telemetry.reportingpolicy.firstRun": False,
        "datareporting.policy.dataSubmissionEnabled": False, "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
        "app.update.enabled": False, "app.normandy.enabled": False, "extensions.update.enabled": False,
        "extensions.getAddons.cache.enabled": False, "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False, "browser.safebrowsing.downloads.remote.enabled": False,
        "services.settings.server": "data:,", "mail.cloud_files.enabled": False, "browser.startup.homepage_override.mstone": "ignore",
        # What is not mail has nowhere to go.
        "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9, "network.proxy.ssl": "127.0.0.1",
        "network.proxy.ssl_port": 9, "network.proxy.no_proxies_on": "127.0.0.1",
        **more,
    }


class Screen:
    """Xvfb on a display of its own choosing."""

    def __init__(self):
        reading, writing = os.pipe()
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
                                        pass_fds=(writing,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writing)
        with open(reading) as file:
            self.name = ":" + file.readline().strip()

    def picture(self, file):
        subprocess.run(["import", "-display", self.name, "-window", "root", str(file)], check=True, timeout=60)

    def end(self):
        self.process.terminate()
        self.process.wait(30)


class Thunderbird:
    def __init__(self, folder, screen, imap, more):
        self.folder, self.screen, self.imap, self.more = folder, screen, imap, more
        self.profile = folder / "profile"
        self.profile.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def running(self, knows):
        port = free_port()
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in preferences(self.imap, port, knows, self.more).items()]
        (self.profile / "user.js").write_text("\n".join(lines) + "\n")
        log = open(self.folder / "thunderbird.log", "ab")
        process = subprocess.Popen(
            ["thunderbird", "--profile", str(self.profile), "--no-remote", "--marionette", "--remote-allow-system-access"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "DISPLAY": self.screen.name, "LANG": "C.UTF-8", "GDK_BACKEND": "x11",
                 "LIBGL_ALWAYS_SOFTWARE": "1", "MOZ_CRASHREPORTER_DISABLE": "1"})
        try:
            control = marionette.Marionette(port)
            control.until(SERVER + "return !!server && !!window.document.getElementById('tabmail')", what="the window is there")
            yield control
            with contextlib.suppress(ConnectionError, OSError, RuntimeError):
                control.call("Marionette:Quit", {"flags": ["eForceQuit"]})
            process.wait(60)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            log.close()


# What is asked of Thunderbird.

PASSWORD = SERVER + """
const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
login.init("imap://127.0.0.1", null, "imap://127.0.0.1", "budi", arguments[0], "", "");
if (!(await Services.logins.getAllLogins()).length) { await Services.logins.addLoginAsync(login); }
return true;
"""
UPDATE = SERVER + """
named(arguments[0]).getNewMessages(window.msgWindow, null);
return true;
"""
NAMES = SERVER + """
const path = folder => folder.isServer ? "" : (folder.parent.isServer ? "" : path(folder.parent) + "/") + folder.name;
return server.rootFolder.descendants.map(path).sort();
"""
SHOWN = SERVER + """
const folder = named(arguments[0]);
if (!folder) { return null; }
return headers(folder).map(header => [header.mime2DecodedSubject, header.isFlagged, header.isRead, header.messageKey]);
"""
OPEN = SERVER + """
const pane = window.document.getElementById("tabmail").currentAbout3Pane;
pane.displayFolder(named(arguments[0]).URI);
return true;
"""
ROWS = """
const pane = window.document.getElementById("tabmail").currentAbout3Pane;
return pane.gDBView?.rowCount ?? 0;
"""
SELECT = SERVER + """
const pane = window.document.getElementById("tabmail").currentAbout3Pane;
const index = pane.gDBView.findIndexOfMsgHdr(messageOf(named(arguments[0]), arguments[1]), true);
pane.threadTree.scrollToIndex(index);
pane.threadTree.selectedIndex = index;
return index;
"""
BODY = """
const pane = window.document.getElementById("tabmail").currentAbout3Pane;
return pane.messageBrowser?.contentWindow?.getMessagePaneBrowser?.()?.contentDocument?.body?.textContent ?? "";
"""
FLAG = SERVER + "const folder = named(arguments[0]); folder.markMessagesFlagged([messageOf(folder, arguments[1])], true); return true;"
DELETE = SERVER + """
const folder = named(arguments[0]);
folder.deleteMessages([messageOf(folder, arguments[1])], window.msgWindow, false, false, null, false);
return true;
"""
MOVE = SERVER + """
const folder = named(arguments[0]);
MailServices.copy.copyMessages(folder, [messageOf(folder, arguments[1])], named(arguments[2]), true, null, window.msgWindow, false);
return true;
"""
FIND = SERVER + """
const { nsMsgSearchAttrib, nsMsgSearchOp, nsMsgSearchScope } = Ci;
const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
const term = session.createTerm(), value = term.value;
value.attrib = term.attrib = nsMsgSearchAttrib.Body;
value.str = arguments[1];
term.value = value;
term.op = nsMsgSearchOp.Contains;
session.appendTerm(term);
session.addScopeTerm(nsMsgSearchScope.onlineMail, named(arguments[0]));
return await new Promise(resolve => {
  const found = [];
  session.registerListener({
    onSearchHit(header) { found.push(header.mime2DecodedSubject); }, onSearchDone() { resolve(found.sort()); }, onNewSearch() {},
  });
  session.search(null);
});
"""


class Campaign:
    def __init__(self, folder, server, screen):
        self.folder, self.server, self.screen = folder, server, screen
        self.other = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        self.other.login("budi", harness.PASSWORD)
        for name in ("Keluarga", '"Keluarga/&AMk-t&AOk- &nOk-"'):
            self.other.create(name)
            self.other.subscribe(name)
        self.shots = 0

    def shot(self, what):
        self.shots += 1
        time.sleep(2)  # what is known is not painted yet
        file = self.folder / f"{self.shots}-{what}.png"
        self.screen.picture(file)
        print(f"  picture: {file}", flush=True)

    def held(self, mailbox):
        self.other.select(f'"{mailbox}"')
        found = []
        for item in self.other.fetch("1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
            if isinstance(item, tuple):
                flags = item[0].decode()
                found.append([re.search(r"Subject: ([^\r\n]*)", item[1].decode())[1], r"\Flagged" in flags, r"\Seen" in flags,
                              int(re.search(r"UID (\d+)", flags)[1])])
        return sorted(found, key=lambda message: message[3])

    def agree(self, control, shown, held, what):
        """Thunderbird's view of a folder is the server's."""
        deadline = time.monotonic() + 90
        while True:
            theirs, ours = control.run(SHOWN, shown), self.held(held)
            if theirs is not None and sorted(theirs, key=lambda message: message[3]) == ours:
                print(f"  {what}: {len(ours)} messages in {shown} as the server has them", flush=True)
                return ours
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {shown}: Thunderbird shows {theirs}, the server holds {ours}")
            time.sleep(0.5)

    def uid(self, subject):
        self.other.select("INBOX")
        (found,) = [message[3] for message in self.held("INBOX") if message[0] == subject]
        return str(found)

    def first(self, control):
        control.run(PASSWORD, harness.PASSWORD)
        control.run(UPDATE, "INBOX")
        names = control.until(NAMES, wanted=lambda names: set(FOLDERS) < set(names), what="folders are listed")
        print(f"  folders: {', '.join(names)}", flush=True)
        control.run(OPEN, "INBOX")
        self.agree(control, "INBOX", "INBOX", "opened")
        control.until(ROWS, wanted=lambda rows: rows == COUNT, what="rows in the list")
        control.run(SELECT, "INBOX", "surat 7")
        control.until(BODY, wanted=lambda text: "Isi surat surat 7: caf\u00e9, \u9ce9" in text, what="a message is read")
        self.shot("inbox")
        assert not control.run(SHOWN, "Archive"), "Archive is empty"

        self.server.deliver("budi", [letter("surat baru")])
        control.until(SHOWN, "INBOX", wanted=lambda shown: any(row[0] == "surat baru" for row in shown), what="new mail is heard of")
        control.run(FLAG, "INBOX", "surat 3")
        control.run(MOVE, "INBOX", "surat 4", "Archive")
        control.run(DELETE, "INBOX", "surat 5")
        deadline = time.monotonic() + 60
        while {row[0] for row in self.held("INBOX")} & {"surat 4", "surat 5"}:
            assert time.monotonic() < deadline, "moved and deleted: not within 60 s"
            time.sleep(0.5)
        inbox = self.agree(control, "INBOX", "INBOX", "flagged, moved, deleted")
        assert [row[1] for row in inbox if row[0] == "surat 3"] == [True]
        assert [row[0] for row in self.held("Archive")] == ["surat 4"]
        assert [row[0] for row in self.held("Trash")] == ["surat 5"]
        # Heard of in IDLE.
        self.other.select("INBOX")
        self.other.uid("STORE", self.uid("surat 9"), "+FLAGS", r"(\Flagged)")
        self.other.uid("STORE", self.uid("surat 10"), "+FLAGS", r"(\Deleted)")
        self.other.expunge()
        self.agree(control, "INBOX", "INBOX", "what another client did meanwhile")
        found = control.run(FIND, "INBOX", "\u041f\u0440\u0438\u0432\u0435\u0442")
        assert found == sorted(row[0] for row in self.held("INBOX")), found
        print(f"  a search on the server for a Russian word finds {len(found)}", flush=True)
        control.run(SELECT, "INBOX", "surat baru")
        control.until(BODY, wanted=lambda text: "surat baru" in text, what="new mail is read")
        self.shot("worked-with")

    def meanwhile(self):
        self.other.select("INBOX")
        self.other.uid("STORE", self.uid("surat 11"), "+FLAGS", r"(\Flagged \Seen)")
        self.other.uid("STORE", self.uid("surat 3"), "-FLAGS", r"(\Flagged)")
        self.other.uid("STORE", ",".join((self.uid("surat 12"), self.uid("surat 13"))), "+FLAGS", r"(\Deleted)")
        self.other.expunge()
        self.server.deliver("budi", [letter("surat sesudahnya")])

    def second(self, control):
        control.run(UPDATE, "INBOX")
        control.run(OPEN, "INBOX")
        self.agree(control, "INBOX", "INBOX", "after a restart")
        control.run(SELECT, "INBOX", "surat sesudahnya")
        control.until(BODY, wanted=lambda text: "surat sesudahnya" in text, what="a message is read after the restart")
        self.shot("restarted")


def campaign(folder, name, more):
    print(f"{name}:", flush=True)
    folder = folder / name.replace(" ", "-")
    folder.mkdir()
    screen = Screen()
    try:
        with harness.Server() as server:
            server.add_account("budi")
            server.deliver("budi", [letter(f"surat {number}") for number in range(1, COUNT + 1)])
            with recorder.Recorder(server.ports["imap"]) as line:
                work = Campaign(folder, server, screen)
                bird = Thunderbird(folder, screen, line.port, more)
                try:
                    with bird.running(False) as control:
                        work.first(control)
                    work.meanwhile()
                    before = len(line.conversations)
                    with bird.running(True) as control:
                        work.second(control)
                except BaseException:
                    work.shot("failed")
                    raise
                finally:
                    (folder / "said").mkdir()
                    line.save(folder / "said")
                used = line.used()
                answers = collections.Counter(exchange.answer.rsplit(b"\r\n", 2)[-2].split(b" ")[1].decode() for exchange in line.exchanges())
                wrong = [exchange for exchange in line.exchanges() if re.search(re.escape(exchange.tag) + rb" BAD", exchange.answer)]
            assert server.check()["problems"] == []
    finally:
        screen.end()
    print(f"  uses: {' '.join(sorted(used))}; {before} connections before the restart, {len(line.conversations)} in all; "
          f"answers: {dict(answers)}; the recording: {folder / 'said'}", flush=True)
    assert not wrong, wrong[:3]
    return used


def main():
    folder = pathlib.Path(os.environ.get("THUNDERBIRD_FOLDER") or tempfile.mkdtemp(prefix="thunderbird-"))
    for tool in ("thunderbird", "Xvfb", "import"):
        if not shutil.which(tool):
            print(f"{tool} is missing: scripts/setup clients")
            return 69
    folder.mkdir(parents=True, exist_ok=True)
    used = campaign(folder, "as it comes", {})
    assert {"COMPRESS", "IDLE", "ID", "LIST-EXTENDED", "SPECIAL-USE", "UTF8=ACCEPT", "QUOTA"} <= used, used
    used = campaign(folder, "with CONDSTORE", {"mail.server.server1.use_condstore": True})
    assert {"IDLE", "COMPRESS", "CONDSTORE"} <= used, used
    print("Thunderbird shows what the server holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
