// Room MailSync.
