"""Each real client: its configuration, one run, and the messages it brought home."""

import imaplib
import os
import pathlib
import poplib
import re
import shutil
import subprocess

from harness import PASSWORD

poplib._MAXLINE = 10_000_000  # real mail has longer lines than poplib believes


# The benchmarks run each client twice: the second run must find that nothing is new.
INCREMENTAL = False


def run(arguments, folder, **more):
    return subprocess.run(arguments, cwd=folder, capture_output=True, timeout=600, stdin=subprocess.DEVNULL, **more)


def maildir(path):
    """Every message of a Maildir."""
    return [f.read_bytes() for sub in ("cur", "new") for f in sorted((pathlib.Path(path) / sub).glob("*"))]


def make_maildir(path):
    for sub in ("cur", "new", "tmp"):
        (pathlib.Path(path) / sub).mkdir(parents=True, exist_ok=True)
    return path


def mbsync(server, account, folder):
    config = folder / "mbsyncrc"
    config.write_text(f"""
IMAPAccount m
Host 127.0.0.1
Port {server.ports['imap']}
User {account}
Pass {PASSWORD}
SSLType None
AuthMechs LOGIN
PipelineDepth 50

IMAPStore far
Account m

MaildirStore near
Path {folder}/near/
Inbox {folder}/near/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
""")
    (folder / "near").mkdir(exist_ok=True)
    done = run(["mbsync", "-c", str(config), "-a"], folder)
    return done, without_tuid(maildir(folder / "near" / "INBOX"))


def without_tuid(messages):
    """mbsync marks what it has just stored with a header line of its own."""
    return [re.sub(rb"X-TUID: .{12}\r?\n", b"", message, count=1) for message in messages]


def offlineimap(server, account, folder, more=""):
    config = folder / "offlineimaprc"
    config.write_text(f"""
[general]
accounts = a
metadata = {folder}/meta
ui = quiet
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = {folder}/mail
[Repository r]
type = IMAP
remotehost = 127.0.0.1
remoteport = {server.ports['imap']}
remoteuser = {account}
remotepass = {PASSWORD}
ssl = no
starttls = no
auth_mechanisms = PLAIN
folderfilter = lambda name: name == 'INBOX'
{more}
""")
    done = run(["offlineimap", "-c", str(config), "-o", "-1"], folder)
    return done, maildir(folder / "mail" / "INBOX")


def _getmail(kind, server, account, folder, port, extra=""):
    box = make_maildir(folder / "box")
    config = folder / "getmailrc"
    config.write_text(f"""
[retriever]
type = {kind}
server = 127.0.0.1
port = {port}
username = {account}
password = {PASSWORD}
{extra}
[destination]
type = Maildir
path = {box}/
[options]
delivered_to = false
received = false
verbose = 1
read_all = {str(not INCREMENTAL).lower()}
""")
    # getmail will not deliver as root.
    who = {}
    if os.geteuid() == 0:
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
    for _ in range(3):
        done = run(["getmail", f"--getmaildir={folder}", f"--rcfile={config}"], folder, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, **who)
        # On a busy machine it gives up on its own child that delivers, and leaves the rest for the next time.
        if not re.search(rb"waiting child pid \d+ timed out", done.stdout + done.stderr):
            break
        if not INCREMENTAL:
            for file in (*box.glob("cur/*"), *box.glob("new/*")):
                file.unlink()
    return done, maildir(box)


def getmail_pop3(server, account, folder):
    return _getmail("SimplePOP3Retriever", server, account, folder, server.ports["pop3"])


def getmail_imap(server, account, folder):
    return _getmail("SimpleIMAPRetriever", server, account, folder, server.ports["imap"], 'mailboxes = ("INBOX",)')


