// Room MailTransfer.
