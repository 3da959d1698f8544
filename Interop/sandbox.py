#!/usr/bin/env python3
"""Runs a command as systemd would run it by packaging/merpati.service, where systemd is not the first process: the unit's
system call filter, no writable and executable memory, no new privileges, the one capability, another user.

    sandbox.py USER COMMAND...    (root, libseccomp2, systemd-analyze)"""

import ctypes
import ctypes.util
import os
import pwd
import re
import subprocess
import sys

EPERM = 0x00050000 | 1
ALLOW = 0x7FFF0000
WRITABLE, EXECUTABLE = 2, 4
EXECUTABLE_AND_WRITABLE = WRITABLE | EXECUTABLE
MASKED_EQUAL = 7


class Argument(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint), ("operation", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def members(name):
    """System calls of one of systemd's sets."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], check=True, capture_output=True,
                          text=True).stdout
    calls = set()
    for line in text.splitlines()[1:]:
        word = re.sub(r"\x1b\[[\d;]*m", "", line).strip()
        if word.startswith("@"):
            calls |= members(word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def main():
    user = pwd.getpwnam(sys.argv[1])
    allowed = members("@system-service") - members("@privileged") - members("@resources")
    allowed |= {"execve"}  # for the command itself
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    seccomp.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Argument)]
    context = seccomp.seccomp_init(EPERM)
    for call in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            continue
        if call in ("mmap", "mprotect", "pkey_mprotect"):
            # MemoryDenyWriteExecute=: mmap with one of the two at most, mprotect never to executable.
            mask = EXECUTABLE_AND_WRITABLE if call == "mmap" else EXECUTABLE
            for wanted in (0, WRITABLE, EXECUTABLE) if call == "mmap" else (0,):
                rule = Argument(2, MASKED_EQUAL, mask, wanted)
                seccomp.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(rule))
        else:
            seccomp.seccomp_rule_add_array(context, ALLOW, number, 0, None)
    os.setgroups([])
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    bind = 10  # CAP_NET_BIND_SERVICE

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("process", ctypes.c_int)]
    data = (ctypes.c_uint32 * 6)(1 << bind, 1 << bind, 1 << bind, 0, 0, 0)
    if libc.capset(ctypes.byref(Header(0x20080522, 0)), data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(47, 2, bind, 0, 0) != 0:  # PR_CAP_AMBIENT_RAISE
        raise OSError(ctypes.get_errno(), "ambient capability")
    os.umask(0o077)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    if seccomp.seccomp_load(context) != 0:
        raise OSError("the filter was not loaded")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
