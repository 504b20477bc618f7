internal import MilvusWire

/// Tells up to which key the target has confirmed everything: stretches of the merge end in order, writes are confirmed in any (D8). Pure.
struct ConfirmedProgress: Sendable, Equatable {
  private struct Stretch: Equatable {
    var through: RowKey?
    var open: Int
  }
  private var stretches: [Stretch] = []
  private var firstNumber = 0
  private(set) var through: RowKey?

  init(startAfter: RowKey?) { through = startAfter }

  /// A new stretch with `open` writes to come; returns its number.
  mutating func add(through: RowKey?, open: Int) -> Int {
    stretches.append(Stretch(through: through, open: open))
    defer { settle() }
    return firstNumber + stretches.count - 1
  }
  mutating func opened(_ count: Int, of number: Int) { stretches[number - firstNumber].open += count }
  mutating func closed(_ number: Int) {
    precondition(stretches[number - firstNumber].open > 0)
    stretches[number - firstNumber].open -= 1
    settle()
  }

  private mutating func settle() {
    while let first = stretches.first, first.open == 0 {
      if let key = first.through { through = key }
      stretches.removeFirst()
      firstNumber += 1
    }
  }
}
