public import MailNet
public import NIOCore

extension OAuthEndpoint {
  /// A document by GET: the keys of an issuer (RFC 7517), say. An answer that is not 200 is an error; there are no redirects.
  public func document() async throws(ClientError) -> ByteBuffer {
    var request = ByteBuffer()
    request.writeString("GET \(url.target) HTTP/1.1\r\nHost: \(url.hostField)\r\nConnection: close\r\n")
    request.writeString("Accept: application/json\r\nUser-Agent: merpati\r\n\r\n")
    let (status, body) = try await exchange(request)
    guard status == 200 else { throw failure(.protocolViolation("HTTP \(status) in place of the document")) }
    return body
  }
}
