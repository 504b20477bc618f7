/// The keys that Milvus reserves in the properties of a log message, and how their values are read (§2.2, §2.3).
package enum LogProperty {
  package static let version = "_v"
  package static let type = "_t"
  package static let timeTick = "_tt"
  package static let term = "_wt"
  package static let barrierTimeTick = "_btt"
  package static let lastConfirmed = "_lc"
  package static let lastConfirmedIsOwn = "_lcs"
  package static let vchannel = "_vc"
  package static let broadcastHeader = "_bh"
  package static let header = "_h"
  package static let transaction = "_tx"
  package static let cipherHeader = "_ch"
  package static let notPersisted = "_np"
  package static let pchannelLevel = "_pcl"
  package static let replicateHeader = "_rh"
  package static let unreplicable = "_ur"
  package static let partialUpdate = "_puc"

  /// The number of `_v` and `_t`; nil where it is none. As Go reads it: an optional sign and digits.
  static func decimal(_ text: String) -> Int? {
    text.utf8.allSatisfy { $0 != UInt8(ascii: "_") } ? Int(text) : nil
  }

  /// The bytes of a proto property. Without padding it is an error; a proto without fields is empty text.
  static func bytes(_ text: String, of key: String) throws(LogMessageError) -> [UInt8] {
    guard text.utf8.count % 4 == 0, let bytes = Base64.decode(text) else {
      throw LogMessageError(.property, property: key, "not base64 with padding")
    }
    return bytes
  }

  /// A proto property read whole.
  static func record<Record: LogRecord>(_ text: String, of key: String) throws(LogMessageError) -> Record {
    let bytes = try bytes(text, of: key)
    do throws(ProtobufError) {
      return try Record(encoded: bytes)
    } catch {
      throw LogMessageError(.property, property: key, error.message)
    }
  }
}
