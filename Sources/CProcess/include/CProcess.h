// Calls about processes and owners that Swift cannot make, or only with types that depend on which module is read first. No
// header of the system stands here: whoever imports this room must not get another owner for `struct stat` or `timespec`.
#pragma once

/// stat(2), or lstat(2) if `follows` is 0: 0, or -1 and errno.
int merpati_owner(const char *path, int follows, unsigned *owner, unsigned *mode);
int merpati_set_dumpable(int dumpable);
int merpati_forbid_new_privileges(void);
int merpati_setresuid(unsigned real, unsigned effective, unsigned saved);
int merpati_setresgid(unsigned real, unsigned effective, unsigned saved);
int merpati_getresuid(unsigned *real, unsigned *effective, unsigned *saved);
int merpati_getresgid(unsigned *real, unsigned *effective, unsigned *saved);
