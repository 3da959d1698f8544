import Bytes
import IMAPCore
import NIOCore
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: [WireOptions.rev1, .rev2])
  func `What is printed is read back the same`(options: WireOptions) throws {
    for seed in 0..<4000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let command = TaggedCommand(tag: "t\(seed)", generator.command())
      var printer = CommandPrinter(options: options, nonSynchronizing: seed.isMultiple(of: 2))
      printer.print(command)
      var frame = printer.buffer
      frame.moveWriterIndex(to: frame.writerIndex - 2)
      let back = try CommandFrame(frame).parse(options: options)
      #expect(back == command, "seed \(seed): \(String(buffer: printer.buffer))")
    }
  }

  @Test(arguments: [WireOptions.rev1, .rev2])
  func `What is printed is framed, cut anywhere`(options: WireOptions) throws {
    for seed in 0..<400 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let command = TaggedCommand(tag: "t", generator.command())
      var printer = CommandPrinter(options: options, nonSynchronizing: true)
      printer.print(command)
      var whole = CommandFramer(options: options, isLoggedIn: true)
      let expected = drive(&whole, [printer.buffer])
      #expect(whole.isIdle)
      let appended: AppendCommand? =
        switch command.command {
        case .append(let command), .replace(let command): command
        default: nil
        }
      if let appended {
        let parts = appended.messages.flatMap { message in message.parts ?? [.text(message.bytes)] }
        // URLs that need a literal are asked for like any argument, but not by a client that does not wait.
        #expect(
          expected.compactMap { seen -> AppendCommand.Part? in
            switch seen {
            case .message(let bytes): .text(bytes)
            case .event(.appendURL(let url)): .url(url)
            default: nil
            }
          }
            == parts.map { part in
              switch part {
              case .url: part
              case .text(let bytes), .utf8(let bytes): .text(bytes)
              }
            })
        #expect(expected.last == .event(.appendEnd(tag: "t")))
        let announced = expected.compactMap { seen -> AppendMessage? in
          if case .event(.appendMessage(let message)) = seen { message } else { nil }
        }
        #expect(announced.map(\.flags) == appended.messages.map(\.flags))
        #expect(announced.map(\.index) == Array(appended.messages.indices))
        #expect(announced.allSatisfy { $0.replaces == appended.replaces && $0.mailbox == appended.mailbox })
      } else {
        #expect(expected.count == 1)
      }
      var chunks: [ByteBuffer] = []
      var rest = printer.buffer
      while rest.readableBytes > 0 {
        let length = min(rest.readableBytes, Int.random(in: 1...9, using: &generator.random))
        if let chunk = rest.readSlice(length: length) { chunks.append(chunk) }
      }
      var cut = CommandFramer(options: options, isLoggedIn: true)
      #expect(drive(&cut, chunks) == expected, "seed \(seed)")
      #expect(cut.isIdle)
    }
  }

  @Test func `A client with synchronizing literals pauses where the server asks`() throws {
    var printer = CommandPrinter(nonSynchronizing: false)
    printer.print(TaggedCommand(tag: "a", .login(LoginCommand(user: "x\r\ny", password: "ä"))))
    #expect(printer.pauses.count == 2)
    var framer = CommandFramer()
    var start = 0
    for pause in printer.pauses {
      framer.receive(try #require(printer.buffer.getSlice(at: start, length: pause - start)))
      #expect(framer.next() == .sendContinuation)
      #expect(framer.next() == .needMore)
      start = pause
    }
    framer.receive(try #require(printer.buffer.getSlice(at: start, length: printer.buffer.writerIndex - start)))
    guard case .command(let frame) = framer.next() else {
      Issue.record("no command")
      return
    }
    #expect(try frame.parse().command == .login(LoginCommand(user: "x\r\ny", password: "ä")))
  }
}
