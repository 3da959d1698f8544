// Room MailPull.
