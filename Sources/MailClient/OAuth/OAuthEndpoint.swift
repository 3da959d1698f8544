import Foundation
public import MailNet
public import NIOCore

/// An OAuth 2.0 endpoint: forms go there by POST over HTTPS, JSON comes back.
///
/// A small HTTP/1.1 of our own, over `ClientConnection`: one request a connection, no redirects.
public struct OAuthEndpoint: Sendable {
  let url: EndpointURL
  let trust: TransportSecurity.Trust
  let group: any EventLoopGroup

  /// - url: `https://`; `http://` for a server on this machine only.
  public init(url: String, trust: TransportSecurity.Trust, group: any EventLoopGroup) throws(ClientError) {
    self.url = try EndpointURL(url)
    self.trust = trust
    self.group = group
  }

  var name: String { url.hostField }

  func failure(_ kind: ClientError.Kind) -> ClientError { ClientError(kind, server: name) }

  /// The answer to a form, whether it grants or refuses.
  func post(_ form: [(String, String)]) async throws(ClientError) -> OAuthAnswer {
    let (status, body) = try await exchange(request(form))
    let fields = try? JSONDecoder().decode(OAuthAnswer.Fields.self, from: Data(body.readableBytesView))
    switch (status, fields) {
    case (200...299, let fields?): return OAuthAnswer(isSuccess: true, fields: fields)
    case (400...499, let fields?) where fields.error != nil: return OAuthAnswer(isSuccess: false, fields: fields)
    case (500...599, _), (429, _):
      throw failure(.cannotConnect("the OAuth server is not available now (HTTP \(status))"))
    default:
      throw failure(.protocolViolation("HTTP \(status) without an OAuth answer; is the endpoint's URL right?"))
    }
  }

  private func request(_ form: [(String, String)]) -> ByteBuffer {
    // RFC 6749 appendix B: application/x-www-form-urlencoded, UTF-8; %20 is read like +.
    let body = form.map { "\(PercentCoding.encode($0.0))=\(PercentCoding.encode($0.1))" }.joined(separator: "&")
    var request = ByteBuffer()
    request.writeString("POST \(url.target) HTTP/1.1\r\nHost: \(url.hostField)\r\nConnection: close\r\n")
    request.writeString("Accept: application/json\r\nUser-Agent: merpati\r\n")
    request.writeString("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: \(body.utf8.count)\r\n\r\n")
    request.writeString(body)
    return request
  }

  func exchange(_ request: ByteBuffer) async throws(ClientError) -> (Int, ByteBuffer) {
    let security = TransportSecurity(
      encryption: url.isSecure ? .implicit : .none, trust: trust, allowsCleartextLogin: false)
    let deadline = ContinuousClock.now + MailClientLimits.httpRequest
    let connection = try await ClientConnection.connect(
      to: .host(url.host, port: url.port), security: security, group: group, timeouts: ClientTimeouts())
    let result: Result<(Int, ByteBuffer), ClientError>
    do throws(ClientError) {
      result = .success(try await answer(to: request, over: connection, until: deadline))
    } catch {
      result = .failure(error)
    }
    await connection.close()
    return try result.get()
  }

  private func answer(
    to request: ByteBuffer, over connection: ClientConnection, until deadline: ContinuousClock.Instant
  ) async throws(ClientError) -> (Int, ByteBuffer) {
    // Secrets go into it.
    guard url.isSecure || connection.isLoopback else { throw failure(.cleartextRefused) }
    try await connection.send(request)
    var answer = HTTPAnswer()
    while true {
      let left = max(deadline - .now, .milliseconds(1))
      let bytes = try await connection.receive(within: left)
      do throws(HTTPAnswer.Problem) {
        if let bytes {
          if try answer.feed(bytes) { return (answer.status, answer.body) }
        } else if answer.end() {
          return (answer.status, answer.body)
        } else {
          throw .malformed("the answer ends in the middle")
        }
      } catch {
        guard case .malformed(let what) = error else { continue }
        throw failure(.protocolViolation("HTTP: \(what)"))
      }
    }
  }
}

/// What an OAuth endpoint answered (RFC 6749 §5, RFC 8628 §3.2).
struct OAuthAnswer: Sendable {
  struct Fields: Decodable, Sendable {
    var access_token: String?
    var refresh_token: String?
    var expires_in: Seconds?
    var error: String?
    var error_description: String?
    var device_code: String?
    var user_code: String?
    var verification_uri: String?
    /// As Google names it.
    var verification_url: String?
    var verification_uri_complete: String?
    var interval: Seconds?
  }

  /// A number; some servers write it as a string.
  struct Seconds: Decodable, Sendable {
    let value: Double
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      let number = try? container.decode(Double.self)
      value = try number ?? Double(container.decode(String.self)) ?? 0
    }

    /// Within bounds, whatever was said.
    func duration(atMost limit: Duration) -> Duration {
      guard value.isFinite, value > 0 else { return .zero }
      return min(.seconds(min(value, 1e9)), limit)
    }
  }

  let isSuccess: Bool
  let fields: Fields

  /// The server's own words, fit for a terminal.
  var reason: String {
    let text = [fields.error, fields.error_description].compactMap(\.self).joined(separator: ": ")
    return String(
      String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(300)))
  }
}
