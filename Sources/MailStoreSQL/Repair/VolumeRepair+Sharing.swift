import MailStore

/// Access control lists and the marks of viewers, once messages and mailboxes are as they will be.
extension VolumeRepair {
  func mendSharing() throws(StoreError) {
    // A right that is lost is given again by the owner; one that nobody gave would be worse.
    try mend(
      "rights in mailboxes that are gone removed",
      """
      DELETE FROM access WHERE grantee < 0 OR rights NOT BETWEEN 0 AND 2047 OR withheld NOT BETWEEN 0 AND 2047
        OR NOT EXISTS (SELECT 1 FROM mailbox b
          WHERE b.account = access.account AND b.id = access.mailbox AND b.name IS NOT NULL)
      """)
    try mend(
      "marks of viewers of messages that are gone removed",
      """
      DELETE FROM viewer_mark WHERE modseq NOT BETWEEN 0 AND 4611686018427387903 OR NOT EXISTS (SELECT 1 FROM message m
        WHERE m.account = viewer_mark.account AND m.mailbox = viewer_mark.mailbox AND m.uid = viewer_mark.uid)
      """)
    try mend(
      "counters of viewers put right",
      """
      INSERT OR REPLACE INTO viewer (account, mailbox, viewer, seen, modseq)
      SELECT m.account, m.mailbox, m.viewer, SUM(m.seen <> 0), MAX(m.modseq) FROM viewer_mark m
      LEFT JOIN viewer v ON v.account = m.account AND v.mailbox = m.mailbox AND v.viewer = m.viewer
      GROUP BY m.account, m.mailbox, m.viewer HAVING COALESCE(v.seen, -1) <> SUM(m.seen <> 0)
      """)
    try mend(
      "counters of viewers put right",
      """
      UPDATE viewer SET seen = 0 WHERE seen <> 0 AND NOT EXISTS (SELECT 1 FROM viewer_mark m
        WHERE m.account = viewer.account AND m.mailbox = viewer.mailbox AND m.viewer = viewer.viewer)
      """)
  }
}
