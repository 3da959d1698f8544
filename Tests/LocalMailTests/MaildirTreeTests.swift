import Foundation
import Testing

@testable import LocalMail

@Suite struct MaildirTreeTests {
  private func withTree(_ body: (MaildirTree) throws -> Void) async throws {
    try await withFolder { folder in
      let tree = MaildirTree(root: folder + "/a/Mail/")
      try tree.create()
      try body(tree)
    }
  }

  @Test func `A tree is created with its parents, twice without harm`() async throws {
    try await withTree { tree in
      try tree.create()
      #expect(try names(in: tree.root) == ["cur", "new", "tmp"])
      #expect(try tree.folders() == [["INBOX"]])
      #expect(tree.folder(["inbox"]).directory == tree.root)
    }
  }

  @Test func `A tree and a folder are durable when they are returned, also if they were there`() async throws {
    try await withFolder { folder in
      for round in 0..<2 {
        let disk = try RecordingDisk(root: folder)
        let tree = MaildirTree(root: folder + "/Mail", disk: disk)
        try tree.create()
        _ = try tree.createFolder(["A"])
        let image = disk.crash(at: disk.point, .lost)
        for part in ["", "/new", "/cur", "/tmp", "/.A", "/.A/new", "/.A/cur", "/.A/tmp"] {
          #expect(image.directories.contains(tree.root + part), "\(part)")
        }
        // A run that was killed before its syncs leaves the names to the next one.
        if round == 1 { #expect(disk.count(.syncDirectory) == 4) }
      }
    }
  }

  @Test func `Folders are created, listed and completed`() async throws {
    try await withTree { tree in
      let paths = [["Archive", "2024"], ["Entwürfe"], ["a.b", "100%"], ["INBOX", "Sub"]]
      for path in paths { _ = try tree.createFolder(path) }
      #expect(try names(in: tree.root).prefix(4) == [".Archive.2024", ".Entw&APw-rfe", ".INBOX.Sub", ".a%2Eb.100%"])
      #expect(try names(in: tree.root + "/.Archive.2024") == ["cur", "maildirfolder", "new", "tmp"])
      #expect(Set(try tree.folders()) == Set(paths + [["INBOX"]]))
      try FileManager.default.removeItem(atPath: tree.root + "/.Entw&APw-rfe/new")
      #expect(try tree.createFolder(["Entwürfe"]).scan() == [])
      let error = #expect(throws: LocalMailError.self) {
        _ = try tree.createFolder([String(repeating: "x", count: 255)])
      }
      #expect(error?.description.contains("255") == true)
    }
  }

  @Test func `A folder whose name others keep in UTF-8 is found`() async throws {
    try await withTree { tree in
      for part in ["cur", "new", "tmp"] {
        try FileManager.default.createDirectory(
          atPath: tree.root + "/.Entwürfe/\(part)", withIntermediateDirectories: true)
      }
      #expect(try tree.folders() == [["INBOX"], ["Entwürfe"]])
      #expect(tree.folder(["Entwürfe"]).directory == tree.root + "/.Entwürfe")
    }
  }

  @Test func `Children go along with a renamed folder, others do not`() async throws {
    try await withTree { tree in
      for path in [["A"], ["A", "B", "C"], ["AB"], ["D"]] { _ = try tree.createFolder(path) }
      try write("x", to: tree.folder(["A", "B", "C"]).directory + "/cur/1.a:2,")
      let taken = #expect(throws: LocalMailError.self) { try tree.renameFolder(["A"], to: ["D"]) }
      #expect(taken?.kind == .exists)
      #expect(throws: LocalMailError.self) { try tree.renameFolder(["A"], to: ["A", "X"]) }
      #expect(throws: LocalMailError.self) { try tree.renameFolder(["INBOX"], to: ["X"]) }
      let missing = #expect(throws: LocalMailError.self) { try tree.renameFolder(["No"], to: ["X"]) }
      #expect(missing?.kind == .missing)
      try tree.renameFolder(["A"], to: ["X", "Y"])
      #expect(Set(try tree.folders()) == [["INBOX"], ["X", "Y"], ["X", "Y", "B", "C"], ["AB"], ["D"]])
      #expect(try tree.folder(["X", "Y", "B", "C"]).scan().count == 1)
    }
  }

