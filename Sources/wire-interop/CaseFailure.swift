/// A case that did not go as its description says.
struct CaseFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Fails the case unless the two are equal.
func expect<Value: Equatable>(_ what: String, _ found: Value, _ wanted: Value) throws {
  guard found == wanted else { throw CaseFailure("\(what): \(found) instead of \(wanted)") }
}
