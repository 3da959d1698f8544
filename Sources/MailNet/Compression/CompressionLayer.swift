import NIOCore
import Synchronization

/// DEFLATE on one connection of the server, both ways (RFC 4978). Made when the client asks for it.
///
/// While nothing happens it holds neither an inflater nor a deflater: only what the client's next commands may refer to,
/// which is what it has said so far, 32 KiB at most.
final class CompressionLayer {
  enum Inflated: Sendable {
    /// `plain` has more than before.
    case piece
    case needsInput
    /// The client's side has ended; what is left of the input is plain.
    case ended
    case failed(String)
  }

  /// Inflated, and not consumed by the session.
  var plain = ByteBuffer()
  /// What goes out is still compressed.
  private(set) var isOutgoing = true
  /// The session has ended it: what the client compresses ends at its next flush.
  private(set) var isEnding = false
  /// Inflating goes on in the loop's next round.
  var isYielding = false
  /// Octets on the wire, and what was in them.
  private(set) var wireIn = 0
  private(set) var wireOut = 0
  private var plainIn = 0

  private let allowance: Int
  private var inflater: Inflater?
  private var history = ByteBuffer()
  private var deflater: Deflater?
  /// The client has ended its stream.
  private var hasEnded = false
  /// Used since `rest` was called last.
  private var isBusy = false
  /// `rest` will be called.
  var willRest = false

  /// Deflaters of the process that are in use.
  private static let deflaters = Atomic<Int>(0)
  static var deflatersInUse: Int { deflaters.load(ordering: .relaxed) }

  static let behindTheEnd = "compressed data behind the command that ends compression"

  /// - Parameter allowance: octets that may come out of next to nothing, see `CompressionLimits.ratio`.
  init(allowance: Int) { self.allowance = allowance }

  deinit { giveBackDeflater() }

  // MARK: In

  /// There is something for the session without any more input.
  var hasMore: Bool { plain.readableBytes > 0 || inflater?.mayHoldMore == true }

  /// Inflates from the front of `input`, up to the next flush.
  func inflate(_ input: inout ByteBuffer) -> Inflated {
    isBusy = true
    if inflater == nil {
      inflater = Inflater(piece: CompressionLimits.inflatedPiece, history: history)
      history = ByteBuffer()
    }
    guard let inflater else { return .failed("no memory to decompress with") }
    while true {
      if isEnding, inflater.isAtFlush { return .ended }
      // That ends no compression, and nothing that follows could be read.
      if hasEnded { return .failed("it has ended its DEFLATE stream") }
      guard input.readableBytes > 0 || inflater.mayHoldMore else { return .needsInput }
      let (given, had) = (input.readableBytes, plain.readableBytes)
      let stop = inflater.step(&input, &plain)
      wireIn += given - input.readableBytes
      plainIn += plain.readableBytes - had
      let isMore = plain.readableBytes > had
      if isEnding, isMore { return .failed(Self.behindTheEnd) }
      if plainIn > allowance, plainIn - allowance > CompressionLimits.ratio * wireIn {
        return .failed("more than \(CompressionLimits.ratio) octets for one: a decompression bomb")
      }
      switch stop {
      case .damaged: return .failed("what it sends is no DEFLATE stream")
      case .ended:
        hasEnded = true
        if isMore { return .piece }
      case .flush, .full: if isMore { return .piece }
      case .needsInput: return isMore ? .piece : .needsInput
      }
    }
  }

  // MARK: Out

  /// All of `bytes`, flushed. Nil only if zlib fails.
  func deflate(_ bytes: ByteBuffer) -> ByteBuffer? {
    isBusy = true
    if deflater == nil, bytes.readableBytes > CompressionLimits.storedOutright { takeDeflater() }
    let output = if let deflater { deflater.deflate(bytes) } else { Deflater.store(bytes) }
    wireOut += output?.readableBytes ?? 0
    return output
  }

  private func takeDeflater() {
    guard Self.deflaters.add(1, ordering: .relaxed).newValue <= CompressionLimits.deflaters,
      let made = Deflater(
        level: CompressionLimits.level, window: CompressionLimits.window, memory: CompressionLimits.memory)
    else {
      Self.deflaters.subtract(1, ordering: .relaxed)
      return
    }
    deflater = made
  }

  private func giveBackDeflater() {
    guard deflater != nil else { return }
    deflater = nil
    Self.deflaters.subtract(1, ordering: .relaxed)
  }

  /// Nothing more is compressed. True: the client's side has ended as well.
  func end() -> Bool {
    isOutgoing = false
    isEnding = true
    giveBackDeflater()
    return inflater?.isAtFlush ?? true
  }

  // MARK: Quiet

  /// Gives up what a quiet connection can do without. False: it has been busy meanwhile; ask again.
  func rest() -> Bool {
    guard !isBusy else {
      isBusy = false
      return false
    }
    giveBackDeflater()
    if let kept = inflater?.history() {
      history = kept
      inflater = nil
    }
    if plain.readableBytes == 0 { plain = ByteBuffer() }
    return true
  }

  /// Octets it holds, for tests: zlib's own figures for its states.
  var octetsHeld: Int {
    (deflater == nil ? 0 : CompressionLimits.deflaterOctets) + (inflater == nil ? 0 : 48 << 10)
      + history.storageCapacity + plain.storageCapacity
  }
}