def fetchmail(server, account, folder):
    box = make_maildir(folder / "box")
    script = folder / "mda"
    script.write_text(f"""#!/bin/sh
n=$(mktemp {box}/tmp/XXXXXXXX) && cat >"$n" && mv "$n" {box}/new/
""")
    script.chmod(0o755)
    config = folder / "fetchmailrc"
    config.write_text(f"""
set no bouncemail
set invisible
poll 127.0.0.1 service {server.ports['pop3']} protocol pop3 {'uidl' if INCREMENTAL else ''}
  user "{account}" password "{PASSWORD}" is "root" here options sslproto '' keep {'' if INCREMENTAL else 'fetchall'} no rewrite mda "{script}"
""")
    config.chmod(0o600)
    # The reason for what it leaves out is in its output.
    done = run(["fetchmail", "-f", str(config), "--idfile", str(folder / "ids"), "--pidfile", str(folder / "pid"),
                "--nodetach", "--nosyslog", "-v"], folder, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})
    return done, maildir(box)


def mpop(server, account, folder):
    box = make_maildir(folder / "box")
    config = folder / "mpoprc"
    config.write_text(f"""
defaults
tls off
uidls_file {folder}/uidls
received_header off
keep on
account a
host 127.0.0.1
port {server.ports['pop3']}
user {account}
password {PASSWORD}
auth user
delivery maildir {box}
""")
    config.chmod(0o600)
    done = run(["mpop", "-C", str(config), "-q", "a"], folder)
    return done, maildir(box)


def curl_imap(server, account, folder):
    """One process, one URL a message: curl's globbing over MAILINDEX."""
    count = len(python_imap_uids(server, account))
    done = run(["curl", "-s", "--user", f"{account}:{PASSWORD}", "-o", "m#1",
                f"imap://127.0.0.1:{server.ports['imap']}/INBOX;MAILINDEX=[1-{count}]"], folder)
    return done, [f.read_bytes() for f in sorted(folder.glob("m*"))]


def curl_pop3(server, account, folder):
    connection = poplib.POP3("127.0.0.1", server.ports["pop3"])
    connection.user(account)
    connection.pass_(PASSWORD)
    count = connection.stat()[0]
    connection.quit()
    done = run(["curl", "-s", "--user", f"{account}:{PASSWORD}", "-o", "m#1",
                f"pop3://127.0.0.1:{server.ports['pop3']}/[1-{count}]"], folder)
    return done, [f.read_bytes() for f in sorted(folder.glob("m*"))]


def python_imap_uids(server, account):
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as connection:
        connection.login(account, PASSWORD)
        connection.select("INBOX", readonly=True)
        return connection.uid("SEARCH", "ALL")[1][0].split()


def python_imap(server, account, folder):
    fetched = []
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as connection:
        connection.login(account, PASSWORD)
        connection.select("INBOX", readonly=True)
        for item in connection.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
            if isinstance(item, tuple):
                assert int(re.search(rb"\{(\d+)\}$", item[0]).group(1)) == len(item[1])
                fetched.append(item[1])
    return None, fetched


def python_pop3(server, account, folder):
    connection = poplib.POP3("127.0.0.1", server.ports["pop3"])
    connection.user(account)
    connection.pass_(PASSWORD)
    fetched = [b"".join(line + b"\r\n" for line in connection.retr(n + 1)[1]) for n in range(connection.stat()[0])]
    connection.quit()
    return None, fetched


def moves_trace(name):
    """getmail takes Return-Path lines out and puts one back in front."""
    return name.startswith("getmail")


def neutral(name, message):
    """The message without what the client itself is known to add or move."""
    if not name.startswith("getmail"):
        return message
    header, gap, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    header = re.sub(rb"(?im)^(Return-Path|X-getmail-retrieved-from-mailbox):.*(\n[ \t].*)*(\n|\Z)", b"", header)
    return header.rstrip(b"\n") + gap + body


ALL = {
    "mbsync": mbsync, "offlineimap": offlineimap, "getmail pop3": getmail_pop3, "getmail imap": getmail_imap,
    "fetchmail": fetchmail, "mpop": mpop, "curl imap": curl_imap, "curl pop3": curl_pop3,
    "python imaplib": python_imap, "python poplib": python_pop3,
}
