internal import MilvusWire

/// Lets whole units of one channel through, in rising order: what a file with holes, or one made of several recordings, may hold beside them
/// would look to a follower like a log that is out of order.
///
/// | held | begin | body | commit | any other |
/// |------|-------|------|--------|-----------|
/// | nothing | held | dropped | dropped | passes |
/// | a transaction | begins anew | held, if it belongs | all pass | the transaction is dropped, this passes |
struct RecordedUnits {
  private var open: [LogMessage] = []
  private var last = TimeTick(0)

  mutating func received(_ message: LogMessage) -> [LogMessage] {
    switch message.type {
    case .beginTxn:
      open = message.transaction == nil ? [] : [message]
      return []
    case .commitTxn:
      defer { open = [] }
      return belongs(message) ? pass(open + [message]) : []
    default:
      guard message.transaction != nil else {
        open = []
        return pass([message])
      }
      if belongs(message) { open.append(message) }
      return []
    }
  }

  private func belongs(_ message: LogMessage) -> Bool {
    guard let begin = open.first else { return false }
    return message.transaction?.id == begin.transaction?.id && message.timeTick == begin.timeTick
  }

  private mutating func pass(_ unit: [LogMessage]) -> [LogMessage] {
    guard let tick = unit.last?.timeTick, tick > last else { return [] }
    last = tick
    return unit
  }
}
