import Testing

@testable import CDCBridge

/// Answers whole, byte by byte, cut short and malformed.
@Suite struct HTTPResponseParserTests {
  typealias Response = HTTPResponseParser.Response
  typealias Failure = HTTPResponseParser.Failure

  private func parse(_ text: String, size: Int, limits: HTTPResponseParser.Limits = .init()) throws(Failure) -> Response {
    var parser = HTTPResponseParser(limits: limits)
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      if let response = try parser.append(Array(bytes[start..<min(bytes.count, start + size)])) { return response }
      start += size
    }
    return try parser.finish()
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello and more",
    "HTTP/1.0 200 OK\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
    // RFC 9112 §6.1: a length beside chunks does not count.
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ])
  func aBodyEndsAsItsHeaderSays(text: String) throws {
    for size in [1, 2, 3, 1000] where !(text.hasSuffix("more") && size < 1000) {
      #expect(try parse(text, size: size) == Response(status: 200, body: Array("hello".utf8)), "\(size)")
    }
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2 OK\r\n\r\n",
    "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
  ])
  func whatIsCutShortOrNoAnswerFails(text: String) {
    for size in [1, 1000] { #expect(throws: Failure.self) { try parse(text, size: size) } }
  }

  @Test func headAndBodyAreLimited() throws {
    var limits = HTTPResponseParser.Limits()
    limits.bodyBytesMax = 5
    let answer = { (count: Int) in "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: count) }
    for (count, fits) in [(4, true), (5, true), (6, false)] {
      #expect(((try? parse(answer(count), size: 1000, limits: limits)) != nil) == fits)
    }
    limits.headBytesMax = 10
    #expect(throws: Failure.self) { try parse("HTTP/1.1 200 OK, and it goes on", size: 4, limits: limits) }
  }
}
