internal import MilvusWire

/// A call that the server refuses: what the answer's Status says (`public-rpc.md` §2).
struct Refusal: Error, Equatable {
  var code: Int32
  /// `common.ErrorCode`, which older clients read.
  var legacyCode: Int32
  var reason: String

  init(_ code: Int32, _ reason: String, legacy: Int32 = 1) {
    (self.code, self.reason, legacyCode) = (code, reason, legacy)
  }

  /// The code of everything that has none of its own.
  static func unexpected(_ reason: String) -> Refusal { Refusal(65535, reason) }
  static func invalid(_ reason: String) -> Refusal {
    Refusal(1100, "invalid parameter: \(reason)", legacy: 5)
  }
  static func noCollection(_ name: String) -> Refusal {
    Refusal(100, "collection not found[collection=\(name)]", legacy: 4)
  }
  static func notLoaded(_ collection: Int64) -> Refusal {
    Refusal(101, "collection not loaded[collection=\(collection)]", legacy: 101)
  }
  static func noPartition(_ name: String) -> Refusal {
    Refusal(200, "partition not found[partition=\(name)]", legacy: 15)
  }
  static func noIndex(_ what: String) -> Refusal { Refusal(700, "index not found[\(what)]", legacy: 25) }
  static func noDatabase(_ name: String) -> Refusal { Refusal(800, "database not found[database=\(name)]") }
  static func noAlias(_ name: String, _ database: String) -> Refusal {
    Refusal(1600, "alias not found[database=\(database)][alias=\(name)]")
  }

  /// As `common.Status`.
  var status: JSONValue {
    [
      "error_code": .int(legacyCode), "reason": .string(reason), "code": .int(code),
      "detail": .string(reason),
    ]
  }
}

extension Refusal {
  init(_ error: ColumnError) { self = .invalid("\(error)") }
}
