import MailStore

/// Numbers that are never to be given out twice, and rows that the reaper must be able to find.
extension Checker {
  mutating func checkNumbers() throws(StoreError) {
    try each(
      """
      SELECT (SELECT MAX(id) FROM blob), COALESCE((SELECT value FROM volume_state WHERE name = 'next_blob'), 0)
      WHERE (SELECT MAX(id) FROM blob) >= COALESCE((SELECT value FROM volume_state WHERE name = 'next_blob'), 0)
      """
    ) { "blob \($0.int(0)): the next blob would be \($0.int(1))" }
    try each(
      """
      SELECT s.account, s.next_instance, MAX(m.instance) FROM account_state s JOIN message m ON m.account = s.account
      GROUP BY s.account HAVING MAX(m.instance) >= s.next_instance
      """
    ) { "account \($0.int(0)): the next UIDL instance would be \($0.int(1)), and \($0.int(2)) is in use" }
    try each(
      """
      SELECT b.account, b.id FROM mailbox b WHERE b.name IS NULL AND NOT EXISTS (
        SELECT 1 FROM purge p WHERE p.account = b.account AND p.mailbox = b.id AND p.modseq >= b.died)
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)): it was deleted, and nothing will ever clear it away" }
    try each(
      """
      SELECT e.account, e.mailbox, COUNT(*) FROM expunged e WHERE e.content IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM purge p WHERE p.account = e.account AND p.mailbox = e.mailbox
          AND e.uid BETWEEN p.first_uid AND p.last_uid AND p.modseq >= e.modseq)
      GROUP BY e.account, e.mailbox
      """
    ) {
      """
      account \($0.int(0)), mailbox \($0.int(1)): \($0.int(2)) expunged messages hold bytes, and nothing will ever clear \
      them away
      """
    }
    try each(
      """
      SELECT b.account, COUNT(*) FROM mailbox b
      WHERE NOT EXISTS (SELECT 1 FROM account_state s WHERE s.account = b.account) GROUP BY b.account
      """
    ) { "account \($0.int(0)): \($0.int(1)) mailboxes, and no such account" }
    try each("SELECT account, id FROM mailbox WHERE name IS NOT NULL AND (uidvalidity < 1 OR uidnext < 1)") {
      "account \($0.int(0)), mailbox \($0.int(1)): UIDVALIDITY or UIDNEXT is 0"
    }
  }
}
