/// The turns of a pass beside a log: stretches are collected first and written when the gate lets them in. Pure.
///
/// | State      | Entered by          | Exits to                                             |
/// |------------|---------------------|------------------------------------------------------|
/// | collecting | init, left          | asking (enough stretches, or the last ones)          |
/// | asking     | ask                 | inside (the gate let it in)                          |
/// | inside     | entered             | collecting (everything of the turn is confirmed)     |
struct RowPassTurn: Sendable {
  /// Pages of one turn: with those read ahead a pass holds about twice that.
  static let pagesMax = 3
  /// Stretches without a page hold keys only.
  static let stretchesMax = 8

  private enum State { case collecting, asking, inside }
  private var state = State.collecting
  private var stretches: [MergedStretch] = []
  private var mark: UInt64?

  var collects: Bool { state == .collecting && !isFull }
  var isInside: Bool { state == .inside }
  var isOver: Bool { state == .collecting && stretches.isEmpty }
  private var isFull: Bool {
    stretches.count >= Self.stretchesMax || stretches.count(where: { $0.page != nil }) >= Self.pagesMax
  }

  /// `mark`: of the oldest page that it came from.
  mutating func add(_ stretch: MergedStretch, mark: UInt64?) {
    stretches.append(stretch)
    if let mark { self.mark = min(self.mark ?? mark, mark) }
  }
  /// The mark to enter with, where it is time to.
  mutating func ask(isLast: Bool) -> UInt64? {
    guard state == .collecting, isFull || (isLast && !stretches.isEmpty) else { return nil }
    state = .asking
    return mark ?? 0
  }
  mutating func entered() -> [MergedStretch] {
    state = .inside
    defer {
      stretches = []
      mark = nil
    }
    return stretches
  }
  mutating func left() { state = .collecting }
}