  @Test func `A folder that holds mail is not deleted by mistake`() async throws {
    try await withTree { tree in
      let folder = try tree.createFolder(["A"])
      _ = try tree.createFolder(["A", "B"])
      try write("x", to: folder.directory + "/new/1.a")
      let error = #expect(throws: LocalMailError.self) { try tree.deleteFolder(["A"], withMail: false) }
      #expect(error?.path == folder.directory)
      #expect(try folder.scan().count == 1)
      try tree.deleteFolder(["A"], withMail: true)
      #expect(try tree.folders() == [["INBOX"], ["A", "B"]])
      try tree.deleteFolder(["A", "B"], withMail: false)
      #expect(try names(in: tree.root) == ["cur", "new", "tmp"], "nothing is left of them")
      #expect(throws: LocalMailError.self) { try tree.deleteFolder(["INBOX"], withMail: true) }
    }
  }

  @Test func `Mail that comes in the last moment brings the folder back`() async throws {
    try await withTree { tree in
      let folder = try tree.createFolder(["A"])
      let disk = try RecordingDisk(root: tree.root)
      // Behind the look into `new` and before the rename.
      disk.after(.list) { try? write("x", to: folder.directory + "/new/1.a") }
      #expect(throws: LocalMailError.self) {
        try MaildirTree(root: tree.root, disk: disk).deleteFolder(["A"], withMail: false)
      }
      #expect(try folder.scan().map(\.base) == ["1.a"])
    }
  }

  @Test func `Links are removed and not followed`() async throws {
    try await withTree { tree in
      let outside = tree.root.replacing("/Mail", with: "/outside")
      try FileManager.default.createDirectory(atPath: outside + "/cur", withIntermediateDirectories: true)
      try write("x", to: outside + "/cur/precious")
      let folder = try tree.createFolder(["A"])
      try FileManager.default.createSymbolicLink(
        atPath: folder.directory + "/cur/link", withDestinationPath: outside + "/cur")
      try FileManager.default.createSymbolicLink(atPath: tree.root + "/.Link", withDestinationPath: outside)
      try tree.deleteFolder(["A"], withMail: true)
      #expect(throws: LocalMailError.self) { try tree.deleteFolder(["Link"], withMail: true) }
      #expect(try names(in: outside + "/cur") == ["precious"])
    }
  }

  @Test func `What a crash left of a deleted folder is no mailbox and is removed later`() async throws {
    try await withTree { tree in
      let left = tree.root + "/..merpati-deleted-1/cur"
      try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
      try write("x", to: left + "/1.a")
      #expect(try tree.folders() == [["INBOX"]])
      #expect(try tree.cleanDeleted() == 1)
      #expect(try names(in: tree.root) == ["cur", "new", "tmp"])
    }
  }

  @Test func `Subscriptions are read in the new form, the old form and Courier's, and written in the new one`()
    async throws
  {
    try await withTree { tree in
      #expect(try tree.subscriptions() == [])
      try write("INBOX\nINBOX.Sent\nINBOX.A.B\n", to: tree.root + "/courierimapsubscribed")
      #expect(try tree.subscriptions() == [["INBOX"], ["Sent"], ["A", "B"]])
      try write("inbox\nEntw&APw-rfe\nA.B\nA.B\n\n", to: tree.root + "/subscriptions")
      #expect(try tree.subscriptions() == [["INBOX"], ["Entwürfe"], ["A", "B"]])
      let paths = [["INBOX"], ["Entwürfe"], ["A", "B"], ["x.y", "z"]]
      try tree.setSubscriptions(paths)
      #expect(
        try text(at: tree.root + "/subscriptions") == "V\t2\n\nINBOX\nEntw&APw-rfe\nA\tB\nx%2Ey\tz\n")
      #expect(try tree.subscriptions() == paths)
      #expect(try names(in: tree.root) == ["courierimapsubscribed", "cur", "new", "subscriptions", "tmp"])
      #expect(try names(in: tree.root + "/tmp") == [])
    }
  }
}
