// Room MailAdvice.
