import MailStore

/// Access control lists and the marks of viewers.
extension Checker {
  mutating func checkSharing() throws(StoreError) {
    try each(
      """
      SELECT a.account, a.mailbox, COUNT(*) FROM access a
      WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = a.account AND b.id = a.mailbox AND b.name IS NOT NULL)
      GROUP BY a.account, a.mailbox
      """
    ) { "account \($0.int(0)), mailbox \($0.int(1)): rights are given in it, and no such mailbox is there" }
    try each(
      """
      WITH used (account, mailbox, viewer, seen) AS (
        SELECT account, mailbox, viewer, SUM(seen) FROM viewer_mark GROUP BY account, mailbox, viewer),
      counted (account, mailbox, viewer, seen) AS (
        SELECT v.account, v.mailbox, v.viewer, v.seen FROM viewer v
        JOIN mailbox b ON b.account = v.account AND b.id = v.mailbox AND b.name IS NOT NULL)
      SELECT u.account, u.mailbox, u.viewer, COALESCE(v.seen, -1), u.seen FROM used u
      JOIN mailbox b ON b.account = u.account AND b.id = u.mailbox AND b.name IS NOT NULL
      LEFT JOIN counted v ON v.account = u.account AND v.mailbox = u.mailbox AND v.viewer = u.viewer
      WHERE COALESCE(v.seen, -1) <> u.seen
      UNION ALL SELECT v.account, v.mailbox, v.viewer, v.seen, 0 FROM counted v
      LEFT JOIN used u ON v.account = u.account AND v.mailbox = u.mailbox AND v.viewer = u.viewer
      WHERE u.seen IS NULL AND v.seen <> 0
      """
    ) {
      """
      account \($0.int(0)), mailbox \($0.int(1)): \($0.int(3)) messages count as seen by account \($0.int(2)), its marks \
      say \($0.int(4))
      """
    }
    try each(
      """
      SELECT v.account, v.mailbox, v.viewer, COUNT(*) FROM viewer_mark v
      JOIN mailbox b ON b.account = v.account AND b.id = v.mailbox AND b.name IS NOT NULL
      WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.account = v.account AND m.mailbox = v.mailbox AND m.uid = v.uid)
      GROUP BY v.account, v.mailbox, v.viewer
      """
    ) {
      """
      account \($0.int(0)), mailbox \($0.int(1)): account \($0.int(2)) has marks of \($0.int(3)) messages that are not \
      there
      """
    }
  }
}
