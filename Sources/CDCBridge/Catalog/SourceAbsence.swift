internal import MilvusWire

/// Why a name that was chosen is no collection of the source.
package enum SourceAbsence: Sendable, Equatable {
  case missing
  case alias(of: String)

  /// For who wants the collection now.
  package var statement: String {
    switch self {
    case .missing: "there is no such collection on the source"
    case .alias(let real): "it is an alias of \(real) on the source: name the collection instead"
    }
  }

  /// For a task, which waits for what is missing.
  func hint(_ path: CollectionPath) -> String {
    switch self {
    case .missing: "It is not on the source yet; it is copied when it appears."
    case .alias(let real): "\(path.name) is an alias of \(real): name the collection instead."
    }
  }
}
