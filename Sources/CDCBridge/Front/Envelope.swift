package import MilvusWire

/// The one shape of every task API answer: `{"code": …, "message": …?, "data": …?}` and a newline (`task-api.md` §1.3).
///
/// `message` stands only on failures, `data` only on success, there always (`{}` where the answer has nothing to say: the documented
/// contract, which the original service leaves out).
package enum Envelope {
  package static func success(_ data: JSONObject) -> JSONValue { ["code": 200, "data": .object(data)] }
  package static func failure(_ code: Int, _ message: String) -> JSONValue {
    ["code": .int(code), "message": .string(message)]
  }
}

extension HTTPResponse {
  /// Characters that mean something in a page are escaped, as the original service does.
  package init(_ status: HTTPStatus = .ok, envelope: JSONValue) {
    let body = JSONWriter(escapesForHTML: true).bytes(of: envelope) + [0x0A]
    self.init(status, contentType: "application/json", body: body)
  }
}
