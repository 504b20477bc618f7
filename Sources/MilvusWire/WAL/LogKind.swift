/// `common.WALName`: which log implementation a message id belongs to. Unknown numbers are kept.
package struct LogKind: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package var rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// The server assumes its own default log.
  package static let unknown = LogKind(rawValue: 0)
  package static let rocksMQ = LogKind(rawValue: 1)
  package static let pulsar = LogKind(rawValue: 2)
  package static let kafka = LogKind(rawValue: 3)
  package static let woodPecker = LogKind(rawValue: 4)
  package static let test = LogKind(rawValue: 999)

  /// The four that a server can run on.
  package static let real: [LogKind] = [.rocksMQ, .pulsar, .kafka, .woodPecker]

  /// As the proto spells it; the number for one that it does not know.
  package var description: String {
    switch self {
    case .unknown: "Unknown"
    case .rocksMQ: "RocksMQ"
    case .pulsar: "Pulsar"
    case .kafka: "Kafka"
    case .woodPecker: "WoodPecker"
    case .test: "Test"
    default: String(rawValue)
    }
  }
}
