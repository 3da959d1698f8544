import MailStore

extension ControlFailure {
  /// What the command at the other end hears of any error.
  init(any error: any Error) {
    switch error {
    case let failure as ControlFailure: self = failure
    case let error as StoreError: self.init(error)
    default: self.init(.software, "\(error)")
    }
  }
}
