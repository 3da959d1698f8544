import ArgumentParser
import Foundation
import LocalMail
import MailBrowse
import MailClient
import MailNet
import MailPull
import MailStore
import MailSync
import MerpatiServer

/// What ends a command: a sentence for the person and a code of sysexits(3) for the script. Never a stack trace.
struct Refusal: Error {
  var code: ControlFailure.Code
  var sentence: String

  static func usage(_ sentence: String) -> Refusal { Refusal(code: .usage, sentence: sentence) }

  init(code: ControlFailure.Code, sentence: String) {
    self.code = code
    self.sentence = sentence
  }

  init(_ error: any Error) {
    switch error {
    case let refusal as Refusal: self = refusal
    case let failure as ControlFailure: self.init(code: failure.code, sentence: failure.sentence)
    case let error as ClientError: self.init(code: Self.code(error), sentence: error.description)
    case let error as ConfigError: self.init(code: .configuration, sentence: error.description)
    case let error as BrowseError: self.init(code: .data, sentence: error.description)
    case let error as LocalMailError: self.init(code: .inputOutput, sentence: error.description)
    case let error as StoreError:
      let failure = ControlFailure(error)
      self.init(code: failure.code, sentence: failure.sentence)
    case let error as PullError: self.init(code: Self.code(error), sentence: error.description)
    case let error as PullConfigurationError: self.init(code: .configuration, sentence: error.description)
    case let error as SyncError: self.init(code: Self.code(error), sentence: error.description)
    case let error as ReplicaError: self.init(code: Self.code(error), sentence: error.description)
    case is CancellationError: self.init(code: .temporary, sentence: "interrupted")
    case let error as any CustomStringConvertible: self.init(code: .software, sentence: error.description)
    default: self.init(code: .software, sentence: "\(error)")
    }
  }

  private static func code(_ error: PullError) -> ControlFailure.Code {
    switch error.kind {
    case .inUse, .targetUnavailable, .cancelled: .temporary
    case .journal, .target: .inputOutput
    case .noSpace: .cannotCreate
    case .placeLost: .noPermission
    case .server(let error): code(error)
    case .impossible: .usage
    }
  }

  private static func code(_ error: SyncError) -> ControlFailure.Code {
    switch error {
    case .brake, .rootLost: .noPermission
    case .locked, .mailboxChanged, .messageGone: .temporary
    case .otherAccount, .nameClash, .unusableName: .configuration
    case .state: .inputOutput
    case .wrongSize, .noSuchMessage: .data
    }
  }

  private static func code(_ error: ReplicaError) -> ControlFailure.Code {
    switch error {
    case .noReplica, .noHeaders: .noInput
    case .noSuchMailbox, .noSuchMessage, .gone, .noSuchPart, .wrongAnswer: .data
    case .notHere, .mailboxGone: .unavailable
    // The next pull mends it.
    case .renumbered, .replaced, .changedMeanwhile: .temporary
    }
  }

  private static func code(_ error: ClientError) -> ControlFailure.Code {
    switch error.kind {
    case .cannotConnect: .unavailable
    case .tls, .cleartextRefused, .authenticationFailed: .noPermission
    case .timedOut, .disconnected, .cancelled: .temporary
    case .secretUnavailable: .configuration
    case .refused: error.isTemporary ? .temporary : .unavailable
    case .protocolViolation: .data
    case .unsupported: .unavailable
    case .invalidAddress: .usage
    }
  }
}

extension Terminal {
  /// Runs a command's work; whatever it throws ends it with a sentence and a code.
  static func run<Value>(_ work: () async throws -> Value) async throws -> Value {
    do {
      return try await work()
    } catch let code as ExitCode {
      throw code
    } catch let error as CleanExit {
      throw error
    } catch let error as ValidationError {
      throw error
    } catch {
      let refusal = Refusal(error)
      throw fail(ControlFailure(refusal.code, refusal.sentence))
    }
  }

  /// To standard output, all of it, as it is.
  static func put(_ octets: UnsafeRawBufferPointer) throws {
    var sent = 0
    while sent < octets.count {
      let count = Foundation.write(STDOUT_FILENO, octets.baseAddress.map { $0 + sent }, octets.count - sent)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw Refusal(code: .inputOutput, sentence: "standard output: \(String(cString: strerror(errno)))")
      }
      sent += count
    }
  }
}
